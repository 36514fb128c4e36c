"""The shop with many tenants: policies hide rows of others, and some of one's own.

The full database holds all rows. The copy holds those that one tenant sees; its columns
of tenants have that tenant by default, and its triggers fail a statement that writes a
row outside of the policies. So both say what a database of filtered views WITH CHECK
OPTION would say.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import kysera_dbapi
from kysera_dbapi.plugins.rls import (
    Policy,
    RowLevelSecurity,
    filter_,
    tenant_isolation,
)
from tests.oracle.compare import Connection
from tests.oracle.draft import literal
from tests.oracle.schema import (
    KEYS,
    PROTECTED,
    TABLES,
    Row,
    Schema,
    Tables,
    Value,
    columns,
    pools,
)
from tests.oracle.world import GHOST, ROWS, VIOLATION, World, quoted, soft_delete

#: The column that holds the tenant of each table's rows.
BY_NUMBER = ("customers", "orders", "items", "products", "stock")
BY_NAME = ("categories", "prices", "tags", "Order Details", "settings")
TENANT = {**dict.fromkeys(BY_NUMBER, "tenant_id"), **dict.fromkeys(BY_NAME, "owner")}
ADDED = {table: column for table, column in TENANT.items() if table in TABLES}

#: What the tenant's context holds.
CONTEXT: Mapping[str, Any] = {
    "tenant_id": 7,
    "owner": "o'brien 100%",
    "limit": 200,
    "categories": [10, 11, 12, 13, 16, 18, 19],
    "titles": ["kept", "torn"],
}
#: That of another one.
OTHER: Mapping[str, Any] = {
    "tenant_id": 8,
    "owner": "o'brien 101%",
    "limit": 100,
    "categories": [],
    "titles": ["old"],
}
#: Tenants whose rows are not seen, and none at all.
_OTHERS: Mapping[str, tuple[Value, ...]] = {
    "tenant_id": (8, None, 70, -7),
    "owner": ("o'brien 101%", None, "O'BRIEN 100%", "ghost o'brien 100%", "7"),
}

#: What is asked of rows besides the tenant; {0} is for the relation and a dot.
CONDITIONS = {
    "orders": (
        "NOT EXISTS (SELECT 1 FROM customers c "
        "WHERE c.id = {0}customer_id AND c.credit > :limit)"
    ),
    "products": "{0}category_id IS NULL OR {0}category_id IN :categories",
    "archive": "{0}title IN :titles",
}

_MORE = """
CREATE TABLE stock (
    sku TEXT NOT NULL,
    tenant_id INTEGER NOT NULL {tenant_id},
    qty INTEGER,
    note TEXT,
    PRIMARY KEY (tenant_id, sku)
) WITHOUT ROWID;
CREATE TABLE settings (
    owner TEXT {owner},
    name TEXT,
    value TEXT,
    UNIQUE (owner, name)
);
"""
_TYPES = {"tenant_id": "INTEGER", "owner": "TEXT"}
_ROWS: Tables = {
    "stock": [
        ("bolt", 7, 3, "mine"),
        ("bolt", 8, 30, "ghost of 8"),
        ("gear", 7, None, "mine, too"),
        ("gear", 70, 5, "ghost of 70"),
        ("rim", 8, 12, "ghost rim"),
        ("nut", -7, 1, "ghost nut"),
        ("axle", 7, 12, None),
    ],
    "settings": [
        ("o'brien 100%", "theme", "dark"),
        ("o'brien 101%", "theme", "ghost light"),
        (None, "theme", "ghost of nobody"),
        ("o'brien 100%", "pages", "10"),
        ("O'BRIEN 100%", "pages", "ghost 50"),
        ("ghost o'brien 100%", "x y", "ghost"),
        ("o'brien 101%", "quota", "ghost 9"),
        ("o'brien 100%", "x y", None),
    ],
}


def _schema(
    rows: Tables, context: Mapping[str, Any], seen: Mapping[str, list[Row]]
) -> Schema:
    tables = dict(TABLES)
    for table, column in ADDED.items():
        domain = "tenant" if column == "tenant_id" else "owner"
        tables[table] = (*TABLES[table], *columns(f"{column}:{domain}"))
    tables["stock"] = columns("sku:label, tenant_id:tenant, qty:count, note:words")
    tables["settings"] = columns("owner:owner, name:label, value:words")
    tenants = {table: (column, context[column]) for table, column in TENANT.items()}
    readers = {"customers": frozenset({"orders"})}
    policed = frozenset({*TENANT, *CONDITIONS})
    return Schema(tables, pools(tables, rows), policed, tenants, seen, readers)


class Tenants(World):
    """Both databases, as a tenant with soft-deleted rows of its own has them."""

    more: ClassVar[str] = _MORE
    types: ClassVar[Mapping[str, str]] = _TYPES

    def __init__(self, context: Mapping[str, Any] = CONTEXT) -> None:
        self.context = context
        rows = {**_with_tenants(), **_ROWS}
        self._rows = rows
        self.schema = self.schema_of({})
        super().__init__()
        seen = {
            table: [_key(self.schema, table, row) for row in rows]
            for table, rows in self.shown().items()
        }
        self.schema = self.schema_of(seen)

    def shown(self) -> Tables:
        """The rows that the tenant sees."""
        return self.copy_before

    def schema_of(self, seen: Mapping[str, list[Row]]) -> Schema:
        return _schema(self._rows, self.context, seen)

    def fill(self, connection: Any) -> None:
        """Make the tables; those of the copy have the tenant by default."""
        mine = connection is self._copy
        defaults = {
            column: f"DEFAULT {literal(self.context[column])}" if mine else ""
            for column in self.types
        }
        self.script(connection, self.ddl + self.more.format(**defaults))
        for table, column in ADDED.items():
            self.execute(
                connection,
                f"ALTER TABLE {self.quoted(table)} ADD COLUMN {column} "
                f"{self.types[column]} {defaults[column]}",
            )
        self.insert(connection, self._rows)

    def visible(self, table: str) -> str:
        """What the policies ask, and that the row is not deleted."""
        live = [self.live(table)] if table in PROTECTED else []
        return " AND ".join([*live, *self.asked(table, self.quoted(table))])

    def guard(self, connection: Any) -> None:
        """Have triggers look at every row that is proposed or written."""
        for table in self.schema.protected:
            right = " AND ".join(self.asked(table, "NEW"))
            for event in ("BEFORE INSERT", "AFTER UPDATE"):
                connection.execute(
                    f"CREATE TRIGGER {quoted(f'{event} of {table}')} "
                    f"{event} ON {quoted(table)} WHEN ({right}) IS NOT TRUE "
                    f"BEGIN SELECT RAISE(ABORT, '{VIOLATION}'); END"
                )
        connection.commit()

    def asked(self, table: str, row: str) -> list[str]:
        """The conditions of a table's policies, with the context's values in them."""
        asked = [f"({CONDITIONS[table]})"] if table in CONDITIONS else []
        if table in TENANT:
            asked.append(f"{{0}}{TENANT[table]} = :{TENANT[table]}")
        return [
            re.sub(
                r":(\w+)", lambda m: _spelled(self.context[m[1]]), one.format(f"{row}.")
            )
            for one in asked
        ]


def security(*, functions: bool = True) -> RowLevelSecurity:
    """The plugin with the policies of this world.

    Without ``functions`` plans are found by the text alone.
    """

    def titles(context: Mapping[str, object]) -> Mapping[str, object]:
        return {"title": context["titles"]}

    policies = {
        table: Policy(table, using=condition.format(f"{table}."))
        for table, condition in CONDITIONS.items()
    }
    if functions:
        policies["archive"] = filter_("archive", titles)
    return RowLevelSecurity(
        tenant_isolation("tenant_id", BY_NUMBER),
        tenant_isolation("owner", BY_NAME),
        policies.values(),
    )


def as_tenant(full: Any) -> Connection:
    """The connection to all rows, as the tenant's programs have it."""
    with kysera_dbapi.context(**CONTEXT):
        made: Any = kysera_dbapi.wrap(full, plugins=[soft_delete(), security()])
    made.context = CONTEXT
    return cast(Connection, made)


def _with_tenants() -> Tables:
    """The rows of the shop, and beside them those of other tenants."""
    return {
        table: _of_tenants(table, rows) if table in TENANT else rows
        for table, rows in ROWS.items()
    }


def _of_tenants(table: str, rows: list[Row]) -> list[Row]:
    """The rows as those of the tenant, and with keys of their own as those of others.

    The keys of others are less than those of the tenant, and their rows come first, so
    that a key chosen by SQLite is the same in both databases.
    """
    mine, others = CONTEXT[TENANT[table]], _OTHERS[TENANT[table]]
    found: list[Row] = []
    for number, row in enumerate(rows):
        foreign = [
            _foreign(column.name == KEYS[table][-1], column.domain, value)
            for column, value in zip(TABLES[table], row, strict=True)
        ]
        found.append((*foreign, others[number % len(others)]))
    return [*found, *((*row, mine) for row in rows)]


def _foreign(key: bool, domain: str, value: Value) -> Value:
    if isinstance(value, int):
        return -value if key else value
    if value is not None and (key or domain in ("words", "label")):
        return f"{GHOST} {value}"
    return value


def _key(schema: Schema, table: str, row: Row) -> Row:
    names = [column.name for column in schema.tables[table]]
    return tuple(row[names.index(key)] for key in KEYS[table])


def _spelled(value: Any) -> str:
    if isinstance(value, list):
        return f"({', '.join(map(literal, cast('list[Value]', value)))})"
    return literal(value)
