"""The plugin: policies on every reference, and on every row that is written."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, cast

from kysera_dbapi._blocks import scope, values
from kysera_dbapi.catalogue import folded
from kysera_dbapi.errors import Error
from kysera_dbapi.plugin import Host, Plugin, check_viewed, owners
from kysera_dbapi.plugins.rls import conflicts
from kysera_dbapi.plugins.rls.function import shape_of
from kysera_dbapi.plugins.rls.policy import Policy, wrong
from kysera_dbapi.plugins.rls.secured import Rule, Secured
from kysera_dbapi.plugins.rls.verification import findings, holds_tenant
from kysera_dbapi.predicate import Predicate
from kysera_dbapi.splices import Value

if TYPE_CHECKING:
    from kysera_dbapi.binding import Bind
    from kysera_dbapi.catalogue import Catalogue, ForeignKey, Table
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.finding import Finding
    from kysera_dbapi.statement import Reference

__all__ = ["RowLevelSecurity"]


class RowLevelSecurity(Plugin):
    """Lets each caller see, change and write the rows that policies allow, no others.

    ``policies`` are ``Policy`` objects or lists of them, as ``tenant_isolation`` makes
    them. A table that has some is denied to commands for which none is permissive.
    ``unlisted`` says what becomes of statements on other tables. Who has one of
    ``bypass_roles`` in the context's ``roles`` is not restricted. With ``barrier`` no
    function or expression of the caller's is evaluated on rows that it may not see, so
    that what it does besides, and its errors, tell nothing of them; indexes then serve
    the policies alone.

    Raises ``ConfigurationError`` (policy), at once or when a connection is made.
    """

    name = "rls"
    version = "0.1"
    priority = 1000

    def __init__(
        self,
        *policies: Policy | Iterable[Policy],
        unlisted: str = "allow",
        bypass_roles: Collection[str] = (),
        barrier: bool = False,
    ) -> None:
        self._policies = tuple(_named(_flat(policies)))
        if unlisted not in ("allow", "refuse"):
            raise wrong(f"unlisted must be 'allow' or 'refuse', got {unlisted!r}")
        if isinstance(bypass_roles, str):
            raise wrong(f"bypass_roles must be a list of names, got {bypass_roles!r}")
        if not isinstance(barrier, bool):
            raise wrong(f"barrier must be True or False, got {barrier!r}")
        self.bars = barrier
        self._refuses_unlisted = unlisted == "refuse"
        self._bypass_roles = frozenset(bypass_roles)
        #: The roles on which plans depend.
        self._roles = self._bypass_roles.union(*(p.roles for p in self._policies))
        self._functions = [p for p in self._policies if p.values is not None]
        self.plans_vary = bool(self._roles or self._functions)
        self._secured: Secured | None = None
        #: The versions of catalogues whose views have been checked.
        self._viewed: set[str] = set()

    # -- at connect ---------------------------------------------------------------

    def on_init(self, host: Host) -> None:
        """Check tables, columns and names of every policy against the catalogue."""
        if self.bars and not host.dialect.barrier:
            raise wrong("barrier: nothing holds up this database's optimiser")
        if f"bypass:{self.name}" not in scope():
            self.on_catalogue(host)

    def on_catalogue(self, host: Host) -> None:
        """The same: a statement may not make what a connection would refuse."""
        secured = self._of(host.catalogue, host.dialect, host.plugins)
        secured.check()
        secured.check_views(host)
        self._viewed.add(host.catalogue.version)

    def _of(
        self, catalogue: "Catalogue", dialect: "Dialect", plugins: Iterable[Plugin]
    ) -> Secured:
        """The policies for a catalogue, compiled once for each."""
        made, of = self._secured, (catalogue, dialect, tuple(plugins))
        if made is None or (made.catalogue, made.dialect, made.plugins) != of:
            made = self._secured = Secured(catalogue, dialect, self._policies, of[2])
        return made

    def protected(self, catalogue: "Catalogue") -> Collection[str]:
        """The tables that have policies; all if others are refused."""
        if self._refuses_unlisted:
            return list(catalogue.tables)
        return self.configured(catalogue)

    def configured(self, catalogue: "Catalogue") -> Collection[str]:
        """The tables that have policies."""
        named = {policy.table for policy in self._policies}
        tables = (catalogue.named(name) for name in named)
        return [table.key for table in tables if table is not None]

    def relied_on(self, catalogue: "Catalogue") -> Collection[str]:
        """Also what the texts of policies may read."""
        every = [t for p in self._policies for t in (p.using, p.check) if t]
        text = folded(" ".join(every))
        named = (t.key for t in catalogue.tables.values() if folded(t.name) in text)
        return {*self.configured(catalogue), *named}

    def verify(self, host: Host) -> list["Finding"]:
        """Indexes that are missing, keys that ignore tenants, tables left out."""
        named = {host.catalogue.named(p.table) for p in self._policies}
        tables = [table for table in named if table is not None]
        return findings(host, {t.key: self._on(host.catalogue, t) for t in tables})

    def reaches_hidden(self, key: "ForeignKey", catalogue: "Catalogue") -> bool:
        """Whether rows of one parent may be of several tenants, or hidden otherwise."""
        child = catalogue.tables[key.child]
        parent = catalogue.tables.get(key.parent)
        policies = self._on(catalogue, child)
        if not policies or parent is None:
            return False
        above = self._forced(catalogue, parent)
        below = self._forced(catalogue, child)
        held = holds_tenant(key, (child, below), (parent, above))
        return not (held and all(p.forced for p in policies))

    def _on(self, catalogue: "Catalogue", table: "Table") -> list[Policy]:
        return [p for p in self._policies if catalogue.named(p.table) == table]

    def _forced(self, catalogue: "Catalogue", table: "Table") -> dict[str, str]:
        """The columns that hold the tenant, and the context's keys."""
        forced = (p.forced for p in self._on(catalogue, table) if p.forced)
        return {folded(column): key for column, key in forced}

    # -- at plan time -------------------------------------------------------------

    def flags(self) -> frozenset[str]:
        """The roles that decide how statements are planned, and what functions say."""
        roles = self._roles.intersection(_roles())
        shapes = {f"{p.table} {p.name}: {_shape(p)}" for p in self._functions}
        return frozenset((*(f"role:{role}" for role in roles), *shapes))

    def intercept(self, statement: "Draft") -> None:
        """Filter every reference; check and complete what is written."""
        statement.plugin = self.name
        roles = _roles()
        if not self._bypass_roles.isdisjoint(roles):
            return
        secured = self._of(statement.catalogue, statement.dialect, statement.plugins)
        for reference in statement.references:
            if not secured.has(reference.table):
                if self._refuses_unlisted and reference.table.kind != "system":
                    _refuse_unlisted(statement, reference.table)
                continue
            check_viewed(statement, reference.table, self._viewed)
            self._secure(statement, reference, secured, roles)

    def _secure(
        self,
        statement: "Draft",
        reference: "Reference",
        secured: Secured,
        roles: frozenset[str],
    ) -> None:
        table = reference.table
        seen = secured.using(table, "select", roles)
        if reference.role == "source":
            if statement.locks(reference):
                seen += secured.using(table, "update", roles)
            self._filter(statement, reference, seen, "seen")
        elif statement.kind == "insert":
            self._insert(statement, table, secured, roles)
        elif statement.kind == "delete":
            found = [*seen, *secured.using(table, "delete", roles)]
            self._find(statement, reference, seen, found, "deleted")
        else:
            found = [*seen, *secured.using(table, "update", roles)]
            self._find(statement, reference, seen, found, "updated")
            met = list(dict.fromkeys(found))
            conflicts.secure(statement, table, secured, met, [])
            written = [*secured.written(table, "update", roles), *seen]
            read = _is_read_by_policies(statement, secured, roles)
            read = read or _may_be_changed(statement, table)
            for rule in dict.fromkeys(written):
                kept = rule in found and _keeps(statement, rule.predicate)
                if read or not kept:
                    self._check(statement, rule)

    def _filter(
        self, statement: "Draft", reference: "Reference", rules: list[Rule], what: str
    ) -> None:
        for rule in dict.fromkeys(rules):
            reason = f"what its policies let be {what}"
            statement.filter(
                reference, rule.predicate, reason=reason, barrier=self.bars
            )

    def _find(
        self,
        statement: "Draft",
        reference: "Reference",
        seen: list[Rule],
        found: list[Rule],
        what: str,
    ) -> None:
        """Keep a write to the rows that it may find.

        In a MERGE one that is seen, and so matched, is an error, as with PostgreSQL.
        """
        if statement.merge is None:
            self._filter(statement, reference, found, what)
            return
        self._filter(statement, reference, seen, "seen")
        for rule in dict.fromkeys(r for r in found if r not in seen):
            reason = f"what its policies let be {what}"
            statement.guard(rule.predicate, rule.label, reason=reason)

    def _insert(
        self,
        statement: "Draft",
        table: "Table",
        secured: Secured,
        roles: frozenset[str],
    ) -> None:
        given: set[str] = set()
        for column, bind in secured.forced(table).items():
            if not (_is_generated(table, column) or statement.supplies(column)):
                statement.assign(column, Value(bind), reason="the caller's tenant")
                given.add(column)
        # an upsert may set it all the same
        fold = statement.dialect.fold
        given = {c for c in given if fold(c, quoted=True) not in statement.assigned}
        seen = secured.using(table, "select", roles)
        written = secured.written(table, "insert", roles)
        upsert = statement.tree.args.get("conflict")
        met = list(seen)
        if upsert is not None and upsert.expressions:
            met += secured.using(table, "update", roles)
            also = [*secured.written(table, "update", roles), *seen]
            if set(also) != set(written):
                statement.refuse(
                    "the policies for INSERT and UPDATE differ, so an upsert cannot be "
                    "checked; send an INSERT and an UPDATE"
                )
        elif statement.returns:
            written += seen
        changed = _may_be_changed(statement, table)
        checked = [
            r for r in dict.fromkeys(written) if changed or r.forced not in given
        ]
        for rule in checked:
            self._check(statement, rule, secured.forced(table).get(rule.forced))
        if statement.dialect.checks_in_place:  # whatever comes of the row
            checked = [rule for rule in checked if not rule.forced]
        conflicts.secure(statement, table, secured, list(dict.fromkeys(met)), checked)

    def _check(
        self, statement: "Draft", rule: Rule, value: "Bind | None" = None
    ) -> None:
        statement.check(
            rule.predicate,
            rule.label,
            reason="rows stay within their policies",
            equal=None if value is None else (rule.forced, value),
        )


def _refuse_unlisted(statement: "Draft", table: "Table") -> None:
    owner = owners(statement.plugins, statement.catalogue).get(table.key)
    reason = f"no policy is for {table.name}; write one"
    if owner is not None:
        reason = f"plugin {owner.name!r} keeps {table.name} for itself"
    statement.refuse(reason, code="unlisted-table")


def _is_read_by_policies(
    statement: "Draft", secured: Secured, roles: frozenset[str]
) -> bool:
    """Whether a policy of what an UPDATE reads looks at what it updates.

    Such a statement has to find its rows before it changes one, as it does if it is
    checked: else SQLite before 3.41 updates rows while it looks for more.
    """
    target = statement.target
    return target is not None and any(
        target.table.key in rule.predicate.reads
        for reference in statement.references
        if secured.has(reference.table)
        for rule in secured.using(reference.table, "select", roles)
    )


def _may_be_changed(statement: "Draft", table: "Table") -> bool:
    """Whether a trigger may move a row before it is stored."""
    if not statement.dialect.triggers_change_rows:
        return False
    catalogue, events = statement.catalogue, {"INSERT", "UPDATE"}
    parted = table.key in catalogue.offspring  # to move a row to another inserts it
    if statement.kind == "update" and not parted:
        events = {"UPDATE"}
    elif statement.kind == "insert" and not statement.upserts:
        events = {"INSERT"}
    before = statement.dialect.checks_in_place  # what comes later cannot change it
    return any(catalogue.fires(table, event, before=before) for event in sorted(events))


def _is_generated(table: "Table", column: str) -> bool:
    found = table.column(column)
    return found is not None and found.generated


def _keeps(statement: "Draft", predicate: Predicate) -> bool:
    """Whether an UPDATE cannot change what a predicate says of a row."""
    said = predicate.columns
    return said is not None and said.isdisjoint(statement.altered)


def _shape(policy: Policy) -> str:
    """What a function says of columns; if it fails, so do statements on its table."""
    try:
        return shape_of(policy)
    except Error:
        return "failed"


def _roles() -> frozenset[str]:
    return frozenset(map(str, values().lists.get("roles", ())))


def _flat(policies: Iterable[object]) -> Iterator[Policy]:
    for one in policies:
        if isinstance(one, Policy):
            yield one
        elif isinstance(one, Iterable) and not isinstance(one, str):
            yield from _flat(cast("Iterable[object]", one))
        else:
            raise wrong(f"expected a Policy or a list of them, got {one!r}")


def _named(policies: Iterable[Policy]) -> Iterator[Policy]:
    """The policies, each with a name of its own on its table."""
    names: set[tuple[str, str]] = set()
    for policy in policies:
        name = policy.name
        for number in count(1):
            name = policy.name or f"{policy.table} {policy.command} {number}"
            if policy.name or (policy.table, name) not in names:
                break
        assert name is not None
        if (policy.table, name) in names:
            raise wrong(f"two policies on {policy.table!r} have the name {name!r}")
        names.add((policy.table, name))
        yield replace(policy, name=name)
