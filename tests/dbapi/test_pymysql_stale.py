"""What another connection changes on MySQL and MariaDB: new statements know of it.

A query of plain tables asks for the definitions of these alone; all else for whether
anything has changed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count
from time import sleep
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError, UnsupportedStatement
from kysera_dbapi.plugins import Policy, RowLevelSecurity, SoftDelete, tenant_isolation
from kysera_dbapi.pymysql_session import PyMySQLSession
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import arguments
from tests.servers import run

SHOP = (
    "CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, tenant_id int, total int, "
    "deleted_at datetime) ENGINE=InnoDB",
    "CREATE TABLE secrets (id int PRIMARY KEY, tenant_id int, word varchar(9))",
    "CREATE TABLE members (id int PRIMARY KEY, person int)",
    "CREATE TABLE log (id int PRIMARY KEY, total int, word varchar(9)) ENGINE=InnoDB",
    "CREATE VIEW shown AS SELECT id FROM log",
    "CREATE FUNCTION our_one() RETURNS int DETERMINISTIC RETURN 1",
    "INSERT INTO orders VALUES (1, 7, 10, NULL), (2, 7, 20, now()), (3, 8, 30, NULL)",
    "INSERT INTO secrets VALUES (1, 7, 'ours'), (2, 8, 'GHOST')",
    "INSERT INTO members VALUES (1, 42)",
    "INSERT INTO log VALUES (1, 5, '1')",
    "CREATE TABLE extra (id int, name text)",
)
READING = "SELECT count(*) FROM orders o LEFT JOIN log l ON l.id = o.id"
#: The owner may see what he is a member of.
OF_MEMBERS = Policy(
    "secrets", "members", using="id IN (SELECT id FROM members)", restrictive=True
)
TABLES = ("orders", "log", "secrets", "members")
#: Makes a text be one that was never seen.
_names = count()


def new(text: str) -> str:
    """The text of a statement in a shape that was never seen."""
    first, _, rest = text.partition(" ")
    return f"{first} /* {next(_names)} */ {rest}"


def plugins() -> list[kysera_dbapi.Plugin]:
    security = RowLevelSecurity(
        tenant_isolation("tenant_id", ["orders", "secrets"]), OF_MEMBERS
    )
    return [security, SoftDelete(["orders"])]


class Counted:
    """How often the stamps of all, and those of tables, were asked for."""

    whole = tables = 0


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    made, whole, tables = (
        Counted(),
        PyMySQLSession._stamp,
        PyMySQLSession._table_stamps,
    )

    def stamp(self: Any) -> object:
        made.whole += 1
        return whole(self)

    def table_stamps(self: Any, *of: Any) -> Any:
        made.tables += 1
        return tables(self, *of)

    monkeypatch.setattr(PyMySQLSession, "_stamp", stamp)
    monkeypatch.setattr(PyMySQLSession, "_table_stamps", table_stamps)
    return made


@pytest.fixture
def other(mysql_url: str) -> Iterator[Callable[..., None]]:
    """Runs statements on another connection, past the shim."""
    run(mysql_url, SHOP)
    with closing(pymysql.connect(**arguments(mysql_url))) as raw:

        def execute(*statements: str) -> None:
            for statement in statements:
                rows(raw, statement)

        yield execute


@pytest.fixture
def connection(
    other: Any, mysql_url: str, request: pytest.FixtureRequest
) -> Iterator[Any]:
    """One that knows the definitions of all tables by themselves."""
    autocommit = getattr(request, "param", True)
    made = kysera_dbapi.connect(mysql_url, plugins=plugins(), autocommit=autocommit)
    with closing(made), kysera_dbapi.context(tenant_id=7):
        learn(made)
        yield made


def learn(connection: Any) -> None:
    """Have it know them, however often other tests change databases of theirs."""
    host = connection.plugin_host
    for _ in range(20):
        for table in TABLES:
            rows(connection, new(f"SELECT count(*) FROM {table}"))
            connection.rollback()
        if len(host.pipeline.standing._stamps) > len(TABLES):
            return
    raise AssertionError("it does not come to know them")


def own(connection: Any) -> list[Any]:
    """What is known of the database of the test."""
    found = connection.plugin_host._catalogue
    tables = [t for t in found.tables.values() if t.schema == found.home]
    keys = [k for k in found.foreign_keys if k.parent.startswith(f"{found.home}.")]
    routines = [one for one in found.routines.items() if one[1][0].schema == found.home]
    return [*map(repr, (tables, keys, routines))]


both = pytest.mark.parametrize(
    "connection", [True, False], ids=["autocommit", "transaction"], indirect=True
)


# -- what is asked --------------------------------------------------------------------


@both
def test_a_query_of_known_tables_asks_for_them_alone(
    connection: Any, counted: Counted
) -> None:
    for text in (READING, "SELECT word FROM secrets", "SELECT 1"):
        rows(connection, new(text))
    assert (counted.whole, counted.tables) == (0, 3)


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("SELECT id FROM shown", 0),
        ("SELECT our_one() FROM log", 1),  # which the dialect sees
        ("INSERT INTO log VALUES (5, 5, 'e')", 0),
        ("UPDATE log SET total = 6", 0),
        ("DELETE FROM orders WHERE id = 9", 0),
    ],
)
def test_all_else_asks_for_all(
    connection: Any, counted: Counted, text: str, tables: int
) -> None:
    rows(connection, new(text))
    assert counted.whole
    assert counted.tables == tables


def test_nothing_is_asked_for_before_a_question_about_the_statement_before(
    connection: Any, counted: Counted
) -> None:
    text = new("SELECT @@warning_count, count(*) FROM log")
    told: list[Any] = []
    for one in (connection, connection.unwrap()):
        rows(one, "SELECT CAST('x' AS SIGNED)")
        told.append(rows(one, text))
    assert told[0] == told[1]
    assert counted.whole == 0


@both
def test_definitions_are_known_to_other_connections(
    connection: Any, counted: Counted, mysql_url: str
) -> None:
    shared = connection.plugin_host.plugins

    def work() -> None:
        learn(connection)
        with closing(kysera_dbapi.connect(mysql_url, plugins=shared)) as second:
            counted.whole = 0
            rows(second, new(READING))

    assert at_last(work, counted)


def test_what_was_met_amid_a_transaction_is_known_later(
    other: Any, mysql_url: str, counted: Counted
) -> None:
    made = kysera_dbapi.connect(mysql_url, plugins=plugins(), autocommit=False)

    def work() -> None:
        for first in ("log", "members", "secrets"):
            counted.whole = 0
            rows(made, new(f"SELECT count(*) FROM {first}"))
            rows(made, new("SELECT count(*) FROM orders"))
            made.rollback()

    with closing(made), kysera_dbapi.context(tenant_id=7):
        rows(made, new("SELECT count(*) FROM secrets"))
        made.rollback()
        assert at_last(work, counted)


def at_last(work: Callable[[], None], counted: Counted) -> bool:
    """Whether it ends without asking for all, if no other test changes a database."""
    for _ in range(8):
        work()
        if not counted.whole:
            return True
    return False


@both
def test_the_number_that_comes_next_is_no_change(
    connection: Any, other: Any, counted: Counted
) -> None:
    other("INSERT INTO orders (total) VALUES (1), (2)")
    rows(connection, new(READING))
    assert (counted.whole, counted.tables) == (0, 1)


# -- what is noticed ------------------------------------------------------------------

#: Changes, and statements whose plans they decide.
CHANGES = (
    ("ALTER TABLE log ADD COLUMN note int", READING),
    ("ALTER TABLE log DROP COLUMN total", READING),
    ("ALTER TABLE log RENAME COLUMN total TO sum", READING),
    ("ALTER TABLE log MODIFY word varchar(10)", READING),
    ("ALTER TABLE log MODIFY word int", READING),
    ("ALTER TABLE log MODIFY word varchar(9) COLLATE utf8mb4_bin", READING),
    ("ALTER TABLE log MODIFY word varchar(9) NOT NULL", READING),
    ("ALTER TABLE log ADD UNIQUE KEY total (total)", READING),
    ("ALTER TABLE log DROP PRIMARY KEY", READING),
    ("ALTER TABLE log ENGINE=MyISAM", READING),
    ("ALTER TABLE orders ADD COLUMN note int INVISIBLE", READING),
    ("ALTER TABLE members ADD COLUMN note int", "SELECT word FROM secrets"),
    ("ALTER TABLE members RENAME COLUMN person TO who", "SELECT word FROM secrets"),
    ("RENAME TABLE log TO was, extra TO log", "SELECT * FROM log"),
    ("DROP TABLE log", "SELECT * FROM log"),
    ("CREATE TABLE news (id int)", "SELECT * FROM news"),
    ("CREATE OR REPLACE VIEW shown AS SELECT id, word FROM log", "SELECT * FROM shown"),
    ("ALTER TABLE log ADD COLUMN note int", "SELECT * FROM shown"),
    ("DROP FUNCTION our_one", "SELECT our_one()"),
    ("CREATE FUNCTION two() RETURNS int DETERMINISTIC RETURN 2", "SELECT two()"),
    ("CREATE FUNCTION two() RETURNS int DETERMINISTIC RETURN 2", "SELECT `two`(), 1"),
    (
        "CREATE TRIGGER x BEFORE INSERT ON log FOR EACH ROW SET NEW.total = 1",
        "INSERT INTO log VALUES (5, 5, 'e')",
    ),
    (
        "CREATE TABLE kids (log int, FOREIGN KEY (log) REFERENCES log (id) "
        "ON DELETE CASCADE)",
        "DELETE FROM log WHERE id = 9",
    ),
    (
        "CREATE TABLE kids (log int, FOREIGN KEY (log) REFERENCES log (id) "
        "ON UPDATE CASCADE)",
        "UPDATE log SET id = 9 WHERE id = 9",
    ),
    ("ALTER TABLE log ADD UNIQUE KEY total (total)", "REPLACE INTO log VALUES (2,2,2)"),
)


@pytest.mark.parametrize(("change", "text"), CHANGES)
def test_what_decides_a_statement_is_noticed_by_it(
    connection: Any, other: Any, change: str, text: str
) -> None:
    before = own(connection)
    other(change)
    with suppress(pymysql.Error, kysera_dbapi.Error):  # it is refused, or gone
        rows(connection, new(text))
    connection.rollback()
    after = own(connection)
    assert after != before
    connection.refresh()
    assert own(connection) == after


CASCADE = "FOREIGN KEY (log) REFERENCES log (id) ON DELETE CASCADE"
READS = "RETURNS int READS SQL DATA RETURN (SELECT max(id) FROM secrets)"
#: Changes after which statements would show or change hidden rows.
LEAKS = (
    ("DROP TABLE log; CREATE VIEW log AS SELECT * FROM secrets", "SELECT * FROM log"),
    ("CREATE OR REPLACE VIEW shown AS SELECT word FROM secrets", "SELECT * FROM shown"),
    ("CREATE VIEW news AS SELECT word FROM secrets", "SELECT * FROM news"),
    (f"DROP FUNCTION our_one; CREATE FUNCTION our_one() {READS}", "SELECT our_one()"),
    (f"CREATE FUNCTION two() {READS}", "SELECT two() FROM log"),
    (f"CREATE FUNCTION `count`() {READS}", "SELECT count () FROM log"),
    (f"CREATE FUNCTION `if`() {READS}", "SELECT `if`() FROM log"),
    (
        f"CREATE FUNCTION two() {READS}; CREATE OR REPLACE VIEW shown AS SELECT two()",
        "SELECT * FROM shown",
    ),
    (
        "CREATE TRIGGER x AFTER UPDATE ON log FOR EACH ROW DELETE FROM secrets",
        "UPDATE log SET total = 0",
    ),
    (
        "CREATE TRIGGER x AFTER INSERT ON log FOR EACH ROW DELETE FROM secrets",
        "INSERT INTO log VALUES (5, 5, 'e')",
    ),
    (
        "ALTER TABLE secrets ADD COLUMN log int DEFAULT 1, ADD FOREIGN KEY (log) "
        "REFERENCES log (id) ON DELETE CASCADE",
        "DELETE FROM log",
    ),
    (
        "CREATE TABLE kids (id int PRIMARY KEY, log int, "
        f"{CASCADE}); ALTER TABLE secrets ADD FOREIGN KEY (id) REFERENCES kids (id) "
        "ON DELETE CASCADE",
        "DELETE FROM log",
    ),
    ("ALTER TABLE orders ENGINE=MyISAM", "UPDATE orders SET total = 0"),
)


@pytest.mark.parametrize(("change", "text"), LEAKS)
def test_what_would_show_or_change_hidden_rows_is_refused(
    connection: Any, other: Any, change: str, text: str
) -> None:
    """The rows of others are there; of those that the caller sees, none is gone."""
    if "kids" in change:
        other("DELETE FROM secrets")
    other(*change.split("; "))
    with pytest.raises(UnsupportedStatement):
        rows(connection, new(text))


WRITES = [leak for leak in LEAKS if not leak[1].startswith("SELECT")]


@pytest.mark.parametrize(("change", "text"), WRITES)
def test_a_schema_that_cannot_be_asked_for_lets_no_write_pass(
    connection: Any, other: Any, change: str, text: str
) -> None:
    """The caller's settings may have the server refuse what asks for it."""
    rows(connection, "SET SESSION max_join_size = 1")
    if "kids" in change:
        other("DELETE FROM secrets")
    other(*change.split("; "))
    with pytest.raises(pymysql.Error, match="MAX_JOIN_SIZE"):
        rows(connection, new(text))
    rows(connection, new("ROLLBACK"))
    rows(connection, "SET SESSION max_join_size = DEFAULT")
    with pytest.raises(UnsupportedStatement):
        rows(connection, new(text))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("ALTER TABLE secrets DROP COLUMN tenant_id", "SELECT word FROM secrets"),
        ("ALTER TABLE orders DROP COLUMN deleted_at", "SELECT total FROM orders"),
        ("ALTER TABLE members RENAME COLUMN id TO no", "SELECT word FROM secrets"),
        ("DROP TABLE members", "SELECT word FROM secrets"),
        (
            "RENAME TABLE log TO was, orders TO log, was TO orders",
            "SELECT * FROM log",
        ),
        (
            "ALTER TABLE orders MODIFY tenant_id varchar(9) COLLATE utf8mb4_general_ci",
            "SELECT total FROM orders",
        ),
    ],
)
def test_a_schema_that_became_unfit_is_an_error(
    connection: Any, other: Any, change: str, text: str
) -> None:
    other(change)
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            rows(connection, new(text))


def test_a_temporary_table_made_past_the_shim_is_noticed(connection: Any) -> None:
    with connection.unwrap().cursor() as raw:
        raw.execute("CREATE TEMPORARY TABLE secrets (id int, tenant_id int, word int)")
    rows(connection, new("SELECT total FROM orders"))
    with pytest.raises(ConfigurationError, match="temporary table"):
        connection.refresh()


@both
def test_a_plan_by_an_old_catalogue_is_kept_for_nobody(
    connection: Any, other: Any, mysql_url: str
) -> None:
    shared, text = connection.plugin_host.plugins, new("SELECT * FROM log")
    with closing(kysera_dbapi.connect(mysql_url, plugins=shared)) as second:
        other("DROP TABLE log", "CREATE VIEW log AS SELECT * FROM secrets")
        for one in (connection, second):
            with pytest.raises(UnsupportedStatement):
                rows(one, text)


@both
def test_a_change_amid_a_snapshot_is_noticed_after_it(
    connection: Any, other: Any
) -> None:
    """The table is of now, the whole of the snapshot: that is not to be kept."""
    before = own(connection)
    rows(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
    other("ALTER TABLE log ADD COLUMN note int")
    for _ in range(2):
        with suppress(pymysql.err.OperationalError):  # another definition
            rows(connection, new(READING))
    connection.rollback()
    rows(connection, new("SELECT * FROM log"))
    assert own(connection) != before
    assert connection.plugin_host._catalogue.resolve(["log"]).column("note")


def test_a_lock_on_definitions_that_ends_the_transaction_is_an_error(
    other: Any, mysql_url: str
) -> None:
    """Else the statement would run outside of the transaction, which is undone."""
    made = kysera_dbapi.connect(mysql_url, plugins=plugins(), autocommit=True)
    with closing(made), kysera_dbapi.context(tenant_id=7):
        rows(made, new(READING))
        rows(made, "BEGIN")
        rows(made, "INSERT INTO orders (total) VALUES (77)")
        renaming = threading.Thread(
            target=other,
            args=("RENAME TABLE log TO log_was, orders TO orders_was",),
        )
        renaming.start()
        try:
            sleep(1)
            with pytest.raises(pymysql.err.OperationalError) as caught:
                rows(made, new("SELECT max(total) FROM log"))
            assert caught.value.args[0] == 1213
        finally:
            made.rollback()
            renaming.join(20)
        assert rows(made.unwrap(), "SELECT id FROM orders_was WHERE total = 77") == []
