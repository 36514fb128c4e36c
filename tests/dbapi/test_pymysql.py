"""The PyMySQL driver: each member is decided, and what it does on real servers."""

import gc
import warnings
from contextlib import closing
from typing import Any

import pymysql
import pytest
from pymysql.cursors import Cursor, DictCursor, SSCursor, SSDictCursor

import kysera_dbapi
from kysera_dbapi import pymysql as shim
from kysera_dbapi.pymysql import CONNECTION_MEMBERS, CURSOR_MEMBERS
from tests.dbapi.notes import OURS, QUERY, plugins, rows
from tests.dialects.mysql_server import arguments

COUNT = "SELECT count(*) FROM notes"


@pytest.fixture
def connection(mysql_notes: Any) -> Any:
    return mysql_notes


@pytest.fixture
def raw(raw_mysql_notes: Any) -> Any:
    return raw_mysql_notes


def members(kind: Any) -> set[str]:
    special = {"__enter__", "__exit__", "__iter__", "__next__"}
    return {n for n in dir(kind) if n[0] != "_" or n in special}


# -- members --------------------------------------------------------------------------


#: What PyMySQL has no more: 1.2.0 has it.
FORMER = {"escape_string"}


def test_every_member_of_a_connection_is_decided(raw: Any) -> None:
    assert members(raw) | FORMER == set(CONNECTION_MEMBERS)


@pytest.mark.parametrize("kind", [Cursor, DictCursor, SSCursor, SSDictCursor])
def test_every_member_of_a_cursor_is_decided(raw: Any, kind: Any) -> None:
    with closing(raw.cursor(kind)) as cursor:
        cursor.execute("SELECT 1")
        assert members(cursor) - set(CURSOR_MEMBERS) == set()
        cursor.fetchall()


def test_every_member_is_there(connection: Any, raw: Any) -> None:
    for name, what in CONNECTION_MEMBERS.items():
        if what == "passed" and hasattr(raw, name):
            theirs, ours = getattr(raw, name), getattr(connection, name)
            assert callable(theirs) == callable(ours), name
            assert getattr(ours, "__self__", None) is not connection.unwrap(), name


def test_what_only_reads_is_the_driver_s(connection: Any) -> None:
    raw = connection.unwrap()
    assert connection.thread_id() == raw.thread_id()
    assert connection.get_server_info() == raw.get_server_info()
    assert connection.character_set_name() == "utf8mb4"
    for name in ("escape", "escape_string"):
        if hasattr(raw, name):
            assert getattr(connection, name)("it's") == getattr(raw, name)("it's")
    assert connection.open
    assert connection.get_autocommit()
    connection.ping(reconnect=False)


def test_what_the_driver_keeps_for_itself_is_out_of_reach(connection: Any) -> None:
    for name in ("write_packet", "_sock", "_rfile", "_execute_command", "_read_packet"):
        with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
            getattr(connection, name)
        assert caught.value.code == "unsupported-member"
        assert isinstance(caught.value, pymysql.NotSupportedError)


def test_nothing_leads_to_the_raw_connection(connection: Any) -> None:
    raw = connection.unwrap()
    for kind in (Cursor, DictCursor, SSCursor, SSDictCursor):
        with connection.cursor(kind) as cursor:
            assert cursor.connection is connection
            cursor.execute(QUERY)
            assert cursor._get_db() is connection
            cursor.fetchall()
        assert cursor.connection is None
        found = gc.get_referents(cursor.__dict__)
        assert not any(one is raw for one in found)


def test_the_drop_in_module_is_the_driver_s_but_for_connect(mysql_url: str) -> None:
    module: Any = shim
    assert module.err is pymysql.err
    assert module.cursors is pymysql.cursors
    assert module.paramstyle == "pyformat"
    with closing(shim.connect(**arguments(mysql_url))) as made:
        assert isinstance(made, shim.Connection)
        assert isinstance(made, pymysql.connections.Connection)
        assert rows(made, "SELECT 1") == [(1,)]


# -- reading --------------------------------------------------------------------------


def test_rows_of_others_are_not_seen(connection: Any) -> None:
    with connection.cursor() as cursor:
        assert cursor.execute(QUERY) == 2
        assert list(cursor.fetchall()) == OURS
        assert cursor.execute(QUERY) == 2
        assert list(cursor) == OURS


@pytest.mark.parametrize(
    ("query", "args"),
    [
        ("SELECT id FROM notes WHERE body LIKE 'our%' AND id % 2 = 1", None),
        ("SELECT id FROM notes WHERE body LIKE 'our%%' AND id %% 2 = 1", ()),
        ("SELECT id FROM notes WHERE body LIKE %s AND id %% 2 = 1", ("our%",)),
        ("SELECT id FROM notes WHERE body LIKE %s AND id %% 2 = 1", ["our%"]),
        ("SELECT id FROM notes WHERE body LIKE %(b)s AND id < 2", {"b": "our%"}),
        ("SELECT id FROM notes WHERE id IN %s AND id < 2", ((1, 4),)),
        ("SELECT id FROM notes WHERE id IN %s AND id < 2", [[1, 4]]),
        ("SELECT id FROM notes WHERE id IN %(l)s AND id < 2", {"l": [1, 4]}),
        ("SELECT id FROM notes WHERE (id, body) IN %s", [((1, "ours"), (4, "GHOST"))]),
        ("SELECT id FROM notes WHERE body = %s", ("ours",)),
        ("SELECT id FROM notes WHERE body = 'ours' -- 100%", None),
        ("SELECT id FROM notes WHERE body <> '%s' AND id = 1", None),
        ("SELECT id FROM notes WHERE body <> '%%s' AND id = %s", (1,)),
    ],
)
def test_placeholders_and_percent_signs(connection: Any, query: str, args: Any) -> None:
    for _ in range(2):
        assert rows(connection, query, args) == [(1,)]


def test_literals_fold(connection: Any) -> None:
    for number, found in ((1, OURS[:1]), (2, OURS[1:]), (3, []), (4, [])):
        text = f"SELECT id, body FROM notes WHERE id = {number}"
        assert rows(connection, text) == found


@pytest.mark.parametrize("text", [QUERY.encode(), bytearray(QUERY.encode())])
def test_texts_in_bytes(connection: Any, text: Any) -> None:
    assert rows(connection, text) == OURS


def test_cursors_of_dicts_and_without_a_buffer(connection: Any) -> None:
    dicts = [{"id": 1, "body": "ours"}, {"id": 2, "body": "ours too"}]
    for kind, expected in (
        (DictCursor, dicts),
        (SSDictCursor, dicts),
        (SSCursor, OURS),
        (Cursor, OURS),
    ):
        with connection.cursor(kind) as cursor:
            assert isinstance(cursor, kind)
            for _ in range(2):
                cursor.execute(QUERY)
                assert cursor.fetchone() == expected[0]
                assert list(cursor.fetchmany(5)) == expected[1:]
                assert cursor.fetchone() is None
                cursor.execute(QUERY)
                assert list(cursor.fetchall()) == expected
                cursor.execute(QUERY)
                assert list(cursor) == expected


def test_the_cursor_class_of_the_connection(mysql_url: str, raw: Any) -> None:
    made = kysera_dbapi.connect(
        mysql_url, plugins=plugins(), cursorclass=DictCursor, autocommit=True
    )
    with closing(made), kysera_dbapi.context(tenant_id=7):
        assert rows(made, QUERY)[0] == {"id": 1, "body": "ours"}
        made.cursorclass = SSCursor
        assert rows(made, QUERY) == OURS


def test_a_cursor_factory_that_is_no_class(connection: Any) -> None:
    def made(given: Any) -> Any:
        return Cursor(given)

    with pytest.raises(kysera_dbapi.ConfigurationError):
        connection.cursor(made)


def test_rows_come_while_others_are_planned(connection: Any) -> None:
    """The driver reads what is left of a result when another statement is sent."""
    with connection.cursor(SSCursor) as cursor:
        cursor.execute(QUERY)
        assert cursor.fetchone() == OURS[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert rows(connection, COUNT) == [(2,)]
        assert cursor.fetchone() is None


def test_query(connection: Any) -> None:
    assert connection.query("UPDATE notes SET body = 'x'") == 2
    assert connection.affected_rows() == 2
    assert connection.query("INSERT INTO notes (body) VALUES ('y')") == 1
    assert connection.insert_id() == 100


def test_cursors_made_by_hand_are_planned(connection: Any) -> None:
    with closing(Cursor(connection)) as cursor:
        cursor.execute("SELECT id, body FROM notes WHERE id IN (%s, 4)", (1,))
        assert list(cursor.fetchall()) == OURS[:1]
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            cursor.execute("TRUNCATE notes")
    with (
        pytest.raises(kysera_dbapi.UnsupportedStatement),
        closing(SSCursor(connection)) as cursor,
    ):
        cursor.execute(QUERY)


def test_a_program_s_own_cursor_class(connection: Any) -> None:
    class Own(DictCursor):
        said: Any

        def execute(self, query: Any, args: Any = None) -> Any:
            self.said = query
            assert super().execute(COUNT) == 1
            assert self.fetchone() == {"count(*)": 2}
            return super().execute(query, args)

        def mine(self: Any) -> Any:
            return self._get_db()

    with connection.cursor(Own) as cursor:
        assert isinstance(cursor, Own)
        cursor.execute(QUERY)
        assert cursor.said == QUERY
        assert cursor.fetchone() == {"id": 1, "body": "ours"}
        assert cursor.mine() is connection


def test_mogrify_shows_the_caller_s_own(connection: Any) -> None:
    with connection.cursor() as cursor:
        assert cursor.mogrify("SELECT %s", ("it's",)) == "SELECT 'it\\'s'"


@pytest.mark.parametrize("args", [None, (1,)])
def test_a_known_text_that_fails_gives_its_own_error(
    connection: Any, raw: Any, args: Any
) -> None:
    text = f"SELECT body FROM notes WHERE id = {'%s' if args else '1'}"
    for _ in range(2):
        assert rows(connection, text, args) == [("ours",)]
    rows(raw, "ALTER TABLE notes RENAME COLUMN body TO said")
    for _ in range(2):
        with pytest.raises(pymysql.err.OperationalError) as caught:
            rows(connection, text, args)
        assert caught.value.args[0] == 1054
    rows(raw, "ALTER TABLE notes RENAME COLUMN said TO body")
    assert rows(connection, text, args) == [("ours",)]


@pytest.mark.parametrize("args", [None, (3,)])
def test_a_known_text_fails_as_it_did_first(connection: Any, args: Any) -> None:
    text = f"INSERT INTO notes (id, body) VALUES ({'%s' if args else '3'}, 'x')"
    seen: list[Any] = []
    for _ in range(3):
        with pytest.raises(pymysql.err.IntegrityError) as caught:
            rows(connection, text, args)
        seen.append((type(caught.value), str(caught.value)))
    assert seen == seen[:1] * 3
