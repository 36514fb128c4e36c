"""What PyMySQL's cursors write, and what is told of it."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

import kysera_dbapi
from tests.dbapi.notes import QUERY, plugins, rows
from tests.dialects.mysql_server import arguments

COUNT = "SELECT count(*) FROM notes"


@pytest.fixture
def connection(mysql_notes: Any) -> Any:
    return mysql_notes


@pytest.fixture
def raw(raw_mysql_notes: Any) -> Any:
    return raw_mysql_notes


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
    error: Any = caught.value
    assert error.table == "notes"
    assert isinstance(error, pymysql.IntegrityError)
    with pytest.raises(kysera_dbapi.PolicyViolation):
        rows(connection, "UPDATE notes SET tenant_id = 8 WHERE id = 1")
    assert rows(raw, COUNT) == [(5,)]
    assert rows(raw, f"{COUNT} WHERE tenant_id = 8") == [(2,)]


def test_updates_and_deletes(connection: Any, raw: Any) -> None:
    with connection.cursor() as cursor:
        assert cursor.execute("UPDATE notes SET body = 'x'") == 2
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
        # the numbers of threads begin anew with the server, its log does not
        begun = rows(watch, "SELECT CAST(now(6) AS char)")[0][0]
        rows(watch, "SET GLOBAL log_output = 'TABLE'")
        rows(watch, "SET GLOBAL general_log = 1")
        try:
            work()
        finally:
            rows(watch, "SET GLOBAL general_log = %s", (keeping[0],))
            rows(watch, "SET GLOBAL log_output = %s", (keeping[1],))
        thread = raw.thread_id()
        text = (
            "SELECT argument FROM mysql.general_log "
            "WHERE thread_id = %s AND event_time >= %s ORDER BY 1"
        )
        found = rows(watch, text, (thread, begun))
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


@pytest.mark.parametrize("named", [False, True])
def test_executemany_with_the_tenant_is_one_statement(
    connection: Any, raw: Any, named: bool
) -> None:
    """The tenants of all rows are compared before one is sent."""
    text = "INSERT INTO notes (tenant_id, body) VALUES (%s, %s)"
    many: list[Any] = [(7, f"row {i} 100%") for i in range(50)]
    if named:
        text = "INSERT INTO notes (body, tenant_id) VALUES (%(body)s, %(tenant)s)"
        many = [{"tenant": tenant, "body": body} for tenant, body in many]

    def work() -> None:
        with connection.cursor() as cursor:
            assert cursor.executemany(text, many) == 50
            assert cursor.executemany(text, iter(many)) == 50

    work()
    texts = sent(connection.unwrap(), work)
    inserts = [one for one in texts if one.startswith("INSERT INTO notes")]
    assert [one.count("row ") for one in inserts] == [50, 50]
    count = "SELECT count(*), min(tenant_id), max(tenant_id) FROM notes WHERE id > 99"
    assert rows(raw, count) == [(200, 7, 7)]
    for wrong in (8, "7", 7.0, True, None, b"7"):
        row = {"tenant": wrong, "body": "x"} if named else (wrong, "x")
        given = [*many[:3], row, *many[3:]]
        for rows_given in (given, iter(given)):
            with (
                connection.cursor() as cursor,
                pytest.raises(kysera_dbapi.PolicyViolation) as caught,
            ):
                cursor.executemany(text, rows_given)
            error: Any = caught.value
            assert (error.table, error.row) == ("notes", 3)
            assert isinstance(error, pymysql.IntegrityError)
        with connection.cursor() as cursor:
            with pytest.raises(kysera_dbapi.PolicyViolation):
                cursor.execute(text, row)
            if not named:
                with pytest.raises(kysera_dbapi.ProgrammingError):
                    cursor.executemany(text, [(7, "x", 1)])
    assert rows(raw, count) == [(200, 7, 7)]
    with kysera_dbapi.context(tenant_id=8), connection.cursor() as cursor:
        assert cursor.execute(text, {"tenant": 8, "body": "x"} if named else (8, "x"))
        with pytest.raises(kysera_dbapi.PolicyViolation):
            cursor.executemany(text, many)
    assert rows(raw, f"{COUNT} WHERE tenant_id = 8 AND id > 99") == [(1,)]


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


class Short(Cursor):
    """One whose ``executemany`` sends a few rows at once."""

    max_stmt_length = 1000


def test_what_is_wrong_in_a_later_part_undoes_the_parts_before(
    connection: Any, raw: Any
) -> None:
    many: list[Any] = [(n, "b" * 30) for n in range(200, 300)]
    for text, last in (
        ("INSERT INTO notes (id, body) VALUES (%s, %s) {} body = 'x'", (4, "x")),
        ("INSERT INTO notes (id, tenant_id) VALUES (%s, %s + 0)", (301, 8)),
    ):
        given = many if "{}" in text else [(n, 7) for n, _ in many]
        sql = text.format("ON DUPLICATE KEY UPDATE")
        with (
            connection.cursor(Short) as cursor,
            pytest.raises(kysera_dbapi.PolicyViolation),
        ):
            cursor.executemany(sql, [*given, last])
        assert rows(raw, f"{COUNT} WHERE id > 199") == [(0,)]
        assert rows(raw, "SELECT body FROM notes WHERE id = 4") == [("GHOST",)]


def test_a_long_executemany_is_split_as_the_driver_does(
    connection: Any, raw: Any
) -> None:
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
    options: Any = {"client_flag": flag, "autocommit": True}
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


def test_a_soft_delete_shows_no_rows(connection: Any, raw: Any) -> None:
    """An UPDATE has no RETURNING, and MySQL has none at all."""
    with pytest.raises(kysera_dbapi.UnsupportedStatement):
        rows(connection, "DELETE FROM notes WHERE id = 1 RETURNING id, deleted_at")
    assert rows(raw, f"{COUNT} WHERE deleted_at IS NULL") == [(3,)]


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
