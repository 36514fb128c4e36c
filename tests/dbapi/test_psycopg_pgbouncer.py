"""Behind PgBouncer in transaction mode: nothing of the shim lives in the session."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
from tests.dbapi.notes import OURS, QUERY, plugins
from tests.dbapi.test_psycopg_cascade import KEYS
from tests.dbapi.test_psycopg_cascade import SCHEMA as CUSTOMERS
from tests.pgbouncer import bounced, pgbouncer

pytestmark = pytest.mark.skipif(pgbouncer() is None, reason="no pgbouncer")

THEIRS = [(4, "GHOST")]


@pytest.fixture
def url(postgresql_url: str, raw_notes: Any) -> Iterator[str]:
    """By a PgBouncer with one connection to the server, for all."""
    with bounced(postgresql_url) as made:
        yield made


@pytest.fixture(params=[True, False], ids=["autocommit", "transaction"])
def two(url: str, request: pytest.FixtureRequest) -> Iterator[list[Any]]:
    """Two clients; what one leaves in the session the other meets."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(closing(client(url, autocommit=request.param)))
            for _ in range(2)
        ]


def client(url: str, *, given: Any = None, **options: Any) -> Any:
    """A wrapped connection; the driver's own prepared statements are off."""
    chosen = plugins() if given is None else given
    # PgBouncer before 1.21 knows no prepared statements
    options.setdefault("prepare_threshold", None)
    return kysera_dbapi.connect(url, plugins=chosen, **options)


def end(connection: Any) -> None:
    if not connection.autocommit:
        connection.commit()


def backend(connection: Any) -> Any:
    found = connection.execute("SELECT pg_backend_pid()").fetchone()
    end(connection)
    return found


def test_two_tenants_take_turns_at_one_connection(two: list[Any]) -> None:
    one, other = two
    assert backend(one) == backend(other)
    for _ in range(8):
        for connection, tenant, rows in ((one, 7, OURS), (other, 8, THEIRS)):
            with kysera_dbapi.context(tenant_id=tenant):
                assert connection.execute(QUERY).fetchall() == rows
                text = "SELECT id, body FROM notes WHERE id > %s ORDER BY id"
                assert connection.execute(text, (0,)).fetchall() == rows
                end(connection)


def test_tenants_write_in_turns(two: list[Any], raw_notes: Any) -> None:
    for number in range(4):
        for connection, tenant in zip(two, (7, 8), strict=True):
            key = 100 * tenant + number
            with kysera_dbapi.context(tenant_id=tenant):
                text = "INSERT INTO notes (id, body) VALUES (%s, 'new')"
                connection.execute(text, (key,))
                rows = [(key + 10,), (key + 20,)]
                connection.cursor().executemany(text, rows)
                text = "UPDATE notes SET body = 'newer' WHERE id > 100"
                assert connection.execute(text).rowcount == 3 * (number + 1) - number
                text = "DELETE FROM notes WHERE id = %s"
                assert connection.execute(text, (key,)).rowcount == 1
                end(connection)
                with pytest.raises(kysera_dbapi.PolicyViolation):
                    connection.execute("UPDATE notes SET tenant_id = 9")
                connection.rollback()
    text = """
        SELECT tenant_id, count(*), count(deleted_at), count(DISTINCT body)
        FROM notes WHERE id > 100 GROUP BY 1 ORDER BY 1
    """
    assert raw_notes.execute(text).fetchall() == [(7, 12, 4, 1), (8, 12, 4, 1)]


def test_transactions_and_savepoints(two: list[Any], raw_notes: Any) -> None:
    for connection, tenant in zip(two, (7, 8), strict=True):
        with kysera_dbapi.context(tenant_id=tenant):
            with connection.transaction():
                connection.execute("UPDATE notes SET body = 'kept'")
                with connection.transaction() as inner:
                    connection.execute("UPDATE notes SET body = 'undone'")
                    raise psycopg.Rollback(inner)
            with suppress(ZeroDivisionError), connection.transaction():
                connection.execute("DELETE FROM notes")
                raise ZeroDivisionError
            with connection.transaction(), connection.cursor("named") as cursor:
                cursor.execute("SELECT body FROM notes")
                assert set(cursor) == {("kept",)}
            with connection.pipeline():
                connection.execute("UPDATE notes SET body = 'piped' WHERE id = 1")
            end(connection)
    text = "SELECT body, count(*) FROM notes WHERE deleted_at IS NULL GROUP BY 1"
    found = raw_notes.execute(f"{text} ORDER BY 1").fetchall()
    assert found == [("kept", 2), ("piped", 1)]


def test_children_go_with_their_parents(url: str, raw_notes: Any) -> None:
    raw_notes.execute(cast("Any", CUSTOMERS))
    tables = ["customers", "orders", "items"]
    given = [SoftDelete(tables=tables, foreign_keys=KEYS)]
    count = "SELECT count(*) FROM items"
    for autocommit in (True, False):
        made = client(url, given=given, autocommit=autocommit)
        with closing(made) as connection:
            key = 1 + autocommit
            assert (
                connection.execute(
                    "DELETE FROM customers WHERE id = %s", (key,)
                ).rowcount
                == 1
            )
            end(connection)
            assert connection.execute(count).fetchone() == (4 * autocommit,)
            end(connection)


def test_a_change_of_the_schema_is_noticed(two: list[Any]) -> None:
    one, other = two
    with kysera_dbapi.context(tenant_id=7):
        assert one.execute("SELECT * FROM log").fetchall() == [(1, "one")]
        end(one)
        other.execute("CREATE TABLE fresh AS SELECT id, body FROM notes")
        end(other)
        assert one.execute("SELECT * FROM fresh ORDER BY id").fetchall() == OURS
        end(one)
        other.execute("ALTER TABLE notes ADD COLUMN more integer")
        end(other)
        assert len(one.execute("SELECT * FROM notes").fetchone()) == 7
        end(one)


@pytest.mark.parametrize(
    "text",
    [
        "SET search_path = other, public",
        "SET SESSION search_path TO other",
        "SET SCHEMA 'other'",
        "SET ROLE pg_monitor",
        "SET SESSION AUTHORIZATION postgres",
        "SELECT 1; SET search_path = other",
    ],
)
def test_nobody_changes_what_names_mean_for_others(
    text: str, two: list[Any], raw_notes: Any
) -> None:
    raw_notes.execute("CREATE SCHEMA other")
    raw_notes.execute("CREATE VIEW other.log AS SELECT id, body AS line FROM notes")
    query = "SELECT line FROM log"
    one, other = two
    with kysera_dbapi.context(tenant_id=7):
        assert one.execute(query).fetchall() == [("one",)]
        end(one)
        for _ in range(2):
            with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
                other.execute(text)
            assert caught.value.code == "shared-session"
            other.rollback()
            assert one.execute(query).fetchall() == [("one",)]
            end(one)


def test_a_path_is_set_where_sessions_are_not_shared(
    url: str, postgresql_url: str, raw_notes: Any
) -> None:
    raw_notes.execute("CREATE SCHEMA other")
    raw_notes.execute("CREATE TABLE other.log AS SELECT 'other' AS line")
    bypass = kysera_dbapi.bypass
    with kysera_dbapi.context(tenant_id=7):
        for there in (url, postgresql_url):
            with closing(client(there, autocommit=True)) as connection:
                with (
                    ExitStack()
                    if there is postgresql_url
                    else bypass("rls", reason="x"),
                    bypass("soft_delete", reason="x"),
                ):
                    connection.execute("SET search_path = other, public")
                assert connection.execute("TABLE log").fetchall() == [("other",)]
                assert connection.execute(QUERY).fetchall() == OURS
                connection.execute("RESET search_path")
                connection.execute("DISCARD ALL")
                assert connection.execute("TABLE log").fetchall() == [(1, "one")]


STATE = """
    SELECT (SELECT json_agg(p.name) FROM pg_prepared_statements p),
        (SELECT json_agg(c.name) FROM pg_cursors c WHERE c.name <> ''),
        (SELECT json_object_agg(s.name, s.setting) FROM pg_settings s
         WHERE s.source = 'session'),
        (SELECT json_agg(relname) FROM pg_class
         WHERE relnamespace = pg_my_temp_schema()),
        (SELECT count(*) FROM pg_locks
         WHERE locktype = 'advisory' AND pid = pg_backend_pid())
"""


def test_the_session_is_as_the_driver_alone_leaves_it(
    url: str, postgresql_url: str
) -> None:
    text = "UPDATE notes SET body = %s WHERE id = %s"

    def work(connection: Any) -> None:
        for number in range(8):
            connection.execute(QUERY).fetchall()
            connection.execute(text, (f"x{number}", 1))
        connection.cursor().executemany(text, [("a", 1), ("b", 2)])
        with suppress(psycopg.Error):
            connection.execute("INSERT INTO notes (id, tenant_id) VALUES (60, 8)")
        connection.rollback()
        with connection.transaction():
            connection.execute("DELETE FROM notes WHERE id = 2")
        connection.execute("CREATE TABLE IF NOT EXISTS fresh (id integer)")
        connection.execute("DROP TABLE fresh")
        connection.commit()

    found: list[Any] = []
    bare: Any = psycopg.connect
    with bounced(postgresql_url) as another, kysera_dbapi.context(tenant_id=7):
        for there, connect in ((another, bare), (url, client)):
            with closing(connect(there, prepare_threshold=None)) as connection:
                work(connection)
            with closing(bare(there, prepare_threshold=None)) as after:
                found.append(after.execute(STATE).fetchone())
    assert found[0] == found[1]
    assert found[1][0] is found[1][1] is found[1][3] is None
    assert found[1][4] == 0
