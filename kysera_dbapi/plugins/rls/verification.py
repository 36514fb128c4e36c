"""What tenants need of a database besides policies: indexes, keys that hold them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from kysera_dbapi.catalogue import folded, spelled
from kysera_dbapi.finding import Finding

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Column, ForeignKey, Table, UniqueKey
    from kysera_dbapi.plugin import Host
    from kysera_dbapi.plugins.rls.policy import Policy

__all__ = ["findings", "holds_tenant"]


def findings(host: "Host", policies: dict[str, list["Policy"]]) -> list[Finding]:
    """What is wrong; ``policies`` has those of each table, by the tables' keys."""
    found: list[Finding] = []
    forced = {
        key: {folded(p.forced[0]): p.forced[1] for p in own if p.forced}
        for key, own in policies.items()
    }
    for key, columns in forced.items():
        table = host.catalogue.tables[key]
        if table.is_view:
            continue
        for column in columns:
            found += _index(host, table, column)
        if columns:
            for unique in table.unique_keys:
                found += _unique(host, table, unique, list(columns))
    for one in host.catalogue.foreign_keys:
        found += _foreign_key(host, one, policies, forced)
    tenants = {column for columns in forced.values() for column in columns}
    for table in host.catalogue.of_kind("table"):
        found += _unlisted(table, policies, tenants)
    return found


def _index(host: "Host", table: "Table", column: str) -> Iterator[Finding]:
    """Each statement looks for the tenant: without an index it reads all rows."""
    dialect = host.dialect
    indexes = dialect.indexes(host.execute, table)
    starts = [columns[:1] for _, columns in indexes] + [table.primary_key[:1]]
    if any(folded(name) == column for start in starts for name in start):
        return
    taken = {folded(name) for name, _ in indexes}
    name = f"{table.name}_{column}"
    while folded(name) in taken:
        name += "_"
    yield Finding(
        table.key,
        "tenant-index",
        f"no index starts with {column}, which every statement looks for",
        dialect.create_index(table, name, (column,)),
    )


def _unique(
    host: "Host", table: "Table", key: "UniqueKey", tenants: Sequence[str]
) -> Iterator[Finding]:
    """Tenants cannot have equal values, and learn of each other's by the error."""
    if any(table.is_held(tenant, key) for tenant in tenants):
        return
    shown = ", ".join(key.columns) if all(key.columns) else "an expression"
    problem = f"the unique key of {shown} ignores {tenants[0]}: a tenant learns of "
    problem += "another's values when its own are refused"
    ddl = ""
    if key.text:
        quote = host.dialect.quote
        at = key.words.index("(") + 1
        words = (*key.words[:at], quote(tenants[0]), ",", *key.words[at:])
        name = f"{quote(table.schema)}.{quote(key.name)}"
        new = host.dialect.index_name(table, key.name)
        ddl = f"DROP INDEX {name}; {spelled(_qualified(words, new))}"
    else:
        problem += f"; make the table anew with UNIQUE ({tenants[0]}, {shown})"
    yield Finding(table.key, "unique-ignores-tenant", problem, ddl)


def _qualified(words: Sequence[str], name: str) -> list[str]:
    """The words of CREATE INDEX, with what the index is to be called there."""
    upper = [word.upper() for word in words]
    return ["CREATE", "UNIQUE", "INDEX", name, *words[upper.index("ON") :]]


def _foreign_key(
    host: "Host",
    key: "ForeignKey",
    policies: dict[str, list["Policy"]],
    forced: dict[str, dict[str, str]],
) -> Iterator[Finding]:
    """A foreign key looks at all rows, whoever they belong to."""
    parent = host.catalogue.tables.get(key.parent)
    if parent is None or key.parent not in policies:
        return
    above, below = forced[key.parent], forced.get(key.child, {})
    child = host.catalogue.tables[key.child]
    if holds_tenant(key, (child, below), (parent, above)):
        return
    own = next(iter(below), next(iter(above), "what tells its rows apart"))
    columns = ", ".join(key.columns)
    yield Finding(
        key.child,
        "foreign-key-crosses-tenants",
        f"({columns}) can refer to a row of {key.parent} that the caller does not see; "
        f"make the table anew with {own} in the foreign key, and in the key that it "
        "refers to",
    )


def holds_tenant(
    key: "ForeignKey",
    child: "tuple[Table, Mapping[str, str]]",
    parent: "tuple[Table, Mapping[str, str]]",
) -> bool:
    """Whether a foreign key joins rows of one tenant alone.

    The tables come with the columns that hold tenants, and their values' names.
    """
    (own, below), (other, above) = child, parent
    to = key.parent_columns or other.primary_key
    return any(
        folded(c) in below
        and below[folded(c)] == above.get(folded(p))
        and _joins_equals(own.column(c), other.column(p))
        for c, p in zip(key.columns, to, strict=False)
    )


def _joins_equals(child: "Column | None", parent: "Column | None") -> bool:
    """Values are compared as the parent's column compares them."""
    if child is None or parent is None:
        return False
    return parent.collation in ("", child.collation)


def _unlisted(
    table: "Table", policies: dict[str, list["Policy"]], tenants: set[str]
) -> Iterator[Finding]:
    # rows of another's are refused by its own name
    if table.key in policies or not policies.keys().isdisjoint(table.parents):
        return
    for column in table.columns:
        if folded(column.name) in tenants:
            yield Finding(
                table.key,
                "table-without-policy",
                f"it has the column {column.name}, as tables of tenants have, and no "
                "policy; add it to tenant_isolation(), or write a policy",
            )
