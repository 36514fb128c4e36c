"""The databases of one tenant on MySQL or MariaDB: all rows, and the filtered copy."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pymysql

from tests.dialects.mysql_server import arguments
from tests.mysql_user import seeing
from tests.oracle.bypass.tenants import OTHERS, PROTECTED, ROWS, Tenants, typed
from tests.servers import run

__all__ = ["MySQL", "answer", "databases"]

SCHEMA = """
CREATE TABLE customers (
    id int PRIMARY KEY,
    tenant_id int NOT NULL,
    name varchar(100),
    email varchar(100),
    credit int CHECK (credit IS NULL OR credit >= 0),
    deleted_at datetime,
    UNIQUE KEY customers_email (tenant_id, email)
);
CREATE TABLE orders (
    id int AUTO_INCREMENT PRIMARY KEY,
    tenant_id int,
    customer_id int,
    status varchar(100),
    total int,
    deleted_at datetime
);
CREATE INDEX orders_total ON orders (total);
CREATE TABLE notes (
    id int AUTO_INCREMENT PRIMARY KEY,
    order_id int,
    body varchar(100)
);
CREATE TABLE prices (
    tenant_id int NOT NULL,
    sku varchar(100) NOT NULL,
    amount int,
    deleted_at datetime,
    PRIMARY KEY (tenant_id, sku)
) PARTITION BY LIST (tenant_id) (
    PARTITION of_7 VALUES IN (7), PARTITION of_others VALUES IN (3, 8, 9)
);
CREATE TABLE countries (code varchar(10) PRIMARY KEY, country varchar(100));
CREATE TABLE log (
    id int AUTO_INCREMENT PRIMARY KEY, message varchar(2000), tenant_id int
);
CREATE TABLE events (id int, what varchar(100));
CREATE TRIGGER events_hit AFTER INSERT ON events FOR EACH ROW
    UPDATE orders SET status = NEW.what;
CREATE VIEW all_orders AS SELECT * FROM orders;
CREATE SQL SECURITY INVOKER VIEW of_caller AS SELECT * FROM orders;
CREATE ALGORITHM = TEMPTABLE VIEW words AS SELECT id, body FROM notes;
CREATE VIEW all_countries AS SELECT * FROM countries;
CREATE VIEW all_log AS SELECT * FROM log;
CREATE VIEW old_events AS SELECT * FROM events;
CREATE FUNCTION secret() RETURNS text READS SQL DATA
    RETURN (SELECT group_concat(status) FROM orders);
CREATE FUNCTION twice(n int) RETURNS int DETERMINISTIC RETURN n * 2;
CREATE FUNCTION wiped(n int) RETURNS int MODIFIES SQL DATA
    BEGIN DELETE FROM orders\\; RETURN 1\\; END;
CREATE PROCEDURE told() SELECT status FROM orders;
"""
#: What makes the objects above go away, in an order that no foreign key minds.
_KINDS = {"BASE TABLE": "TABLE", "VIEW": "VIEW"}
#: The column of SHOW TABLES, cut where it is too long.
_NAMED = re.compile(r"(?<=^Tables_in_).*", re.DOTALL)
_MARKS = re.compile(r"/\*M?!\d*|\*/|\s")
#: A key that the server is to choose: none of the rows has it, in either database.
_FIRST = 500
#: What begins a statement that the server takes back by ROLLBACK.
_UNDONE = ("select", "insert", "update", "delete", "replace", "with", "values", "(")


class MySQL(Tenants):
    """Both in databases of their own; what a block does is undone at its end."""

    def __init__(
        self, urls: tuple[str, str], client_flag: int = 0, **options: Any
    ) -> None:
        self._urls = iter(urls)
        self._flag = client_flag
        self.names = [urlsplit(url).path[1:] for url in urls]
        super().__init__(**options)
        raws = (self.full, self.copy)
        self.states = [self.state(raw) for raw in raws]
        for raw in raws:
            raw.commit()

    def filled(self) -> Any:
        """A connection to a database with all rows."""
        how: dict[str, Any] = arguments(next(self._urls))
        how |= {"autocommit": False, "read_timeout": 60, "client_flag": self._flag}
        made: Any = pymysql.connect(**how)
        self.mariadb = "MariaDB" in made.get_server_info()
        self.define(made)
        return made

    def define(self, connection: Any) -> None:
        """Make the tables, and put all rows into them."""
        for name in ("secret", "twice", "wiped"):
            self.run(connection, f"DROP FUNCTION IF EXISTS {name}")
        self.run(connection, "DROP PROCEDURE IF EXISTS told")
        for statement in SCHEMA.replace("\\;", "\0").split(";\n"):
            if statement.strip():
                self.run(connection, statement.replace("\0", ";"))
        for table, rows in ROWS.items():
            slots = ", ".join(["%s"] * len(rows[0]))
            insert = f"INSERT INTO {table} VALUES ({slots})"
            connection.cursor().executemany(insert, rows)
        connection.commit()

    def refilled(self, copy: Any) -> None:
        """Nothing keeps rows of others."""
        copy.commit()

    def run(self, connection: Any, sql: str) -> Any:
        """The rows of a statement of the tests' own."""
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else ()

    def texts(self, sql: str) -> tuple[str, str]:
        """A text for the one database and for the other; ``DB.`` is its name."""
        full, copy = (sql.replace("DB.", f"{name}.") for name in self.names)
        return full, copy

    def same(self, got: tuple[Any, ...], due: tuple[Any, ...]) -> bool:
        """Whether both gave the same, but for the names of their databases."""
        ours, theirs = map(_plain, (got, due), self.names)
        return ours == theirs

    def rewind(self) -> None:
        """Have both give the same new keys to the next rows."""
        for raw in (self.full, self.copy):
            self.run(raw, f"SET SESSION insert_id = {_FIRST}")

    @contextmanager
    def undone(self, sql: str = "") -> Iterator[None]:
        """A block of which nothing is left, and in which new keys are the same."""
        self.rewind()
        try:
            yield
        finally:
            self.undo(sql)

    def undo(self, sql: str) -> None:
        """Take back what a text may have done, the server's own commits included.

        Without one there is nothing that ROLLBACK would not take back: it was refused,
        or has failed.
        """
        if sql and (not sql.lstrip().lower().startswith(_UNDONE) or ";" in sql):
            self.restore()
        for raw in (self.full, self.copy):
            raw.rollback()

    def restore(self) -> None:
        """New sessions; and the databases as they were, if they are not."""
        for raw in (self.full, self.copy):
            raw.close()  # connect() would leave it open
        self.shim.connect()
        self.copy.connect()
        for raw in (self.full, self.copy):
            self.run(raw, "DROP TABLE IF EXISTS kept")
        changed = self.changed()
        for raw in changed:
            self.redefine(raw)
        if changed:
            self.shim.refresh()

    def changed(self) -> list[Any]:
        """Those whose definitions or rows are not as they were."""
        both = zip((self.full, self.copy), self.states, strict=True)
        return [raw for raw, state in both if self.state(raw) != state]

    def redefine(self, connection: Any) -> None:
        """Make a database anew."""
        for name, kind in self.run(connection, "SHOW FULL TABLES"):
            self.run(connection, f"DROP {_KINDS.get(kind, 'TABLE')} `{name}`")
        self.define(connection)
        if connection is self.copy:
            self.thin_out(connection)
            connection.commit()

    def state(self, connection: Any) -> list[Any]:
        """Definitions and rows."""
        queries = ["SHOW FULL TABLES", "SHOW TRIGGERS", "SHOW INDEX FROM orders"]
        queries += [f"SELECT * FROM {table}" for table in (*PROTECTED, *OTHERS)]
        found: list[Any] = []
        for query in queries:
            try:
                rows = self.run(connection, query)
            except pymysql.Error as error:
                found.append(error.args[0])
            else:
                cut = 5 if query.startswith("SHOW") else None  # times and counts
                found.append(Counter(row[:cut] for row in rows))
        return found


def _called(name: str, database: str) -> str:
    """A column's name; what an executable comment is to the server is not compared."""
    return _MARKS.sub("", _NAMED.sub("DB", name).replace(database, "DB"))


def _plain(results: tuple[Any, ...], database: str) -> list[Any]:
    """Results as of a database of any name; errors by class."""
    return [
        type(one)
        if isinstance(one, Exception)
        else (
            [_called(name, database) for name in one[0]],
            _without(one[1], f"{database}."),
            *one[2:],
        )
        for one in results
    ]


def _without(rows: Counter[Any], prefix: str) -> Counter[Any]:
    """Rows, the names in them as in that database: CHECKSUM TABLE writes it out."""
    return Counter(
        {
            tuple((t, v.removeprefix(prefix) if t == "str" else v) for t, v in row): n
            for row, n in rows.items()
        }
    )


@contextmanager
def databases(url: str) -> Iterator[tuple[str, str]]:
    """The URLs of the database and of one more, for one who sees them alone."""
    parts = urlsplit(url)
    name = f"{parts.path[1:]}_copy"
    run(url, [f"CREATE DATABASE {name} CHARACTER SET utf8mb4"])
    try:
        with seeing([url, parts._replace(path=f"/{name}").geturl()]) as (full, copy):
            yield full, copy
    finally:
        run(url, [f"DROP DATABASE {name}"])


def answer(connection: Any, sql: str) -> tuple[Any, ...]:
    """The names, rows and count of every result of a text; or its error."""
    results: list[Any] = []
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            more: Any = True
            while more:
                rows: list[Any] = list(cursor.fetchall()) if cursor.description else []
                names = [column[0] for column in cursor.description or ()]
                results.append((names, typed(rows), cursor.rowcount))
                more = cursor.nextset()
    except pymysql.Error as error:
        return (error,)
    return tuple(results)
