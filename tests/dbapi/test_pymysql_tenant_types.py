"""Tenants in columns of every type, on MySQL and MariaDB.

Whatever is given, in whatever mode: a caller finds the rows of the very tenant, what
is written is his, and what is another's stays as it is; or it is refused.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pymysql
import pytest
from pymysql.cursors import Cursor

import kysera_dbapi
from kysera_dbapi.plugins import RowLevelSecurity, tenant_isolation
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import Server

A, B = UUID(int=7), UUID(int=8)
#: Of each type the caller, other tenants, and what no column of it holds as it is.
TYPES: dict[str, tuple[str, Any, tuple[Any, ...], tuple[Any, ...]]] = {
    "boolean": ("boolean", 1, (0,), (128, -129)),
    "int": ("int", 7, (0, 8), (2**31, -(2**31) - 1)),
    "unsigned": ("bigint unsigned", 7, (0, 2**64 - 1), (2**64, -1)),
    "bit": ("bit(4)", 7, (0, 15), (16, -1)),
    "year": ("year", 2007, (1970, 2000), (7, 70, 0, 1900, 2156)),
    "decimal": (
        "decimal(5,2)",
        Decimal("7.50"),
        (Decimal(0), Decimal("999.99"), 8),
        (Decimal("7.501"), 1000, -1000, Decimal("Infinity"), Decimal("1E30")),
    ),
    "varchar": ("varchar(4) COLLATE {exact}", "7a", ("7", "7A", "0", ""), ("abcde",)),
    "char": ("char(4) COLLATE {exact}", "7a", ("7", "7A", "0"), ("abcde", "7a ")),
    "enum": (
        "enum('7','2','x''y','1') COLLATE {exact}",
        "7",
        ("2", "x'y", "1"),
        ("3", "4", "", "0", "7 ", "x"),
    ),
    "set": (
        "set('7','2','1') COLLATE {exact}",
        "7",
        ("2", "1"),
        ("3", "7,2", "2,7", "7,7", "", "0", "7 "),
    ),
    "binary": (
        "binary(16)",
        A.bytes,
        (B.bytes, b"0" * 16),
        (b"", b"0" * 15, A.bytes + b"x", B.bytes[:15], str(A)),
    ),
    "varbinary": (
        "varbinary(4)",
        b"7a",
        (b"7", b"7A", b"7a ", b"7a\0", b"\xff"),
        (b"7a   ",),
    ),
    "date": ("date", date(2007, 7, 7), (date(2007, 7, 8),), (date(7, 7, 7),)),
    "uuid": ("uuid", A, (B,), ("x", str(A).replace("-", ""), str(A) + "x")),
}
#: What is no value of a type, but may be compared with it, or stored in it.
NEAR: tuple[Any, ...] = (
    *(0, 7, 7.0, True, "0", "7", "7abc", "x", b"7", Decimal(7), A),
    *(date(2007, 7, 7), datetime(2007, 7, 7, 1)),
)
TABLE = """CREATE TABLE {name} (
    id int NOT NULL, tenant {type} NOT NULL DEFAULT {tenant}, body varchar(9),
    PRIMARY KEY (tenant, id))"""
#: How a query spells the tenant of a row, where its bytes are no text of it.
OWN = {"bit": "tenant + 0", "uuid": "concat(tenant)"}
SEEN = "SELECT id, tenant, body FROM {} ORDER BY id"


class Short(Cursor):
    """One whose ``executemany`` sends a few rows at once."""

    max_stmt_length = 100


class Place:
    """The tables of all types, through the shim and raw: nothing is committed."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.server = Server(url, stack)
        self.types = TYPES if self.server.mariadb else {**TYPES}
        if not self.server.mariadb:
            del self.types["uuid"]
        for name, (type_, tenant, others, _) in self.types.items():
            self._make(name, type_, tenant, others)
        kept = [f"kept_{name}" for name in self.types]
        self.shim = isolated(self.server, stack, *kept)
        self.raw = self.server.connect(autocommit=False)

    def _make(self, name: str, type_: str, tenant: Any, others: Any) -> None:
        """Rows 1 and 2 of the caller, one of each other tenant, and a copy without."""
        exact = "utf8mb4_nopad_bin" if self.server.mariadb else "utf8mb4_0900_bin"
        said = {
            "type": type_.format(exact=exact),
            "tenant": self.server.raw.escape(tenant),
        }
        ours = [(id_, tenant, "ours") for id_ in (1, 2)]
        ghosts = [(id_, one, "GHOST") for id_, one in enumerate(others, 101)]
        for table, given in (("kept", [*ours, *ghosts]), ("copied", ours)):
            self.server.run(TABLE.format(name=f"{table}_{name}", **said))
            with self.server.raw.cursor() as cursor:
                insert = f"INSERT INTO {table}_{name} VALUES (%s, %s, %s)"
                cursor.executemany(insert, given)


@dataclass
class Typed:
    """The table of one type, and the copy of the caller's rows."""

    place: Place
    name: str

    def __post_init__(self) -> None:
        self.shim, self.raw = self.place.shim, self.place.raw
        _, self.tenant, self.others, self.wrong = TYPES[self.name]
        #: As the driver shows it.
        self.shown = self.stored("copied")[0][1]

    def text(self, sql: str, table: str = "kept") -> str:
        """A statement about a table of this type."""
        said = sql.replace("OWN", OWN.get(self.name, "tenant"))
        return said.replace("{}", f"{table}_{self.name}")

    def stored(self, table: str = "kept") -> list[Any]:
        """All rows, as they are."""
        return rows(self.shim.unwrap(), self.text(SEEN, table))

    def hidden(self) -> list[Any]:
        """Those of others."""
        return [row for row in self.stored() if row[1] != self.shown]

    def undo(self) -> None:
        """Have all rows be as they were."""
        self.shim.rollback()
        self.raw.rollback()


@pytest.fixture(scope="module")
def place(mysql_shared_url: str) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(mysql_shared_url, stack)


@pytest.fixture(params=["", "STRICT_ALL_TABLES"])
def mode(request: pytest.FixtureRequest, place: Place) -> None:
    for connection in (place.shim, place.raw):
        rows(connection, f"SET sql_mode = '{request.param}'")


@pytest.fixture(params=TYPES)
def typed(request: pytest.FixtureRequest, place: Place, mode: None) -> Iterator[Typed]:
    """In a mode; nothing of what is written stays."""
    if request.param not in place.types:
        pytest.skip("MySQL has no such type")
    made = Typed(place, request.param)
    with kysera_dbapi.context(tenant=made.tenant):
        yield made
    made.undo()


def isolated(server: Server, stack: ExitStack, *tables: str) -> Any:
    plugins = [RowLevelSecurity(tenant_isolation("tenant", tables))]
    made = kysera_dbapi.connect(server.url, plugins=plugins)
    stack.callback(made.close)
    return made


def outcome(connection: Any, sql: str, args: Any) -> Any:
    """The rows and the count of a statement, or the number of its error."""
    try:
        with connection.cursor(Short) as cursor:
            many = isinstance(args, list)
            cursor.executemany(sql, args) if many else cursor.execute(sql, args)
            return cursor.rowcount, cursor.fetchall()
    except pymysql.Error as error:
        return error.args[0]


# -- the caller's own -----------------------------------------------------------------

UPSERT = (
    "INSERT INTO {} (id, tenant) VALUES (%s, %s) ON DUPLICATE KEY UPDATE body = 'x'"
)
#: OURS stands for the tenant, OWN for its column.
STATEMENTS: tuple[tuple[str, Any], ...] = (
    ("SELECT id, body FROM {} WHERE tenant = %s OR id > 2 ORDER BY id", ("OURS",)),
    ("INSERT INTO {} (id, body) VALUES (1, 'dup')", None),
    ("INSERT INTO {} (id, body) VALUES (%s, 'x')", [(n,) for n in range(9, 30)]),
    (
        "INSERT INTO {} (id, tenant) VALUES (%s, %s)",
        [(n, "OURS") for n in range(9, 30)],
    ),
    ("INSERT IGNORE INTO {} (id, tenant) VALUES (1, %s), (101, %s)", ("OURS", "OURS")),
    ("INSERT INTO {} (id, body) SELECT id + 10, body FROM {} ORDER BY 1", None),
    ("INSERT INTO {} (id, tenant) SELECT id + 10, OWN FROM {} ORDER BY 1", None),
    ("REPLACE INTO {} (id, body) VALUES (1, 'put'), (101, 'new')", None),
    (UPSERT, (1, "OURS")),
    (UPSERT, [(n, "OURS") for n in (*range(1, 20), 101)]),
    ("UPDATE {} SET tenant = %s", ("OURS",)),
    ("UPDATE {} SET tenant = tenant, id = id + 5 ORDER BY id DESC", None),
    ("DELETE FROM {} WHERE tenant = %s OR 1 LIMIT 1", ("OURS",)),
)


def test_the_caller_s_rows_are_as_if_there_were_no_others(typed: Typed) -> None:
    hidden = typed.hidden()
    for sql, args in STATEMENTS:
        given = replaced(args, typed.tenant)
        found = outcome(typed.shim, typed.text(sql), given)
        assert found == outcome(typed.raw, typed.text(sql, "copied"), given), sql
        assert typed.hidden() == hidden, sql
        seen = rows(typed.shim, typed.text(SEEN))
        assert seen == rows(typed.raw, typed.text(SEEN, "copied")), sql
        typed.undo()


def replaced(args: Any, tenant: Any) -> Any:
    if args and isinstance(args[0], tuple):
        return [replaced(row, tenant) for row in args]
    return args and tuple(tenant if one == "OURS" else one for one in args)


# -- what is given for the tenant ----------------------------------------------------

GIVEN = (
    "INSERT INTO {} (id, tenant) VALUES (50, %s)",
    "INSERT IGNORE INTO {} (id, tenant) VALUES (50, %s), (51, %s)",
    "INSERT INTO {} (id, tenant) SELECT 50, %s",
    UPSERT.replace("%s", "101", 1),
    "UPDATE {} SET tenant = %s",
)
OTHERS = (
    "REPLACE INTO {} (id, tenant) VALUES (101, %s)",
    "UPDATE IGNORE {} SET tenant = %s",
)


def test_a_row_is_written_for_no_other(typed: Typed) -> None:
    hidden, before = typed.hidden(), typed.stored()
    for given in (*typed.others, *typed.wrong, *NEAR, None):
        for sql in (*GIVEN, *OTHERS) if given in typed.others else GIVEN:
            args = (given,) * sql.count("%s")
            for many in (args, [args, args]) if sql is GIVEN[0] else (args,):
                found = outcome(typed.shim, typed.text(sql), many)
                assert typed.hidden() == hidden, (sql, many)
                if given in typed.others:
                    assert not isinstance(found, tuple), (sql, many)
                if isinstance(found, tuple):
                    typed.undo()
                assert typed.stored() == before, (sql, many)


# -- who the caller is ---------------------------------------------------------------


NEW = (
    "INSERT INTO {} (id) VALUES (50)",
    "INSERT IGNORE INTO {} (id) VALUES (51), (52)",
    "INSERT INTO {} (id, tenant) VALUES (53, %s)",
)


def test_a_tenant_is_the_very_one_or_refused(typed: Typed) -> None:
    before = typed.stored()
    for tenant in (*typed.others, *typed.wrong, *NEAR):
        with kysera_dbapi.context(tenant=tenant):
            given = [(sql, (tenant,) if "%s" in sql else None) for sql in NEW]
            if isinstance(outcome(typed.shim, typed.text(SEEN), None), str):
                assert tenant not in typed.others
                for sql, args in given:
                    with pytest.raises(kysera_dbapi.ConfigurationError) as error:
                        rows(typed.shim, typed.text(sql), args)
                    assert error.value.code == "context-value"
                continue
            assert tenant not in typed.wrong
            found, same = rows(typed.shim, typed.text(SEEN)), as_stored(tenant, typed)
            assert found == [row for row in before if row[1] == same], tenant
            for sql, args in given:
                rows(typed.shim, typed.text(sql), args)
            new = [row[1] for row in typed.stored() if 50 <= row[0] < 60]
            assert new == [same] * 4, tenant
        typed.undo()
    assert typed.stored() == before


def as_stored(tenant: Any, typed: Typed) -> Any:
    """A tenant as the driver shows it."""
    raw = isinstance(typed.shown, bytes)
    if raw and isinstance(tenant, int):
        return bytes([tenant])
    if raw and isinstance(tenant, str):
        return tenant.encode()
    return str(tenant) if isinstance(tenant, UUID) else tenant


class Tenant(int, Enum):
    """Numbers with names, which PyMySQL would send."""

    OURS = 7


def test_a_number_with_a_name_is_the_number(place: Place) -> None:
    typed = Typed(place, "int")
    with kysera_dbapi.context(tenant=Tenant.OURS):
        rows(place.shim, typed.text("INSERT INTO {} (id) VALUES (50)"))
        found = rows(place.shim, typed.text(SEEN))
    typed.undo()
    assert found == [(1, 7, "ours"), (2, 7, "ours"), (50, 7, None)]


REFUSED = (
    *(
        "float",
        "double",
        "float(7,4)",
        "datetime",
        "timestamp",
        "time",
        "json",
        "point",
    ),
    *("inet6", "varchar(9) COLLATE utf8mb4_bin", "text COLLATE utf8mb4_general_ci"),
    *("enum('a') COLLATE utf8mb4_general_ci", "set('a') COLLATE utf8mb4_bin"),
)


def test_a_type_that_takes_others_for_equal_is_refused(place: Place) -> None:
    server = place.server
    for type_ in REFUSED if server.mariadb else set(REFUSED) - {"inet6"}:
        server.run(f"CREATE TABLE loose (id int PRIMARY KEY, tenant {type_} NOT NULL)")
        with ExitStack() as stack:
            with pytest.raises(kysera_dbapi.ConfigurationError) as error:
                isolated(server, stack, "loose")
            assert error.value.code == "policy"
            assert type_.partition("COLLATE ")[2] in str(error.value)
        server.run("DROP TABLE loose")
