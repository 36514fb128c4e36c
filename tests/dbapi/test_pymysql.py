"""The PyMySQL driver: each member is decided, and what it does on real servers."""

import gc
import warnings
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor, DictCursor, SSCursor, SSDictCursor

import kysera_dbapi
from kysera_dbapi import pymysql as shim
from kysera_dbapi.pymysql import CONNECTION_MEMBERS, CURSOR_MEMBERS
from tests.dbapi.notes import OURS, QUERY, plugins
from tests.dialects.mysql_server import arguments

COUNT = "SELECT count(*) FROM notes"


@pytest.fixture
def connection(mysql_notes: Any) -> Any:
    return mysql_notes


@pytest.fixture
def raw(raw_mysql_notes: Any) -> Any:
    return raw_mysql_notes


def rows(connection: Any, sql: str, args: Any = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        return list(cursor.fetchall())


def members(kind: Any) -> set[str]:
    special = {"__enter__", "__exit__", "__iter__", "__next__"}
    return {n for n in dir(kind) if n[0] != "_" or n in special}


# -- members --------------------------------------------------------------------------


def test_every_member_of_a_connection_is_decided(raw: Any) -> None:
    assert members(raw) == set(CONNECTION_MEMBERS)


@pytest.mark.parametrize("kind", [Cursor, DictCursor, SSCursor, SSDictCursor])
def test_every_member_of_a_cursor_is_decided(raw: Any, kind: Any) -> None:
    with closing(raw.cursor(kind)) as cursor:
        cursor.execute("SELECT 1")
        assert members(cursor) - set(CURSOR_MEMBERS) == set()
        cursor.fetchall()


def test_every_member_is_there(connection: Any, raw: Any) -> None:
    for name, what in CONNECTION_MEMBERS.items():
        if what == "passed":
            theirs, ours = getattr(raw, name), getattr(connection, name)
            assert callable(theirs) == callable(ours), name
            assert getattr(ours, "__self__", None) is not connection.unwrap(), name


def test_what_only_reads_is_the_driver_s(connection: Any) -> None:
    raw = connection.unwrap()
    assert connection.thread_id() == raw.thread_id()
    assert connection.get_server_info() == raw.get_server_info()
    assert connection.character_set_name() == "utf8mb4"
    assert connection.escape("it's") == raw.escape("it's")
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
    assert shim.err is pymysql.err
    assert shim.cursors is pymysql.cursors
    assert shim.paramstyle == "pyformat"
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
    with pytest.raises(kysera_dbapi.ConfigurationError):
        connection.cursor(lambda given: Cursor(given))


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
        with pytest.raises(kysera_dbapi.PolicyViolation):
            cursor.execute("INSERT INTO notes (tenant_id) VALUES (8)")
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

        def mine(self) -> Any:
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


# -- writing --------------------------------------------------------------------------


def test_an_insert_is_stamped_and_forced(connection: Any, raw: Any) -> None:
    with connection.cursor() as cursor:
        assert cursor.execute("INSERT INTO notes (body) VALUES ('50%')") == 1
        assert (cursor.rowcount, cursor.lastrowid) == (1, 100)
        assert cursor.description is None
        assert connection.insert_id() == 100
    text = "SELECT tenant_id, body, created_at IS NOT NULL FROM notes WHERE id = 100"
    assert rows(raw, text) == [(7, "50%", 1)]


def test_a_violation_changes_nothing(connection: Any, raw: Any) -> None:
    text = "INSERT INTO notes (id, tenant_id, body) VALUES (12, 7, 'a'), (13, 8, 'b')"
    with pytest.raises(kysera_dbapi.PolicyViolation) as caught:
        rows(connection, text)
    assert isinstance(caught.value, pymysql.IntegrityError)
    assert caught.value.table == "notes"
    assert rows(raw, COUNT) == [(5,)]


def test_updates_and_deletes(connection: Any, raw: Any) -> None:
    with connection.cursor() as cursor:
        assert cursor.execute("UPDATE notes SET body = 'x'") == 2
        with pytest.raises(kysera_dbapi.PolicyViolation):
            cursor.execute("UPDATE notes SET tenant_id = 8 WHERE id = 1")
        assert cursor.execute("DELETE FROM notes WHERE id IN (1, 3, 4)") == 1
        assert cursor.execute("DELETE FROM notes WHERE id = 1") == 0
    text = "SELECT count(*), count(deleted_at) FROM notes WHERE tenant_id = 7"
    assert rows(raw, text) == [(3, 2)]
    text = "SELECT body FROM notes WHERE tenant_id = 8 ORDER BY id"
    assert rows(raw, text) == [("GHOST",), ("GHOST 50%",)]


def sent(raw: Any, work: Callable[[], Any]) -> list[str]:
    """What a server is sent meanwhile, as it notes it."""
    keeping = rows(raw, "SELECT @@global.general_log, @@global.log_output")[0]
    with closing(pymysql.connect(**at(raw))) as watch:
        rows(watch, "SET GLOBAL log_output = 'TABLE'")
        rows(watch, "SET GLOBAL general_log = 1")
        try:
            work()
        finally:
            rows(watch, "SET GLOBAL general_log = %s", (keeping[0],))
            rows(watch, "SET GLOBAL log_output = %s", (keeping[1],))
        thread = raw.thread_id()
        text = "SELECT argument FROM mysql.general_log WHERE thread_id = %s ORDER BY 1"
        found = rows(watch, text, (thread,))
    return [one.decode() if isinstance(one, bytes) else one for (one,) in found]


def at(raw: Any) -> dict[str, Any]:
    return {
        "host": raw.host,
        "port": raw.port,
        "user": raw.user,
        "password": raw.password,
        "autocommit": True,
    }


def test_executemany_is_one_statement(connection: Any, raw: Any) -> None:
    text = "INSERT INTO notes (body) VALUES (%s)"
    many = [(f"row {i} 100%",) for i in range(50)]

    def work() -> None:
        with connection.cursor() as cursor:
            assert cursor.executemany(text, many) == 50
            assert cursor.rowcount == 50

    work()
    texts = sent(connection.unwrap(), work)
    inserts = [one for one in texts if one.startswith("INSERT INTO notes")]
    assert len(inserts) == 1
    assert inserts[0].count("row ") == 50
    text = "SELECT count(*), min(tenant_id), max(tenant_id) FROM notes WHERE id > 99"
    assert rows(raw, text) == [(100, 7, 7)]


def test_executemany(connection: Any, raw: Any) -> None:
    with connection.cursor() as cursor:
        assert cursor.executemany("INSERT INTO notes (body) VALUES (%s)", []) is None
        named = "INSERT INTO notes (id, body) VALUES (%(id)s, %(body)s)"
        given = [{"id": 20, "body": "a"}, {"id": 21, "body": "b"}]
        assert cursor.executemany(named, given) == 2
        text = "UPDATE notes SET body = %s WHERE id = %s"
        assert cursor.executemany(text, [("x", 1), ("y", 4), ("z", 20)]) == 2
        text = "DELETE FROM notes WHERE id = %s"
        assert cursor.executemany(text, [(1,), (4,), (2,)]) == 2
        text = "INSERT INTO notes (id, tenant_id) VALUES (%s, %s)"
        with pytest.raises(kysera_dbapi.PolicyViolation):
            cursor.executemany(text, [(30, 7), (31, 8), (32, 7)])
    text = "SELECT tenant_id, body FROM notes WHERE id >= 20 ORDER BY id"
    assert rows(raw, text) == [(7, "z"), (7, "b")]
    assert rows(raw, "SELECT body FROM notes WHERE id = 4") == [("GHOST",)]


def test_a_long_executemany_is_split_as_the_driver_does(
    connection: Any, raw: Any
) -> None:
    class Short(Cursor):
        max_stmt_length = 1000

    with connection.cursor(Short) as cursor:
        count = cursor.executemany(
            "INSERT INTO notes (body) VALUES (%s)", [("b" * 30,)] * 100
        )
        assert count == 100
    assert rows(raw, "SELECT count(*) FROM notes WHERE tenant_id = 7") == [(103,)]


@pytest.mark.parametrize("flag", [0, CLIENT.FOUND_ROWS])
def test_rows_are_counted_as_the_driver_does(
    mysql_url: str, raw: Any, flag: int
) -> None:
    options = {"client_flag": flag, "autocommit": True}
    made = kysera_dbapi.connect(mysql_url, plugins=plugins(), **options)
    rows(raw, "CREATE TABLE same AS SELECT * FROM notes WHERE id < 3")
    with (
        closing(made),
        closing(pymysql.connect(**arguments(mysql_url), client_flag=flag)) as other,
        kysera_dbapi.context(tenant_id=7),
    ):
        for text in (
            "UPDATE {} SET body = 'ours'",
            "UPDATE {} SET body = 'new' WHERE id = 1",
            "UPDATE {} SET body = 'new' WHERE id = 1",
            "UPDATE {} SET body = NULL",
            "UPDATE {} SET body = NULL",
            "UPDATE {} SET id = id, body = 'a'",
            "DELETE FROM {} WHERE id = 1",
        ):
            with made.cursor() as ours, other.cursor() as theirs:
                counts = [
                    ours.execute(text.format("notes")),
                    theirs.execute(text.format("same")),
                ]
            assert counts[0] == counts[1], text


def test_functions_tell_of_the_caller_s_statement(connection: Any) -> None:
    """Each is of a new shape: what is asked when one is planned comes not between."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notes SET body = concat(body, '!')")
        assert rows(connection, "SELECT ROW_COUNT()") == [(2,)]
        cursor.execute("INSERT INTO notes (body) VALUES ('x'), ('y')")
        assert rows(connection, "SELECT ROW_COUNT() AS n") == [(2,)]
        cursor.execute("INSERT INTO notes (body) VALUES ('z')")
        assert rows(connection, "SELECT LAST_INSERT_ID()") == [(102,)]
        cursor.execute("SELECT SQL_CALC_FOUND_ROWS id FROM notes LIMIT 1")
        assert rows(connection, "SELECT FOUND_ROWS()") == [(5,)]
        cursor.execute("DROP TABLE IF EXISTS none_such")
        assert cursor.warning_count == 1
        cursor.execute("SELECT 1 + 'x' AS a")
        assert rows(connection, "SELECT @@warning_count") == [(1,)]
        cursor.execute("SELECT 2 + 'x' AS a")
        assert len(rows(connection, "SHOW WARNINGS")) == 1
        cursor.execute("SELECT 3 + 'x' AS a")
        assert len(connection.show_warnings()) == 1


def test_a_missing_context_is_refused(connection: Any) -> None:
    with kysera_dbapi.context(tenant_id=None):
        with pytest.raises(kysera_dbapi.ContextMissing):
            rows(connection, QUERY)
        assert rows(connection, "SELECT 1") == [(1,)]


def test_errors_are_of_both_classes(connection: Any) -> None:
    with pytest.raises(kysera_dbapi.IntegrityError) as caught:
        rows(connection, "INSERT INTO notes (id, body) VALUES (1, 'x')")
    assert isinstance(caught.value, pymysql.err.IntegrityError)
    assert caught.value.args[0] == 1062
    connection.unwrap()._force_close()
    with pytest.raises(kysera_dbapi.InterfaceError) as lost:
        rows(connection, QUERY)
    assert isinstance(lost.value, pymysql.err.InterfaceError)


def test_values_are_not_put_into_texts_by_a_wrong_count(connection: Any) -> None:
    for args in ((), (1, 2), {"id": 1}):
        with pytest.raises(kysera_dbapi.ProgrammingError):
            rows(connection, "SELECT id FROM notes WHERE id = %s", args)


# -- transactions ---------------------------------------------------------------------


def test_transactions(connection: Any, raw: Any) -> None:
    connection.begin()
    rows(connection, "UPDATE notes SET body = 'undone' WHERE id = 1")
    connection.rollback()
    connection.begin()
    rows(connection, "UPDATE notes SET body = 'kept' WHERE id = 2")
    connection.commit()
    connection.autocommit(False)
    rows(connection, "UPDATE notes SET body = 'gone' WHERE id = 2")
    connection.rollback()
    text = "SELECT body FROM notes WHERE id < 3 ORDER BY id"
    assert rows(raw, text) == [("ours",), ("kept",)]


def test_what_is_read_of_the_schema_begins_no_transaction(
    mysql_url: str, raw: Any
) -> None:
    made = kysera_dbapi.connect(mysql_url, plugins=plugins())
    with closing(made), kysera_dbapi.context(tenant_id=7):
        assert rows(made, "SELECT 1 AS a") == [(1,)]
        rows(raw, "UPDATE notes SET body = 'seen' WHERE id = 1")
        assert rows(made, "SELECT body FROM notes WHERE id = 1") == [("seen",)]
        rows(raw, "UPDATE notes SET body = 'later' WHERE id = 1")
        # a new shape is planned amid the snapshot of the first
        assert rows(made, "SELECT body AS b FROM notes WHERE id = 1") == [("seen",)]
        made.commit()
        assert rows(made, "SELECT body FROM notes WHERE id = 1") == [("later",)]


def test_with_connection_closes(mysql_url: str, raw: Any) -> None:
    with kysera_dbapi.connect(mysql_url, plugins=plugins()) as connection:
        pass
    assert not connection.open
    with pytest.raises(pymysql.err.Error, match="Already closed"):
        connection.close()


# -- several statements ---------------------------------------------------------------


def test_several_statements_in_one_text(mysql_url: str, raw: Any) -> None:
    made = kysera_dbapi.connect(
        mysql_url,
        plugins=plugins(),
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
    )
    with closing(made), kysera_dbapi.context(tenant_id=7), made.cursor() as cursor:
        text = (
            "INSERT INTO notes (body) VALUES ('100%;'); SELECT id FROM notes;"
            "DELETE FROM notes WHERE id = 100;"
        )
        assert cursor.execute(text) == 1
        assert (cursor.rowcount, cursor.description) == (1, None)
        assert cursor.nextset()
        assert list(cursor.fetchall()) == [(1,), (2,), (100,)]
        assert cursor.nextset()
        assert (cursor.rowcount, cursor.description) == (1, None)
        assert not cursor.nextset()
        cursor.execute("SELECT 1; SELECT 2")
        cursor.execute("SELECT 3")
        assert cursor.fetchone() == (3,)
        assert not cursor.nextset()
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            cursor.execute("SELECT id FROM notes; HANDLER notes OPEN")
    assert rows(raw, "SELECT count(*) FROM notes") == [(6,)]


def test_several_statements_are_refused_where_the_server_would(connection: Any) -> None:
    with pytest.raises(kysera_dbapi.UnsupportedStatement):
        rows(connection, "SELECT 1; SELECT id FROM notes")


def test_procedures(connection: Any, raw: Any) -> None:
    rows(raw, "CREATE PROCEDURE harmless(x int) SELECT x + 1 UNION ALL SELECT 5")
    rows(raw, "CREATE PROCEDURE leaking(x int) SELECT body FROM notes")
    connection.refresh()
    with connection.cursor() as cursor:
        assert cursor.callproc("harmless", (3,)) == (3,)
        assert list(cursor.fetchall()) == [(4,), (5,)]
        assert cursor.nextset()
        assert not cursor.nextset()
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            cursor.callproc("leaking", (3,))
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            cursor.execute("CALL leaking(1)")


# -- what changes the meaning of texts ------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("ANSI_QUOTES", 'SELECT "id", body FROM "notes" ORDER BY id'),
        ("NO_BACKSLASH_ESCAPES", "SELECT id, body FROM notes WHERE body <> '\\'"),
        ("PIPES_AS_CONCAT", "SELECT id, body || '' FROM notes ORDER BY id"),
    ],
)
def test_the_modes_are_followed(
    connection: Any, mysql_url: str, raw: Any, mode: str, text: str
) -> None:
    rows(connection, f"SET sql_mode = '{mode}'")
    assert rows(connection, text) == OURS
    assert rows(connection, QUERY) == OURS
    for options in ({"sql_mode": mode}, {"init_command": f"SET sql_mode = '{mode}'"}):
        made = kysera_dbapi.connect(mysql_url, plugins=plugins(), **options)
        with closing(made):
            assert rows(made, text) == OURS


def test_another_database(connection: Any, raw: Any, mysql_url: str) -> None:
    name = f"{arguments(mysql_url)['database']}_b"
    home = arguments(mysql_url)["database"]
    rows(raw, f"CREATE DATABASE {name}")
    try:
        rows(raw, f"CREATE TABLE {name}.notes AS SELECT id, body FROM {home}.notes")
        rows(raw, f"CREATE VIEW {name}.v AS SELECT id, body FROM {home}.notes")
        assert len(rows(connection, f"SELECT * FROM {name}.notes")) == 5
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            rows(connection, f"SELECT * FROM {name}.v")
        for use, back in (
            (lambda: rows(connection, f"USE {name}"), f"USE {home}"),
            (lambda: connection.select_db(name), f"USE `{home}`"),
        ):
            use()
            assert len(rows(connection, "SELECT * FROM notes")) == 5
            text = f"SELECT id, body FROM {home}.notes ORDER BY id"
            assert rows(connection, text) == OURS
            with pytest.raises(kysera_dbapi.UnsupportedStatement):
                rows(connection, "SELECT * FROM v")
            rows(connection, back)
            assert rows(connection, QUERY) == OURS
    finally:
        rows(raw, f"DROP DATABASE {name}")


def test_character_sets(connection: Any, mysql_url: str, raw: Any) -> None:
    connection.set_character_set("utf8mb4", "utf8mb4_bin")
    assert rows(connection, QUERY) == OURS
    for charset in ("gbk", "sjis", "big5", "latin1"):
        with pytest.raises(kysera_dbapi.ConfigurationError):
            connection.set_character_set(charset)
        with pytest.raises(kysera_dbapi.ConfigurationError):
            kysera_dbapi.connect(mysql_url, plugins=plugins(), charset=charset)
    assert rows(connection, QUERY) == OURS
    with closing(kysera_dbapi.connect(mysql_url, charset="latin1")) as made:
        assert rows(made, "SELECT 1") == [(1,)]


def test_a_connection_that_is_opened_later(mysql_url: str, raw: Any) -> None:
    options = {"defer_connect": True, "autocommit": True}
    made = kysera_dbapi.connect(mysql_url, plugins=plugins(), **options)
    with kysera_dbapi.context(tenant_id=7):
        with pytest.raises(pymysql.err.InterfaceError):
            rows(made, QUERY)
        made.connect()
        assert rows(made, QUERY) == OURS
        made.unwrap()._force_close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.ping(reconnect=True)
        assert rows(made, QUERY) == OURS
        assert len(rows(made, "SELECT id FROM notes WHERE body LIKE '%'")) == 2
        made.close()


def test_conversions_of_the_program_are_not_those_of_the_shim(
    mysql_url: str, raw: Any
) -> None:
    for options in ({"use_unicode": False}, {"conv": {}}):
        made = kysera_dbapi.connect(
            mysql_url, plugins=plugins(), autocommit=True, **options
        )
        with closing(made):
            assert len(rows(made, QUERY)) == 2
            assert type(rows(made, QUERY)[0][1]) is type(rows_as(mysql_url, options))


def rows_as(url: str, options: Any) -> Any:
    """What the driver makes of a text."""
    with closing(pymysql.connect(**{**arguments(url), **options})) as raw:
        return rows(raw, "SELECT body FROM notes")[0][0]


def test_tables_made_later_are_known(connection: Any) -> None:
    rows(connection, "CREATE TABLE later (id int)")
    assert rows(connection, "SELECT * FROM later") == []
