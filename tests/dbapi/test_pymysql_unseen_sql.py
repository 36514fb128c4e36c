"""No SQL reaches MySQL or MariaDB that the shim has not planned or written itself.

And what PyMySQL's proxies hand out never leads to a raw connection or cursor.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT, COMMAND
from pymysql.cursors import Cursor, DictCursor, SSCursor, SSDictCursor

import kysera_dbapi
from kysera_dbapi.pymysql_session import PyMySQLSession
from kysera_dbapi.session import Session
from tests.dbapi.notes import QUERY, plugins, rows
from tests.dbapi.test_psycopg_handed_out import reached
from tests.dialects.mysql_server import arguments

raw_class: Any = pymysql.connections.Connection

#: What the driver sends by itself.
DRIVER = re.compile(
    r"BEGIN|COMMIT|ROLLBACK|SHOW WARNINGS|SET AUTOCOMMIT = [01]|KILL \d+"
    # of a procedure that there is not, the server is to say so
    r"|SET @`_none_such_0`=1|CALL `none_such`\(@`_none_such_0`\)"
    r"|SET NAMES \w+( COLLATE \w+)?"
)
_PLACEHOLDER = re.compile(r"%(?:\(\w+\))?s|%%")
_VALUE = r"(?:\(.*?\)|'(?:[^'\\]|\\.|'')*'|-?[\d.e]+|NULL)"


def pattern(text: str) -> str:
    """Whatever a text becomes by the driver's formatting; or the text itself."""
    parts: list[str] = []
    last = 0
    for found in _PLACEHOLDER.finditer(text):
        parts.append(re.escape(text[last : found.start()]))
        parts.append("%" if found[0] == "%%" else _VALUE)
        last = found.end()
    formatted = "".join([*parts, re.escape(text[last:])])
    many = r"(?:\s*,\s*\(.*?\))*" if "VALUES" in text.upper() else ""
    return f"(?:{formatted}{many}|{re.escape(text)})"


class Watch:
    """What was sent to the server, and what the shim has planned or written."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.others: list[int] = []
        self.planned: set[str] = set()
        self.own: set[str] = set()

    def unseen(self) -> list[str]:
        """The texts that reached the server without the shim."""
        parts = map(pattern, self.planned | self.own)
        known = re.compile("|".join(parts), re.DOTALL)
        driver_s = DRIVER.fullmatch
        return [t for t in self.texts if not (driver_s(t) or known.fullmatch(t))]


@pytest.fixture
def watch(
    monkeypatch: pytest.MonkeyPatch, raw_mysql_notes: Any, mysql_url: str
) -> Watch:
    """Notes all packets to the server, but those of the connection of the tests."""
    made, send, write = Watch(), raw_class._execute_command, raw_class._write_bytes
    login, place = raw_class._request_authentication, arguments(mysql_url)
    plan, execute = Session.plan, PyMySQLSession.execute
    sending: list[Any] = []

    def is_watched(c: Any) -> bool:
        """Databases are made and dropped meanwhile, by connections to another one."""
        database = place["database"]
        return c is not raw_mysql_notes and c.db in (database, database.encode())

    def noted_command(self: Any, command: int, sql: Any) -> Any:
        if not is_watched(self):
            return send(self, command, sql)
        made.others.append(command)
        if command == COMMAND.COM_QUERY:
            made.texts.append(sql if isinstance(sql, str) else bytes(sql).decode())
        sending.append(self)
        try:
            return send(self, command, sql)
        finally:
            sending.remove(self)

    def noted_bytes(self: Any, data: Any) -> Any:
        leaving = data[4:] == bytes([COMMAND.COM_QUIT])
        if is_watched(self) and self not in sending and not leaving:
            made.texts.append(repr(data))
        return write(self, data)

    def noted_login(self: Any) -> Any:
        sending.append(self)
        try:
            return login(self)
        finally:
            sending.remove(self)

    def noted_plan(self: Any, text: str, **options: Any) -> Any:
        found = plan(self, text, **options)
        texts = {found.sql, found.image_sql, found.retry_sql}
        made.planned |= {text for text in texts if text}
        return found

    def noted_own(self: Any, sql: str, parameters: Any = (), /) -> Any:
        made.own.add(sql)
        return execute(self, sql, parameters)

    monkeypatch.setattr(raw_class, "_execute_command", noted_command)
    monkeypatch.setattr(raw_class, "_write_bytes", noted_bytes)
    monkeypatch.setattr(raw_class, "_request_authentication", noted_login)
    monkeypatch.setattr(Session, "plan", noted_plan)
    monkeypatch.setattr(PyMySQLSession, "execute", noted_own)
    return made


@pytest.fixture(params=[True, False], ids=["autocommit", "transaction"])
def connection(
    watch: Watch, request: pytest.FixtureRequest, mysql_url: str
) -> Iterator[Any]:
    options: dict[str, Any] = {**arguments(mysql_url), "autocommit": request.param}
    options["client_flag"] = CLIENT.MULTI_STATEMENTS
    made = kysera_dbapi.connect(pymysql, plugins=plugins(), **options)
    with closing(made), kysera_dbapi.context(tenant_id=7):
        yield made


def reads(c: Any) -> None:
    for kind in (Cursor, DictCursor, SSCursor, SSDictCursor):
        with c.cursor(kind) as cursor:
            cursor.execute(QUERY)
            cursor.fetchall()
            cursor.execute("SELECT id FROM notes WHERE id IN %s", ((1, 2),))
            cursor.fetchone()
            cursor.fetchmany(5)
            cursor.execute("SELECT id FROM notes WHERE id = %(i)s", {"i": 1})
            list(cursor)
            with suppress(pymysql.Error):
                cursor.scroll(0, "absolute")
    with closing(Cursor(c)) as by_hand:
        by_hand.execute("SELECT id FROM notes WHERE id = 2 AND body LIKE '%o'")


def writes(c: Any) -> None:
    with c.cursor() as cursor:
        cursor.execute("INSERT INTO notes (body) VALUES ('it''s'), (%s)", ("it's",))
        cursor.executemany("INSERT INTO notes (body) VALUES (%s)", [("a",), ("%s",)])
        cursor.executemany("UPDATE notes SET body = %s WHERE id = %s", [("x", 1)] * 2)
        cursor.executemany("DELETE FROM notes WHERE id = %s", [(1,), (2,)])
        cursor.execute("REPLACE INTO log VALUES (1, '100%')")
        cursor.execute("SELECT LAST_INSERT_ID(), ROW_COUNT()")
    c.query("UPDATE notes SET body = 'y'")
    c.insert_id()
    c.affected_rows()


def several(c: Any) -> None:
    with c.cursor() as cursor:
        cursor.execute("SELECT 1; SELECT id FROM notes; UPDATE notes SET body = 'z'")
        while cursor.nextset():
            cursor.fetchall()


def transactions(c: Any) -> None:
    c.begin()
    rows(c, "SAVEPOINT s")
    rows(c, "UPDATE notes SET body = 'z'")
    rows(c, "ROLLBACK TO SAVEPOINT s")
    c.commit()
    c.autocommit(not c.get_autocommit())
    rows(c, "DELETE FROM notes")
    c.rollback()


def members(c: Any) -> None:
    c.ping(reconnect=False)
    c.select_db(c.db.decode() if isinstance(c.db, bytes) else c.db)
    c.show_warnings()
    c.set_character_set("utf8mb4", "utf8mb4_bin")
    rows(c, "SELECT 1")
    c.unwrap()._force_close()
    c.connect()
    rows(c, QUERY)
    for name in ("get_host_info", "get_proto_info", "get_server_info", "thread_id"):
        getattr(c, name)()


def failing(c: Any) -> None:
    texts = (
        "SELECT nothing FROM notes",
        "DROP TABLE notes",
        "UPDATE notes SET tenant_id = 8",
        "INSERT INTO notes (id, body) VALUES (4, 'x')",
        "INSERT INTO notes (tenant_id) VALUES (8)",
        "CALL none_such()",
        "HANDLER notes OPEN",
        "SELECT 1; DROP TABLE notes",
    )
    for text in texts:
        with suppress(pymysql.Error):
            rows(c, text)
        with suppress(pymysql.Error):
            c.query(text)
    with suppress(pymysql.Error), c.cursor() as cursor:
        cursor.callproc("none_such", (1,))
    with suppress(pymysql.Error):
        c.write_packet(b"\x03SELECT * FROM notes")


def schemas(c: Any) -> None:
    rows(c, "CREATE TABLE later (id int)")
    rows(c, "DROP TABLE IF EXISTS later, never")
    rows(c, "SHOW WARNINGS")
    rows(c, QUERY)
    c.refresh()
    c.explain(QUERY)


WORK: list[Callable[[Any], None]] = [
    *(reads, writes, several, transactions, members, failing, schemas),
]


@pytest.mark.parametrize("work", WORK)
@pytest.mark.filterwarnings("ignore:Previous unbuffered result")
def test_every_text_was_seen(work: Any, watch: Watch, connection: Any) -> None:
    work(connection)
    assert watch.texts
    assert watch.unseen() == []
    for text in watch.texts:
        if re.search(r"\b(FROM|UPDATE|INTO) notes\b", text):
            assert "7" in text, text
    allowed = {COMMAND.COM_QUERY, COMMAND.COM_PING, COMMAND.COM_INIT_DB}
    assert set(watch.others) <= allowed


def test_a_text_that_goes_round_the_shim_is_noticed(
    watch: Watch, connection: Any
) -> None:
    connection.unwrap().query("SELECT body FROM notes")
    connection.unwrap().write_packet(b"\x03SELECT 1")
    first, second = watch.unseen()
    assert first == "SELECT body FROM notes"
    assert "SELECT 1" in second


# -- what is handed out ---------------------------------------------------------------


def is_raw(found: Any) -> bool:
    """Whether SQL can be run by it, past the plugins."""
    from kysera_dbapi.connection import Connection
    from kysera_dbapi.pymysql_cursor import PlannedCursor

    if issubclass(type(found), Connection) or isinstance(found, PlannedCursor):
        return False
    if isinstance(found, pymysql.connections.MySQLResult):
        return getattr(found, "connection", None) is not None
    return issubclass(type(found), (raw_class, Cursor))


def cursors(c: Any) -> Iterator[Any]:
    for kind in (Cursor, DictCursor, SSCursor, SSDictCursor):
        with c.cursor(kind) as cursor:
            yield cursor
            cursor.execute(QUERY)
            yield cursor
            yield iter(cursor)
            yield cursor.__enter__()
            yield cursor.fetchall_unbuffered if kind is SSCursor else cursor.fetchall
            cursor.fetchall()


def errors(c: Any) -> Iterator[Any]:
    for text in (
        "SELECT nothing",
        "DROP TABLE notes",
        "UPDATE notes SET tenant_id = 8",
    ):
        try:
            rows(c, text)
        except pymysql.Error as error:
            yield error
            yield error.__cause__


HANDED: dict[str, Callable[[Any], Iterator[Any]]] = {
    "connection": lambda c: iter([c, c.__enter__(), c.ping, c._result]),
    "host": lambda c: iter([c.plugin_host.plugins, c.explain(QUERY)]),
    "cursors": cursors,
    "errors": errors,
}


@pytest.mark.parametrize("name", HANDED)
def test_nothing_leads_past_the_plugins(name: str, mysql_notes: Any) -> None:
    count = 0
    for handed in HANDED[name](mysql_notes):
        for path, found in reached(handed, name):
            assert not is_raw(found), f"{path} is {type(found)}"
            count += 1
    assert count


def test_what_leads_past_them_is_noticed(mysql_notes: Any) -> None:
    class Handed:
        cursor = mysql_notes.unwrap().cursor()
        bound = mysql_notes.unwrap().query

    found = {path for path, one in reached(Handed(), "it") if is_raw(one)}
    assert {"it.cursor", "it.cursor.connection", "it.bound.__self__"} <= found
