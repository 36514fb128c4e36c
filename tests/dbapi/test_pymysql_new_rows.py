"""New rows and policies of every kind: MariaDB shows them, MySQL checks their values.

Whatever is stored is what the server stores without the shim, and its policies let it
be; in each sql_mode, of values that columns cut, round or read in their own way.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import Policy, RowLevelSecurity, tenant_isolation
from tests import servers
from tests.databases import Databases
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import Server
from tests.servers import parameters

TASKS = (
    """CREATE TABLE {0}.tasks (
        id int AUTO_INCREMENT PRIMARY KEY, tenant_id int NOT NULL DEFAULT 7,
        owner tinyint unsigned, status varchar(5) NOT NULL DEFAULT 'open', team int,
        note varchar(9), KEY (owner))""",
    "CREATE TABLE {0}.teams (id int PRIMARY KEY, boss int)",
    "INSERT INTO {0}.teams VALUES (1, 5), (2, 6)",
)
POLICIES = (
    Policy("tasks", using="owner = :user_id AND status = 'open'", name="own"),
    Policy(
        "tasks",
        using="team IS NULL OR EXISTS (SELECT 1 FROM teams WHERE teams.id = tasks.team "
        "AND teams.boss = :user_id)",
        restrictive=True,
        name="team",
    ),
)


class Twins:
    """The shim with its policies, and the server without."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.server = Server(url, stack)
        self.url, self.stack = url, stack
        self.mariadb = self.server.mariadb
        self.twin = self.server.other("twin")
        for name in (self.server.database, self.twin):
            self.server.run(*(text.format(name) for text in TASKS))
        self.raw = self.server.connect(database=self.twin)
        self.all = self.server.raw
        tenant = tenant_isolation("tenant_id", tables=["tasks"])
        self.shim = self.connected(tenant, *POLICIES)

    def connected(self, *policies: Any) -> Any:
        """A wrapped connection with other policies."""
        plugins = [RowLevelSecurity(*policies)]
        made = kysera_dbapi.connect(self.url, plugins=plugins, autocommit=True)
        self.stack.callback(made.close)
        return made


@pytest.fixture(scope="module", params=parameters("mysql"))
def made(
    request: pytest.FixtureRequest, databases: Callable[[servers.Server], Databases]
) -> Iterator[Twins]:
    """Twins for all tests."""
    with databases(request.param).one() as url, ExitStack() as stack:
        yield Twins(url, stack)


@pytest.fixture
def twins(made: Twins) -> Iterator[Twins]:
    """Twins without tasks."""
    for connection in (made.all, made.raw):
        rows(connection, "TRUNCATE tasks")
    with kysera_dbapi.context(tenant_id=7, user_id=5):
        rows(made.shim, "SET sql_mode = DEFAULT")
        yield made


STORED = "SELECT * FROM tasks ORDER BY id"
RIGHT: tuple[tuple[str, Any], ...] = (
    ("INSERT INTO tasks (owner, status) VALUES (5, 'open')", None),
    ("INSERT INTO tasks (owner, status) VALUES (%s, %s)", (5, "open")),
    ("INSERT INTO tasks (owner, status) VALUES (%s, %s)", ("5", "OPEN")),
    ("INSERT INTO tasks (owner, status) VALUES (%(o)s, %(s)s)", {"o": 5, "s": "open"}),
    ("INSERT INTO tasks (status, owner, tenant_id) VALUES ('open', %s, %s)", (5, 7)),
    ("INSERT INTO tasks (owner, status, team) VALUES (%s, %s, %s)", (5, "open", 1)),
    ("INSERT INTO tasks (owner, status, team) VALUES (5, 'open', NULL)", None),
    ("INSERT INTO tasks (owner, status) VALUES (%s, 'open'), (5, %s)", (5, "open")),
    ("INSERT INTO tasks SET owner = %s, status = 'open', note = %s", (5, "x")),
    ("INSERT INTO tasks VALUES (DEFAULT, 7, 5, 'open', 1, 'x')", None),
    ("INSERT INTO tasks VALUES (DEFAULT, 7, 5, DEFAULT, DEFAULT, 'x')", None),
    ("INSERT INTO tasks (owner, note) VALUES (%s, 'x'), (5, 'y')", (5,)),
    ("INSERT INTO tasks SET owner = %s, status = DEFAULT", (5,)),
    (
        "INSERT INTO tasks VALUES (9, 7, 5, 'open', 1, 'x'), (0, 7, 5, 'open', 1, 'y')",
        (),
    ),
    ("INSERT tasks (owner, status, note) VALUE (5, 'open', CONCAT('a', 'b'))", None),
    (
        "INSERT INTO tasks (owner, status, note) VALUES "
        + ", ".join(["(5, 'open', 'x')"] * 300),
        None,
    ),
    (
        "INSERT INTO tasks (owner, status, note) VALUES "
        + ", ".join(["(%s, %s, 'x')"] * 300),
        (5, "open") * 300,
    ),
)
TOLD = "SELECT ROW_COUNT(), LAST_INSERT_ID(), @@warning_count"


@pytest.mark.parametrize(("sql", "args"), RIGHT)
def test_a_row_that_is_right_is_stored(twins: Twins, sql: str, args: Any) -> None:
    told: list[list[Any]] = []
    for connection in (twins.shim, twins.raw):
        with connection.cursor() as cursor:
            count = cursor.execute(sql, args)
            told.append([count, cursor.rowcount, cursor.lastrowid])
            told[-1] += [connection.insert_id(), rows(connection, TOLD)]
    assert told[0] == told[1]
    assert rows(twins.all, STORED) == rows(twins.raw, STORED)
    assert rows(twins.shim, STORED) == rows(twins.raw, STORED)


WRONG: tuple[tuple[str, Any], ...] = (
    ("INSERT INTO tasks (owner, status) VALUES (6, 'open')", None),
    ("INSERT INTO tasks (owner, status) VALUES (%s, %s)", (5, "shut")),
    ("INSERT INTO tasks (owner, status) VALUES (NULL, 'open')", None),
    ("INSERT INTO tasks (owner, status) VALUES (%s, %s)", (None, "open")),
    ("INSERT INTO tasks (owner, status, tenant_id) VALUES (5, 'open', 8)", None),
    ("INSERT INTO tasks (owner, status, team) VALUES (%s, %s, %s)", (5, "open", 2)),
    ("INSERT INTO tasks (owner, status, team) VALUES (%s, %s, %s)", (5, "open", 3)),
    ("INSERT INTO tasks (owner, status) VALUES (5, 'open'), (6, 'open')", None),
    ("INSERT INTO tasks SET owner = 6, status = 'open'", None),
    (
        "INSERT INTO tasks (owner, status, note) VALUES "
        + ", ".join(["(5, 'open', 'x')"] * 299)
        + ", (6, 'open', 'x')",
        None,
    ),
)


@pytest.mark.parametrize(("sql", "args"), WRONG)
@pytest.mark.parametrize("mode", ["", "STRICT_ALL_TABLES,ANSI_QUOTES"])
def test_one_that_is_not_is_a_violation(
    twins: Twins, sql: str, args: Any, mode: str
) -> None:
    rows(twins.shim, f"SET sql_mode = '{mode}'")
    with pytest.raises(kysera_dbapi.PolicyViolation):
        rows(twins.shim, sql, args)
    assert rows(twins.all, STORED) == []


def test_many(twins: Twins) -> None:
    """All or none, and the count of all."""
    sql = "INSERT INTO tasks (owner, status) VALUES (%s, %s)"
    with twins.shim.cursor() as cursor:
        for wrong in ([(5, "open"), (6, "open")], [(6, "open"), (5, "open")]):
            with pytest.raises(kysera_dbapi.PolicyViolation):
                cursor.executemany(sql, wrong)
            assert rows(twins.all, STORED) == []
        assert cursor.executemany(sql, [(5, "open")] * 3) == cursor.rowcount == 3
    assert len(rows(twins.shim, STORED)) == 3


REFUSED = (
    "INSERT INTO tasks (owner, status) SELECT 5, 'open'",
    "INSERT INTO tasks (owner, status) VALUES (2 + 3, 'open')",
    "INSERT INTO tasks (owner, status) VALUES ((SELECT 5), 'open')",
    "INSERT INTO tasks (owner, status) VALUES (5, _utf8mb4'open')",
    "INSERT INTO tasks (owner, status) VALUES (DEFAULT, DEFAULT)",
    "INSERT INTO tasks (owner, status) VALUES (5, DEFAULT(status))",
    "INSERT INTO tasks (owner, status) VALUES (5, 'op' 'en')",
    "INSERT INTO tasks () VALUES ()",
    "INSERT IGNORE INTO tasks (owner, status) VALUES (5, 'open')",
    "INSERT INTO tasks (owner, status) VALUES (5, 'open') "
    "ON DUPLICATE KEY UPDATE note = 'x'",
    "REPLACE INTO tasks (owner, status) VALUES (5, 'open')",
)


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_not_known_before_it_is_stored_is_refused(
    twins: Twins, sql: str
) -> None:
    if twins.mariadb:
        pytest.skip("MariaDB shows the rows then")
    with pytest.raises(kysera_dbapi.UnsupportedStatement):
        rows(twins.shim, sql)
    assert rows(twins.all, STORED) == []


@pytest.mark.parametrize(
    "shown",
    [
        *("id", "ID", "tasks.Id, Owner", "`tasks`.`Id`", "iD AS Mine", "*"),
        *("ID + 1, note", "/* a */ Status /* b */, ID", "'x' , ID", "(Id), ID"),
    ],
)
@pytest.mark.parametrize("args", [None, (5,)])
def test_columns_are_called_as_the_statement_calls_them(
    twins: Twins, shown: str, args: Any
) -> None:
    """Not as the table does, where what is shown is checked."""
    if not twins.mariadb:
        pytest.skip("MySQL has no RETURNING")
    value = 5 if args is None else "%s"
    sql = f"INSERT INTO tasks (owner, status) SELECT {value}, 'open' RETURNING {shown}"
    told: list[Any] = []
    for connection in (twins.shim, twins.raw):
        with connection.cursor() as cursor:
            cursor.execute(sql, args)
            told.append([[one[0] for one in cursor.description], cursor.fetchall()])
    assert told[0] == told[1]


def test_a_trigger_that_could_move_a_row_is_refused(twins: Twins) -> None:
    # of a shape that is not known: what is known is not looked up again
    insert = "INSERT INTO tasks (status, note, owner) VALUES ('open', 'moved', 5)"
    refused = (kysera_dbapi.UnsupportedStatement, kysera_dbapi.PolicyViolation)
    rows(
        twins.all,
        "CREATE TRIGGER moved BEFORE INSERT ON tasks FOR EACH ROW SET NEW.`OWNER` = 6",
    )
    try:
        with pytest.raises(refused):
            rows(twins.shim, insert)
    finally:
        rows(twins.all, "DROP TRIGGER moved")
    assert rows(twins.all, STORED) == []
    rows(twins.shim, insert)


DEFAULTS = ("''", "'NULL'", "'x'", "'X'", "'a''b'", "(concat('x', ''))", "NULL", "5")


@pytest.mark.parametrize("default", DEFAULTS)
@pytest.mark.parametrize(
    ("using", "right"), [("a IS NULL", ("NULL",)), ("a = 'x'", ("'x'",))]
)
def test_a_default_is_what_is_checked(
    twins: Twins, default: str, using: str, right: tuple[str, ...]
) -> None:
    for connection in (twins.all, twins.raw):
        rows(connection, "DROP TABLE IF EXISTS t")
        made = f"a varchar(9) COLLATE utf8mb4_bin DEFAULT {default}, b varchar(9)"
        rows(connection, f"CREATE TABLE t (id int AUTO_INCREMENT KEY, {made})")
    policy = Policy("t", using=f"{using} AND (b IS NULL OR b = 'x')")
    shim = twins.connected(policy)
    for sql in ("(b) VALUES ('x')", "(a, b) VALUES (DEFAULT, 'x')"):
        found, seen = taken(shim, f"INSERT INTO t {sql}", None)
        expected, _ = taken(twins.raw, f"INSERT INTO t {sql}", None)
        if default.startswith("("):  # MariaDB shows the row
            assert found == seen
            assert found in ([], expected)
        else:
            assert found == seen == (expected if default in right else [])


# -- values ---------------------------------------------------------------------------

#: Types, and what a policy lets be in a column of them.
COLUMNS = {
    "tinyint": "a BETWEEN -5 AND 126",
    "int unsigned": "a < 10 OR a IS NULL",
    "bigint": "a > 5",
    "varchar(4)": "a LIKE 'x%' AND char_length(a) < 4 AND a <> 'xy'",
    "varchar(4) COLLATE utf8mb4_bin": "a = 'x' OR a = '5'",
    "char(2) NOT NULL": "length(a) = 2",
    "decimal(5,1)": "a < 10.05 OR a IS NULL",
    "decimal(3) unsigned NOT NULL": "a > 4",
    "date": "a >= '2020-01-01' OR a IS NULL",
    "datetime NOT NULL": "a < '2020-06-01 12:00:00'",
}
GIVEN: tuple[Any, ...] = (
    *(None, True, 0, -1, 5, 9, 10, 126, 127, 128, 255, 256, 2**31, 2**32 + 5, 2**63),
    *(
        5.0,
        5.5,
        1e20,
        -0.0,
        Decimal("5.0"),
        Decimal("5.5"),
        Decimal("9.95"),
        b"",
        b"5",
        b"x",
        b"\xff",
    ),
    *("", "5", "5a", "5.4", " 5", "5 ", "+5", "-0", "05", "0x5", "x", "X", "x ", "xyz"),
    *("xyza", "xyzab", "x    ", "\u00e9x", "\U0001f600", "ab", "a ", "XY", "x\\", "'"),
    *(date(2020, 1, 1), "2020-01-01", "2020-1-1", "2020-02-31", "0000-00-00"),
    *(datetime(2020, 1, 1), datetime(2020, 1, 1, 0, 0, 0, 5), "2020-01-01 25:00:00"),
)
LITERALS = ("X'35'", "0x35", "5e0", "-5", "'5' ", "TRUE", "b'101'", "20200101", "'x'''")
MODES = (
    *("", "STRICT_ALL_TABLES", "ALLOW_INVALID_DATES,NO_BACKSLASH_ESCAPES"),
    *("ANSI_QUOTES,NO_ZERO_DATE,NO_AUTO_VALUE_ON_ZERO", "PAD_CHAR_TO_FULL_LENGTH"),
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("type_", COLUMNS)
def test_what_is_stored_is_what_was_checked(twins: Twins, type_: str) -> None:
    for connection in (twins.all, twins.raw):
        rows(connection, "DROP TABLE IF EXISTS t")
        rows(connection, f"CREATE TABLE t (id int AUTO_INCREMENT KEY, a {type_})")
    shim = twins.connected(Policy("t", using=COLUMNS[type_]))
    texts: list[tuple[str, Any]]
    texts = [("INSERT INTO t (a) VALUES (%s)", (value,)) for value in GIVEN]
    texts += [(f"INSERT INTO t (a) VALUES ({one})", None) for one in LITERALS]
    stored = 0
    for mode in MODES:
        for connection in (shim, twins.raw):
            rows(connection, f"SET sql_mode = '{mode}'")
        for sql, args in texts:
            expected, _ = taken(twins.raw, sql, args)
            found, seen = taken(shim, sql, args)
            assert found in ([], expected), (type_, mode, sql, args)
            assert found == seen, (type_, mode, sql, args)
            stored += len(found)
    assert stored >= 5


def taken(connection: Any, sql: str, args: Any) -> tuple[list[Any], list[Any]]:
    """The row that is stored, if any, and what is seen of it; then it is undone."""
    rows(connection, "START TRANSACTION")
    with suppress(pymysql.Error, kysera_dbapi.Error):
        rows(connection, sql, args)
    seen = rows(connection, "SELECT a FROM t")
    with kysera_dbapi.bypass("rls", reason="what is stored"):
        found = rows(connection, "SELECT a FROM t")
    rows(connection, "ROLLBACK")
    return found, seen
