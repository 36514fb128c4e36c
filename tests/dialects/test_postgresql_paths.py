"""Ways to have names mean other tables, on PostgreSQL: followed or refused."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import psycopg
import pytest

from tests.dialects.test_postgresql_world import SCHEMA, code, rows, run, wrapped


@pytest.fixture
def raw(postgresql_url: str) -> Iterator[Any]:
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as made:
        made.execute(cast("Any", SCHEMA))
        yield made


#: Each makes ``notes`` mean the table of the schema other, or is refused.
PATHS = (
    "SET search_path = other, public",
    "SET SESSION search_path TO other",
    "SET search_path TO 'other'",
    'SET "search_path" = other',
    "SET Search_Path = other",
    "SET SCHEMA 'other'",
    "SET LOCAL search_path = other",
    "SELECT set_config('search_path', 'other', false)",
    "SELECT pg_catalog.set_config('sear' || 'ch_path', 'other', true)",
    "UPDATE pg_settings SET setting = 'other' WHERE name = 'search_path'",
    "ALTER DATABASE nowhere SET search_path = other",
    "BEGIN; SET search_path = other",
    "BEGIN; SAVEPOINT a; SET search_path = other",
)
#: Each makes it mean what it meant before.
BACK = (
    "RESET search_path",
    "SET search_path TO DEFAULT",
    "RESET ALL",
    "DISCARD ALL",
    "SET search_path = public",
)


def agrees(raw: Any, connection: Any) -> bool:
    """Whether the rows are those of the table that the server means, filtered."""
    query = "SELECT body FROM notes ORDER BY body"
    (path,) = raw.execute("SHOW search_path").fetchone()
    free = path.startswith(("other", "'other"))
    expected = [("free",)] if free else [("ours",), ("ours too",)]
    return rows(connection, query) == expected


@pytest.mark.parametrize("sql", PATHS)
def test_a_path_is_followed_or_refused(raw: Any, sql: str) -> None:
    run(
        raw,
        "CREATE SCHEMA other",
        "CREATE TABLE other.notes (id integer, tenant_id integer, body text)",
        "INSERT INTO other.notes VALUES (9, 8, 'free')",
    )
    connection = wrapped(raw)
    assert agrees(raw, connection)
    refused = False
    for part in sql.split("; "):
        refused = code(connection, part) != "" or refused
        assert agrees(raw, connection), part
    if not refused and sql.startswith("BEGIN"):
        for part in ("ROLLBACK TO a", "ROLLBACK")["SAVEPOINT" not in sql :]:
            run(connection, part)
            assert agrees(raw, connection), part
    for back in BACK:
        run(connection, "SET search_path = other", back)
        assert agrees(raw, connection), back
    path = raw.execute("SHOW search_path").fetchone()
    assert path == ("public",)


def test_a_path_of_the_role_or_of_the_options(raw: Any, postgresql_url: str) -> None:
    run(
        raw,
        "CREATE SCHEMA other",
        "CREATE TABLE other.notes (id integer, tenant_id integer, body text)",
        "INSERT INTO other.notes VALUES (9, 8, 'GHOST'), (1, 7, 'free')",
    )
    options = "-c search_path=other,public"
    with closing(psycopg.connect(postgresql_url, options=options)) as opened:
        connection = wrapped(opened)  # its configuration means the first of the path
        assert rows(connection, "SELECT body FROM notes") == [("free",)]
        assert rows(connection, "SELECT body FROM other.notes") == [("free",)]
        both = wrapped(opened, "normal", "notes", "public.notes")
        run(both, "SET search_path = public")
        assert len(rows(both, "SELECT body FROM notes")) == 2
