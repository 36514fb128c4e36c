"""The psycopg driver: each member is decided, and what it does on a real server."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types import TypeInfo

import kysera_dbapi
from kysera_dbapi.psycopg import CONNECTION_MEMBERS, CURSOR_MEMBERS
from tests.dbapi.notes import OURS, QUERY, plugins


@pytest.fixture
def connection(notes: Any) -> Any:
    return notes


@pytest.fixture
def raw(raw_notes: Any) -> Any:
    return raw_notes


SCS = "standard_conforming_strings"


def members(kind: Any) -> set[str]:
    special = {"__enter__", "__exit__", "__iter__", "__next__"}
    return {n for n in dir(kind) if n[0] != "_" or n in special}


def test_every_member_of_a_connection_is_decided() -> None:
    attributes = "cursor_factory server_cursor_factory row_factory lock pgconn".split()
    assert members(psycopg.Connection) | set(attributes) == set(CONNECTION_MEMBERS)


@pytest.mark.parametrize(
    "kind",
    [
        psycopg.Cursor,
        psycopg.ServerCursor,
        psycopg.ClientCursor,
        psycopg.RawCursor,
        psycopg.RawServerCursor,
    ],
)
def test_every_member_of_a_cursor_is_decided(kind: Any) -> None:
    assert members(kind) - set(CURSOR_MEMBERS) == set()


def test_rows_of_others_are_not_seen(connection: Any) -> None:
    assert connection.execute(QUERY).fetchall() == OURS
    cursor = connection.cursor()
    assert cursor.execute(QUERY) is cursor
    assert list(cursor) == OURS
    assert cursor.connection is connection


@pytest.mark.parametrize(
    "query",
    [
        QUERY.encode(),
        sql.SQL(QUERY),
        sql.SQL("SELECT {}, body FROM {} ORDER BY id").format(
            sql.Identifier("id"), sql.Identifier("notes")
        ),
    ],
)
def test_queries_of_any_type(connection: Any, query: Any) -> None:
    assert connection.execute(query).fetchall() == OURS


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("SELECT id FROM notes WHERE body LIKE 'our%' AND id % 2 = 1", None),
        ("SELECT id FROM notes WHERE body LIKE 'our%%' AND id %% 2 = 1", ()),
        ("SELECT id FROM notes WHERE body LIKE %s AND id %% 2 = 1", ("our%",)),
        ("SELECT id FROM notes WHERE body LIKE %(b)s AND id < 2", {"b": "our%"}),
        ("SELECT id FROM notes WHERE id = %b", (1,)),
        ("SELECT id FROM notes WHERE id = %t", (1,)),
        ("SELECT id FROM notes WHERE id = ANY(%s) AND id < 2", ([1, 4],)),
    ],
)
def test_placeholders_and_percent_signs(
    connection: Any, query: str, params: Any
) -> None:
    assert connection.execute(query, params).fetchall() == [(1,)]


def test_literals_fold(connection: Any) -> None:
    for number, found in ((1, OURS[:1]), (2, OURS[1:]), (3, []), (4, [])):
        text = f"SELECT id, body FROM notes WHERE id = {number}"
        assert connection.execute(text).fetchall() == found


def test_client_and_server_cursors(connection: Any) -> None:
    connection.cursor_factory = psycopg.ClientCursor
    assert connection.execute(QUERY).fetchall() == OURS
    assert "tenant" not in connection.cursor().mogrify("SELECT %s", (1,))
    with connection.transaction(), connection.cursor("named") as cursor:
        cursor.execute(QUERY)
        assert cursor.fetchone() == OURS[0]
        with kysera_dbapi.context(tenant_id=8):
            assert cursor.fetchall() == OURS[1:]  # of the tenant that declared it


def test_stream_keeps_the_context_of_its_call(connection: Any) -> None:
    cursor = connection.cursor()
    rows = cursor.stream(QUERY)
    with kysera_dbapi.context(tenant_id=8):
        assert list(rows) == OURS


def test_row_factories(connection: Any) -> None:
    cursor = connection.cursor(row_factory=dict_row)
    assert cursor.execute(QUERY).fetchone() == {"id": 1, "body": "ours"}


def test_an_insert_is_stamped_and_forced(connection: Any, raw: Any) -> None:
    cursor = connection.execute("INSERT INTO notes (id, body) VALUES (10, 'new')")
    assert cursor.rowcount == 1
    assert cursor.description is None
    assert cursor.statusmessage == "INSERT 0 1"
    with pytest.raises(psycopg.ProgrammingError, match="didn't produce records"):
        cursor.fetchall()
    row = raw.execute("SELECT tenant_id, body, created_at FROM notes WHERE id = 10")
    tenant, body, created = row.fetchone()
    assert (tenant, body) == (7, "new")
    assert created is not None
    assert cursor.execute("SELECT 1").fetchall() == [(1,)]


def test_an_insert_returns(connection: Any) -> None:
    text = "INSERT INTO notes (id, body) VALUES (%s, %s) RETURNING body, id"
    cursor = connection.execute(text, (11, "new"))
    assert [column.name for column in cursor.description] == ["body", "id"]
    assert cursor.fetchall() == [("new", 11)]


def test_a_violation_changes_nothing(connection: Any, raw: Any) -> None:
    text = "INSERT INTO notes (id, tenant_id, body) VALUES (12, 7, 'a'), (13, 8, 'b')"
    with pytest.raises(kysera_dbapi.PolicyViolation) as caught:
        connection.execute(text)
    assert isinstance(caught.value, psycopg.IntegrityError)
    assert caught.value.table == "notes"
    assert raw.execute("SELECT count(*) FROM notes").fetchone() == (5,)


def test_updates_and_deletes(connection: Any, raw: Any) -> None:
    assert connection.execute("UPDATE notes SET body = 'x'").rowcount == 2
    with pytest.raises(kysera_dbapi.PolicyViolation):
        connection.execute("UPDATE notes SET tenant_id = 8 WHERE id = 1")
    cursor = connection.execute("DELETE FROM notes WHERE id = 1 RETURNING *")
    assert cursor.fetchone()[-1] is None
    assert cursor.rowcount == 1
    assert connection.execute("DELETE FROM notes WHERE id = 1").rowcount == 0
    text = "SELECT count(*), count(deleted_at) FROM notes WHERE tenant_id = 7"
    assert raw.execute(text).fetchone() == (3, 2)


def test_delete_using(connection: Any, raw: Any) -> None:
    text = "DELETE FROM notes AS n USING log l WHERE n.id = l.id RETURNING n.id, l.line"
    assert connection.execute(text).fetchall() == [(1, "one")]
    assert raw.execute("SELECT count(*) FROM notes").fetchone() == (5,)


def test_executemany(connection: Any, raw: Any) -> None:
    cursor = connection.cursor()
    text = "INSERT INTO notes (id, body) VALUES (%s, %s)"
    cursor.executemany(text, [(20, "a"), (21, "b")])
    assert cursor.rowcount == 2
    text = "SELECT tenant_id FROM notes WHERE id >= 20"
    assert raw.execute(text).fetchall() == [(7,), (7,)]
    rows = [(30, 7), (31, 8), (32, 7)]
    with pytest.raises(kysera_dbapi.PolicyViolation):
        cursor.executemany("INSERT INTO notes (id, tenant_id) VALUES (%s, %s)", rows)
    assert raw.execute("SELECT count(*) FROM notes WHERE id >= 30").fetchone() == (0,)


def test_executemany_returning(connection: Any) -> None:
    cursor = connection.cursor()
    text = "INSERT INTO notes (id, body) VALUES (%s, %s) RETURNING id"
    cursor.executemany(text, [(20, "a"), (21, "b")], returning=True)
    assert [c.fetchone() for c in cursor.results()] == [(20,), (21,)]


def test_several_statements_in_one_text(connection: Any, raw: Any) -> None:
    cursor = connection.execute(
        "INSERT INTO notes (id, body) VALUES (50, '100%;'); SELECT id FROM notes;"
        "DELETE FROM notes WHERE id = 50;"
    )
    assert (cursor.rowcount, cursor.description) == (1, None)
    assert cursor.nextset()
    assert cursor.fetchall() == [(1,), (2,), (50,)]
    assert cursor.nextset()
    assert (cursor.rowcount, cursor.description) == (1, None)
    assert not cursor.nextset()
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("UPDATE notes SET body = 'x'; SELECT 1 / 0 FROM notes")
    text = "SELECT count(*) FROM notes WHERE body = 'x'"
    assert raw.execute(text).fetchone() == (0,)
    with pytest.raises(kysera_dbapi.UnsupportedStatement):
        connection.execute("UPDATE notes SET body = 'x'; COMMIT; SELECT 1")


def test_brackets_open_no_name(connection: Any) -> None:
    cursor = connection.execute("SELECT (ARRAY[1])[1]; SELECT id FROM notes")
    assert cursor.fetchall() == [(1,)]
    assert cursor.nextset()
    assert cursor.fetchall() == [(1,), (2,)]


def test_upserts(connection: Any, raw: Any) -> None:
    upsert = (
        "INSERT INTO notes (id, body) VALUES ({}, 'new') "
        "ON CONFLICT (id) DO UPDATE SET body = excluded.body"
    )
    assert connection.execute(upsert.format(1)).rowcount == 1
    for hidden in (4, 5):
        with pytest.raises(kysera_dbapi.PolicyViolation):
            connection.execute(upsert.format(hidden))
    with pytest.raises(kysera_dbapi.TombstoneConflict):
        connection.execute(upsert.format(3))
    text = "SELECT body FROM notes WHERE id IN (3, 4) ORDER BY id"
    assert raw.execute(text).fetchall() == [("gone",), ("GHOST",)]


def test_pipelines(connection: Any) -> None:
    with connection.pipeline():
        first = connection.execute(QUERY)
        second = connection.execute("INSERT INTO notes (id) VALUES (40)")
        assert first.fetchall() == OURS
        assert second.description is None
    assert second.rowcount == 1
    with pytest.raises(kysera_dbapi.PolicyViolation), connection.pipeline():
        connection.execute("INSERT INTO notes (id, tenant_id) VALUES (41, 8)")


def test_transactions(connection: Any, raw: Any) -> None:
    with connection.transaction() as outer:
        assert outer.connection is connection
        connection.execute("UPDATE notes SET body = 'kept' WHERE id = 1")
        with connection.transaction() as inner:
            connection.execute("UPDATE notes SET body = 'undone' WHERE id = 1")
            raise psycopg.Rollback(inner)
    text = "SELECT body FROM notes WHERE id = 1"
    assert raw.execute(text).fetchone() == ("kept",)


def test_nothing_is_asked_for_the_control_of_transactions(
    connection: Any, tmp_path: Path
) -> None:
    """A savepoint has a name of its own each time, and so a new shape."""
    texts = [
        f"{begins} s{number}"
        for number in range(3)
        for begins in ("SAVEPOINT", "ROLLBACK TO", "RELEASE")
    ]
    connection.execute("BEGIN")
    with (tmp_path / "trace").open("w+b") as file:
        libpq = connection.unwrap().pgconn
        libpq.trace(file.fileno())
        for text in [*texts, "SET LOCAL work_mem = '1MB'", "SHOW work_mem"]:
            connection.execute(text)
        libpq.untrace()
        file.seek(0)
        sent = re.findall(rb'\tF\t.*\t(?:Query|Parse)\t.*"(.*)"', file.read())
    assert [said.decode() for said in sent[:-2]] == texts
    assert len(sent) == len(texts) + 2


def test_with_connection_commits_and_closes(raw: Any, postgresql_url: str) -> None:
    with (
        kysera_dbapi.context(tenant_id=7),
        kysera_dbapi.connect(postgresql_url, plugins=plugins()) as connection,
    ):
        connection.execute("UPDATE notes SET body = 'kept' WHERE id = 1")
    assert connection.closed
    text = "SELECT body FROM notes WHERE id = 1"
    assert raw.execute(text).fetchone() == ("kept",)


def test_connecting_leaves_no_transaction_open(raw: Any, postgresql_url: str) -> None:
    with closing(kysera_dbapi.connect(postgresql_url, plugins=plugins())) as made:
        idle = psycopg.pq.TransactionStatus.IDLE
        assert made.info.transaction_status == idle


def test_libpq_is_out_of_reach(connection: Any) -> None:
    with pytest.raises(kysera_dbapi.UnsupportedStatement):
        _ = connection.pgconn
    with pytest.raises(AttributeError):
        _ = connection.info.pgconn


@pytest.mark.parametrize("kind", [psycopg.Cursor, psycopg.ClientCursor])
def test_cursors_made_by_hand_are_planned(connection: Any, kind: Any) -> None:
    cursor = kind(connection)
    assert cursor.execute(QUERY).fetchall() == OURS
    assert cursor.connection is connection
    assert cursor.execute("INSERT INTO notes (id) VALUES (60)").description is None
    assert kind(connection).execute("SELECT 1").fetchone() == (1,)


def test_server_cursors_made_by_hand_are_planned(connection: Any) -> None:
    class Cursor(psycopg.ServerCursor[Any]):
        pass

    with connection.transaction(), Cursor(connection, name="by_hand") as cursor:
        assert cursor.execute(QUERY).fetchall() == OURS


def test_transactions_made_by_hand_are_refused(connection: Any) -> None:
    made = psycopg.Transaction(connection)
    with pytest.raises(kysera_dbapi.UnsupportedStatement), made:
        pass


def test_adaptation_accepts_the_proxy(connection: Any) -> None:
    assert sql.Identifier("a b").as_string(connection) == '"a b"'
    fetch: Any = TypeInfo.fetch
    info: Any = fetch(connection, "int4")
    assert info is not None
    info.register(connection)


def test_a_missing_context_is_refused(connection: Any) -> None:
    with kysera_dbapi.context(tenant_id=None):
        with pytest.raises(kysera_dbapi.ContextMissing):
            connection.execute(QUERY)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_program_s_own_cursor_class(connection: Any) -> None:
    class Cursor(psycopg.Cursor[Any]):
        said: Any

        def execute(self, query: Any, *args: Any, **options: Any) -> Any:
            self.said = query
            super().execute("SELECT count(*) FROM notes")
            assert self.fetchone() == (2,)
            return super().execute(query, *args, **options)

    connection.cursor_factory = Cursor
    cursor = connection.execute(QUERY)
    assert isinstance(cursor, Cursor)
    assert cursor.said == QUERY
    assert cursor.fetchall() == OURS


def test_statements_are_prepared_as_they_would_be(connection: Any) -> None:
    text = "SELECT body FROM notes WHERE id = %s"
    for _ in range(8):
        connection.execute(text, (1,))
    prepared = "SELECT statement FROM pg_prepared_statements"
    texts = [row[0] for row in connection.unwrap().execute(prepared)]
    assert any("tenant_id" in text for text in texts)


def test_errors_are_of_both_classes(connection: Any) -> None:
    with pytest.raises(kysera_dbapi.IntegrityError) as caught:
        connection.execute("INSERT INTO notes (id) VALUES (1)")
    assert isinstance(caught.value, psycopg.errors.UniqueViolation)
    assert caught.value.sqlstate == "23505"


def test_tables_made_later_are_known(connection: Any) -> None:
    connection.execute("CREATE TABLE later (id integer)")
    assert connection.execute("SELECT * FROM later").fetchall() == []
    connection.execute("CREATE TEMP TABLE log (id integer)")
    assert connection.execute("SELECT count(*) FROM log").fetchone() == (0,)
