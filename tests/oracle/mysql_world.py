"""The worlds on MySQL and MariaDB: a database of all rows, and one of those seen."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from threading import Timer
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pymysql

from tests.dialects.mysql_server import arguments
from tests.oracle.draft import Statement
from tests.oracle.language import Language
from tests.oracle.mysql_draft import MySQLDraft
from tests.oracle.mysql_selects import MariaDBSelects, MySQLSelects
from tests.oracle.mysql_writes import (
    MariaDBTenantWrites,
    MariaDBWrites,
    MySQLTenantWrites,
    MySQLWrites,
)
from tests.oracle.schema import Columns, Row, Schema, Tables
from tests.oracle.tenants import Tenants
from tests.oracle.world import SHOP, VIOLATION, World, is_violation

MYSQL = Language(MySQLDraft, MySQLSelects, MySQLWrites, MySQLTenantWrites, limits=True)
MARIADB = Language(
    MySQLDraft, MariaDBSelects, MariaDBWrites, MariaDBTenantWrites, limits=True
)
_LONG = 1.0  # what takes so many seconds is ended
_SLOW = 0.5  # seconds: what takes longer is not kept, it is to be executed twice more

SCHEMA = """
CREATE TABLE customers (
    id INTEGER PRIMARY KEY DEFAULT 900000,
    name VARCHAR(400) NOT NULL,
    email VARCHAR(200) UNIQUE,
    country_code VARCHAR(200),
    credit BIGINT CHECK (credit IS NULL OR credit >= 0),
    deleted_at DATETIME,
    KEY customers_country (country_code)
);
CREATE TABLE orders (
    id BIGINT PRIMARY KEY DEFAULT 900000,
    customer_id BIGINT,
    status VARCHAR(200) COLLATE utf8mb4_general_ci DEFAULT 'new',
    total BIGINT,
    comment TEXT,
    deleted_at TIMESTAMP NULL,
    KEY orders_customer (customer_id)
);
CREATE TABLE items (
    order_id BIGINT NOT NULL,
    line BIGINT NOT NULL,
    product_id BIGINT,
    qty BIGINT DEFAULT 1,
    item_note TEXT,
    deleted_at DATETIME(6),
    PRIMARY KEY (order_id, line)
);
CREATE TABLE products (
    product_id BIGINT PRIMARY KEY DEFAULT 900000,
    title TEXT,
    price BIGINT,
    category_id BIGINT,
    is_deleted BOOLEAN NOT NULL DEFAULT false
);
CREATE TABLE categories (
    id BIGINT PRIMARY KEY DEFAULT 900000,
    parent_id BIGINT,
    label VARCHAR(400) DEFAULT 'unnamed',
    deleted_at DATETIME
);
CREATE TABLE prices (
    product_id BIGINT,
    region VARCHAR(100),
    amount DECIMAL(30, 0),
    label VARCHAR(400),
    deleted_at DATETIME,
    PRIMARY KEY (product_id, region)
) PARTITION BY KEY (product_id) PARTITIONS 2;
CREATE TABLE tags (
    tag VARCHAR(100) COLLATE utf8mb4_general_ci PRIMARY KEY,
    gone TINYINT NOT NULL DEFAULT 0
);
CREATE TABLE `Order Details` (
    detail_id BIGINT PRIMARY KEY DEFAULT 900000,
    order_id BIGINT,
    `Unit Price` BIGINT,
    `select` TEXT,
    removed_on DATE
);
CREATE TABLE countries (
    country_code VARCHAR(200) PRIMARY KEY,
    country_name VARCHAR(400),
    region VARCHAR(400)
);
CREATE TABLE archive (
    id BIGINT PRIMARY KEY DEFAULT 900000,
    order_id BIGINT,
    title VARCHAR(400),
    deleted_at DATETIME
) PARTITION BY HASH (id) PARTITIONS 2;
CREATE TABLE log (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    message VARCHAR(400),
    entity_id BIGINT
);
CREATE TABLE flagged (order_id BIGINT PRIMARY KEY);
CREATE VIEW regions AS
    SELECT region, count(*) AS members FROM countries GROUP BY region;
"""


def typed(schema: Schema, place: str) -> Schema:
    """The schema with the types of MySQL, in a database of that name."""
    tables: dict[str, Columns] = {
        table: tuple(
            type(c)(c.name, "moment" if c.domain == "time" else c.domain) for c in found
        )
        for table, found in schema.tables.items()
    }
    pools = dict(schema.pools)
    pools["moment"] = ["2020-02-02 00:00:00", "2021-03-03 12:00:00"]
    return replace(schema, tables=tables, pools=pools, place=place)


class MySQLWorld(World):
    """The shop; nothing is ever committed but the rows that it starts with."""

    schema = SHOP
    language = MYSQL
    ddl: ClassVar[str] = SCHEMA
    slot: ClassVar[str] = "%s"

    def __init__(self, urls: Sequence[str], **more: Any) -> None:
        self._urls = urls
        self.place = urlsplit(urls[0]).path[1:]
        self.schema = typed(self.schema, self.place)
        super().__init__(**more)

    def open(self) -> None:
        self.full, self.copy, self.views = map(self._connect, self._urls)
        self._full, self._copy = self.full, self.copy
        for connection in (self.full, self.copy, self.views):
            self.fill(connection)
        self.options = set()

    def _connect(self, url: str) -> Any:
        place, mine = self.place, urlsplit(url).path[1:]

        class Here(pymysql.cursors.Cursor):
            """A cursor whose texts name the database of this connection.

            Columns are called by their texts: those name the first one again.
            """

            def __setattr__(self, name: str, value: Any) -> None:
                if name == "description" and value:
                    value = tuple((c[0].replace(mine, place), *c[1:]) for c in value)
                super().__setattr__(name, value)

            def execute(self, query: Any, args: Any = None) -> int:
                if isinstance(query, str):
                    query = query.replace(place, mine)
                return super().execute(query, args)

            def executemany(self, query: str, args: Any) -> int | None:
                return super().executemany(query.replace(place, mine), args)

        how: dict[str, Any] = arguments(url)
        # for what a server plans without end, or hangs in
        how |= {"autocommit": False, "read_timeout": 60}
        made: Any = pymysql.connect(**how)
        if mine != place:
            made.cursorclass = Here
        mariadb = "MariaDB" in made.get_server_info()
        self.language = MARIADB if mariadb else MYSQL
        exact = "utf8mb4_nopad_bin" if mariadb else "utf8mb4_0900_bin"
        self.execute(made, f"SET NAMES utf8mb4 COLLATE {exact}")
        self.execute(made, f"ALTER DATABASE COLLATE {exact}")
        limit = "max_statement_time = 20" if mariadb else "max_execution_time = 20000"
        self.execute(made, f"SET SESSION {limit}")
        self.execute(made, "SET SESSION time_zone = '+00:00'")
        return made

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def execute(self, connection: Any, text: str) -> Any:
        cursor = connection.cursor()
        cursor.execute(text)
        return cursor

    def script(self, connection: Any, text: str) -> None:
        for statement in filter(str.strip, text.split(";\n")):
            self.execute(connection, statement)

    def live(self, table: str) -> str:
        return super().live(table)

    def contents(self, connection: Any) -> Tables:
        return super().contents(connection)

    def reset(self) -> None:
        self._reset(self.full)
        self.reset_copy()

    def reset_copy(self) -> None:
        self._reset(self.copy)

    def _reset(self, connection: Any) -> None:
        """A key that the server is to choose is one that nothing has taken."""
        connection.rollback()
        self.execute(connection, "SET SESSION insert_id = 900000")

    def close(self) -> None:
        for connection in (self.full, self.copy, self.views):
            connection.close()

    def _kill(self, thread: int) -> None:
        """End what a connection does; MySQL has no limit but for queries."""
        with closing(pymysql.connect(**arguments(self._urls[0]))) as other:
            self.execute(other, f"KILL QUERY {thread}")

    def attempt(
        self, connection: Any, statement: Statement
    ) -> tuple[Sequence[Row], int] | None:
        timer = Timer(_LONG, self._kill, (connection.thread_id(),))
        timer.start()
        start = time.monotonic()
        try:
            cursor = connection.cursor()
            statement.run(cursor)
            rows: list[Any] = list(cursor.fetchall()) if cursor.description else []
            if time.monotonic() - start > _SLOW:
                return None
            return sorted(rows, key=repr), cursor.rowcount
        except pymysql.Error as error:
            return ([(VIOLATION,)], -1) if is_violation(error) else None
        finally:
            timer.cancel()
            timer.join()
            if time.monotonic() - start > _LONG:
                with suppress(pymysql.Error):  # which may be what was ended
                    connection.rollback()
            connection.rollback()

    @contextmanager
    def texts(self) -> Generator[list[str], None, None]:
        """Nothing tells them."""
        yield []


class MySQLTenants(MySQLWorld, Tenants):
    """The shop with many tenants."""

    more: ClassVar[str] = Tenants.more.replace("WITHOUT ROWID", "").replace(
        "TEXT", "VARCHAR(100)"
    )
    types: ClassVar[Mapping[str, str]] = {
        "tenant_id": "INTEGER",
        "owner": "VARCHAR(100)",
    }

    def schema_of(self, seen: Mapping[str, list[Row]]) -> Schema:
        return typed(super().schema_of(seen), self.place)

    def guard(self, connection: Any) -> None:
        for table in self.schema.protected:
            right = " AND ".join(self.asked(table, "NEW"))
            for event in ("BEFORE INSERT", "AFTER UPDATE"):
                self.execute(
                    connection,
                    f"CREATE TRIGGER {self.quoted(f'{event} of {table}')} "
                    f"{event} ON {self.quoted(table)} FOR EACH ROW "
                    f"IF ({right}) IS NOT TRUE THEN SIGNAL SQLSTATE '45000' "
                    f"SET MESSAGE_TEXT = '{VIOLATION}'; END IF",
                )
        connection.commit()
