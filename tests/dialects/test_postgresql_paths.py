"""Ways to have names mean other tables, on PostgreSQL: followed or refused."""

from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
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


def test_a_path_that_a_role_has(raw: Any, postgresql_url: str) -> None:
    """By ALTER ROLE, in the database or everywhere; it holds from the next login."""
    role = "kysera_path_" + raw.info.dbname[-12:]
    run(
        raw,
        f"CREATE ROLE {role} LOGIN",
        f"CREATE SCHEMA {role}",
        f"CREATE TABLE {role}.notes (id integer, tenant_id integer, body text)",
        f"INSERT INTO {role}.notes VALUES (9, 8, 'GHOST'), (1, 7, 'free')",
        f"GRANT USAGE ON SCHEMA {role} TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {role}, public TO {role}",
    )
    shown = "SELECT body FROM notes ORDER BY body"
    try:
        for setting in (
            f"ALTER ROLE {role} SET search_path = {role}, public",
            f"ALTER ROLE {role} IN DATABASE {raw.info.dbname} "
            f"SET search_path = {role}, public",
            f"ALTER DATABASE {raw.info.dbname} SET search_path = {role}, public",
            f"ALTER ROLE {role} RESET search_path",  # "$user" is the role
        ):
            raw.execute(setting)
            with closing(psycopg.connect(postgresql_url, user=role)) as opened:
                connection = wrapped(opened)  # what it means is its first schema's
                assert rows(connection, shown) == [("free",)], setting
            for reset in (
                f"ALTER ROLE {role} IN DATABASE {raw.info.dbname} RESET search_path",
                f"ALTER DATABASE {raw.info.dbname} RESET search_path",
            ):
                raw.execute(reset)
    finally:
        run(raw, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_role_that_the_path_names(raw: Any, postgresql_url: str) -> None:
    """SET ROLE has "$user" mean another schema: it is followed or refused."""
    role = "kysera_path_" + raw.info.dbname[-12:]
    run(
        raw,
        f"CREATE ROLE {role}",
        f"CREATE SCHEMA {role}",
        f"CREATE TABLE {role}.notes (id integer, tenant_id integer, body text)",
        f"INSERT INTO {role}.notes VALUES (9, 8, 'free')",
        f"GRANT ALL ON SCHEMA {role}, public TO {role}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA {role}, public TO {role}",
    )
    shown = "SELECT body FROM notes ORDER BY body"
    ours = [("ours",), ("ours too",)]
    options = '-c search_path="$user",public'
    try:
        with closing(psycopg.connect(postgresql_url, options=options)) as opened:
            opened.autocommit = True
            connection = wrapped(opened)
            assert rows(connection, shown) == ours
            for change in (
                f"SET ROLE {role}",
                "RESET ROLE",
                f"SET SESSION AUTHORIZATION {role}",
                "RESET SESSION AUTHORIZATION",
                f"SELECT set_config('role', '{role}', false)",
                f"SET LOCAL ROLE {role}",
            ):
                code(connection, change)
                user = opened.execute("SELECT current_user").fetchone()
                expected = [("free",)] if user == (role,) else ours
                assert rows(connection, shown) == expected, change
    finally:
        run(raw, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_function_that_sets_the_path(raw: Any) -> None:
    """For itself alone it is read; for the session it is refused."""
    run(
        raw,
        "CREATE SCHEMA other",
        "CREATE TABLE other.notes (id integer, tenant_id integer, body text)",
        "INSERT INTO other.notes VALUES (9, 8, 'free')",
        "CREATE FUNCTION lasting() RETURNS integer LANGUAGE plpgsql AS "
        "$$ BEGIN SET search_path = other; RETURN 1; END $$",
        "CREATE FUNCTION configured() RETURNS integer LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM set_config('search_path', 'other', false); RETURN 1; END $$",
        "CREATE FUNCTION own() RETURNS bigint LANGUAGE sql SET search_path = other AS "
        "'SELECT count(*) FROM notes'",
    )
    connection = wrapped(raw)
    for function in ("lasting", "configured", "own"):
        code(connection, f"SELECT {function}()")
        assert raw.execute("SHOW search_path").fetchone() != ("other",), function
        assert agrees(raw, connection), function


#: What another session does, and a text about it: one that is new afterwards.
MEANWHILE = [
    (
        "DROP TABLE IF EXISTS free; ALTER TABLE notes RENAME TO free",
        "SELECT body, 1 FROM free",
    ),
    (
        "CREATE SCHEMA other; ALTER TABLE notes SET SCHEMA other;"
        "SET search_path = other; DROP TABLE public.free;"
        "CREATE VIEW public.free AS SELECT * FROM notes",
        "SELECT body, 1 FROM free",
    ),
    (
        "CREATE TABLE whole (LIKE notes) PARTITION BY LIST (tenant_id);"
        "ALTER TABLE whole ATTACH PARTITION notes DEFAULT",
        "SELECT body, 1 FROM whole",
    ),
    ("ALTER TABLE notes INHERIT free", "SELECT body, 1 FROM free"),
]


@pytest.mark.parametrize(("change", "text"), MEANWHILE)
@pytest.mark.parametrize("refresh", [False, True])
def test_what_another_session_has_moved(
    raw: Any, postgresql_url: str, change: str, text: str, refresh: bool
) -> None:
    """A new text, and ``refresh()``, notice it (docs/schema_changes.md)."""
    run(
        raw,
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        "CREATE TABLE notes (id integer, tenant_id integer, body text)",
        "INSERT INTO notes VALUES (1, 7, 'ours'), (2, 8, 'GHOST')",
        "CREATE TABLE free (LIKE notes)",
    )
    connection = wrapped(raw)
    assert rows(connection, "SELECT body FROM notes") == [("ours",)]
    assert rows(connection, "SELECT body FROM free") == []
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as other:
        run(other, *change.split(";"))
    known = "SELECT body FROM free" if "free" in text else "SELECT body FROM whole"
    if refresh:
        text = known
    shown: list[Any] = []
    with suppress(kysera_dbapi.Error):  # the configuration names no table now
        if refresh:
            connection.refresh()
        shown = rows(connection, text)
    assert "GHOST" not in str(shown)


def test_foreign_tables(raw: Any, tmp_path: Any) -> None:
    """They are tables of others: read as they are, and protected by none."""
    found = "SELECT 1 FROM pg_available_extensions WHERE name = 'postgres_fdw'"
    if not raw.execute(found).fetchone():
        pytest.skip("postgres_fdw is not installed")
    run(
        raw,
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER there FOREIGN DATA WRAPPER postgres_fdw",
        "CREATE FOREIGN TABLE far (id integer, tenant_id integer) SERVER there",
    )
    connection = wrapped(raw)
    assert "far" in str(connection.explain("SELECT id FROM far").sql)
    with pytest.raises(kysera_dbapi.ConfigurationError, match="foreign table"):
        wrapped(raw, "normal", "far")
