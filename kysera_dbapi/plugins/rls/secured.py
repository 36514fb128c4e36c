"""The policies of one catalogue: compiled once, joined by PostgreSQL's algebra."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from kysera_dbapi._blocks import outside
from kysera_dbapi._context import several, single
from kysera_dbapi.binding import Bind
from kysera_dbapi.plugin import Host, Plugin, intercept
from kysera_dbapi.plugins.rls.exact import Exact
from kysera_dbapi.plugins.rls.function import by_function, shape_of
from kysera_dbapi.plugins.rls.policy import Command, Policy, wrong
from kysera_dbapi.predicate import Piece, Predicate

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Catalogue, Table, UniqueKey
    from kysera_dbapi.dialect import Dialect
    from kysera_dbapi.edits import Draft

__all__ = ["Rule", "Secured"]

#: Without an operator, which somebody could have made another.
_NOTHING = Predicate("no policy", ("1 IS NULL",), tight=True, columns=frozenset())
_ALL = Predicate("all", ("1 IS NOT NULL",), tight=True, columns=frozenset())


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on rows, with the table and policy that it is named by in errors."""

    predicate: Predicate
    label: str = field(compare=False)
    #: The column that ``tenant_isolation`` forces.
    forced: str = field(default="", compare=False)


class Secured:
    """What the policies mean for the tables of a catalogue."""

    def __init__(
        self,
        catalogue: "Catalogue",
        dialect: "Dialect",
        policies: Sequence[Policy],
        plugins: tuple[Plugin, ...],
    ) -> None:
        from kysera_dbapi.resolution import Resolver  # it brings the parser

        self.catalogue = catalogue
        self.plugins = plugins
        self.dialect = dialect
        self._binds: dict[tuple[str, bool], Bind] = {}
        self._tenants: dict[tuple[str, ...], Bind] = {}
        self._resolver = Resolver(dialect, catalogue, self._bind, count(1))
        self._compiled: dict[tuple[str, str, frozenset[str]], Predicate] = {}
        self._said: dict[tuple[str, str, str], Predicate] = {}
        self._policies: dict[str, list[Policy]] = {}
        #: The tables whose policies are being compiled, to find circles.
        self._open: list[str] = []
        for policy in policies:
            self._policies.setdefault(self._table(policy).key, []).append(policy)

    def has(self, table: "Table") -> bool:
        """Whether a table has policies."""
        return table.key in self._policies

    def check(self) -> None:
        """Compile every policy; raises ``ConfigurationError`` (policy)."""
        for key, policies in self._policies.items():
            table = self.catalogue.tables.get(key)
            if table is None:
                continue
            if table.kind != "table" and not table.is_view:
                raise wrong(f"{table.name!r} is no plain table but a {table.kind}")
            for policy in policies:
                self._check(policy, table)

    def check_views(self, host: "Host") -> None:
        """Raise ``ConfigurationError`` for a view whose policies are not its table's.

        Its columns must be those of the table as far as the policies speak of them.
        """
        for key, policies in self._policies.items():
            view = self.catalogue.tables.get(key)
            if view is None or not view.is_view:
                continue
            from kysera_dbapi.viewed import beneath  # it brings the parser

            columns = self._spoken_of(view, policies)
            table = beneath(host, view, self._policies, columns)
            if table is not None and _rules(policies) != _rules(
                self._policies[table.key]
            ):
                raise wrong(
                    f"the policies of the {view.kind} {view.name!r} are not those of "
                    f"{table.name!r}, which it shows"
                )

    def _spoken_of(self, view: "Table", policies: list[Policy]) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for policy in policies:
            given = (self._using(policy), policy.check)
            texts = [text for text in given if text is not None]
            said = [self._compile(view, text, frozenset()).columns for text in texts]
            if policy.values is not None or None in said:
                raise wrong(
                    f"{policy.name!r}: a policy by a function, or one that reads other "
                    f"tables, cannot be that of a {view.kind}"
                )
            found = found.union(*(one for one in said if one is not None))
        return found

    def _check(self, policy: Policy, table: "Table") -> None:
        forced = policy.forced[0] if policy.forced else None
        fold = self.dialect.fold
        column = table.column(fold(forced, quoted=True)) if forced else None
        if forced is not None and column is None:
            raise wrong(f"table {table.name!r} has no column {forced!r}")
        exactly = self.dialect.equals_exactly(column.type) if column else ()
        if column and self.dialect.equals_loosely and not exactly:
            raise wrong(
                f"column {forced!r} of table {table.name!r} is a {column.type}, of "
                "which values that differ can be equal, or stored as the same; make it "
                "a whole number, a DECIMAL, a text or a BINARY"
            )
        if column and column.collation and exactly:
            raise wrong(
                f"column {forced!r} of table {table.name!r} takes tenants that differ "
                f"for equal, by its collation {column.collation}; give it an exact "
                "one, as utf8mb4_0900_bin or utf8mb4_nopad_bin is, or VARBINARY"
            )
        for text in (self._using(policy), policy.check):
            if text is not None:
                self._compile(table, text, frozenset())

    def _using(self, policy: Policy) -> str | None:
        """A policy's condition; a column that is forced is quoted as in the dialect."""
        if policy.forced is None:
            return policy.using
        column, key = policy.forced
        return f"{self.dialect.quote(column)} = :{key}"

    def _table(self, policy: Policy) -> "Table":
        table = self.catalogue.named(policy.table)
        if table is None:
            raise wrong(
                f"there is no table {policy.table!r}; create it or take the policy out"
            )
        return table

    # -- what applies -------------------------------------------------------------

    def using(
        self, table: "Table", command: Command, roles: frozenset[str]
    ) -> list[Rule]:
        """The conditions on the rows of a table that a command may find."""
        return list(self._rules(table, command, roles, written=False))

    def written(
        self, table: "Table", command: Command, roles: frozenset[str]
    ) -> list[Rule]:
        """The conditions on rows as a command writes them."""
        return list(self._rules(table, command, roles, written=True))

    def forced(self, table: "Table") -> Mapping[str, Bind]:
        """The columns that every new row gets, and the values."""
        forced = (p.forced for p in self._policies[table.key] if p.forced)
        return {column: self._tenant(table, column, key) for column, key in forced}

    def spares(self, table: "Table", key: "UniqueKey", rules: Sequence[Rule]) -> bool:
        """Whether rows outside the rules cannot have a unique key of rows within."""
        tenants = {rule.forced for rule in rules}
        held = any(table.is_held(tenant, key) for tenant in tenants if tenant)
        return held and all(tenants)

    def _rules(
        self,
        table: "Table",
        command: Command,
        roles: frozenset[str],
        *,
        written: bool,
    ) -> Iterator[Rule]:
        policies = self._policies[table.key]
        mine = [p for p in policies if p.is_for(command) and p.applies(roles)]
        permissive = [p for p in mine if not p.restrictive]
        isolated = all(p.forced for p in policies)
        if permissive:
            yield self._any(table, permissive, roles, written=written)
        elif not isolated:
            yield Rule(_NOTHING, f"{table.name}: no policy lets anybody {command}")
        for policy in mine:
            if policy.restrictive:
                yield self._rule(table, policy, roles, written=written)

    def _any(
        self,
        table: "Table",
        policies: list[Policy],
        roles: frozenset[str],
        *,
        written: bool,
    ) -> Rule:
        rules = [self._rule(table, p, roles, written=written) for p in policies]
        if len(rules) == 1:
            return rules[0]
        pieces: list[Piece] = []
        for rule in rules:
            pieces += [" OR (" if pieces else "(", *rule.predicate.pieces, ")"]
        known = [r.predicate.columns for r in rules if r.predicate.columns is not None]
        columns = frozenset[str]().union(*known) if len(known) == len(rules) else None
        shown = " or ".join(rule.predicate.sql for rule in rules)
        names = " or ".join(repr(policy.name) for policy in policies)
        reads = frozenset[str]().union(*(rule.predicate.reads for rule in rules))
        predicate = Predicate(shown, tuple(pieces), columns=columns, reads=reads)
        return Rule(predicate, f"{table.name}: policy {names}")

    def _rule(
        self, table: "Table", policy: Policy, roles: frozenset[str], *, written: bool
    ) -> Rule:
        label = f"{table.name}: policy {policy.name!r}"
        if policy.values is not None:
            return Rule(self._by_function(policy, table), label)
        text = self._using(policy)
        if written and policy.check is not None:
            text = policy.check
        if text is None:  # a check alone lets all rows be found
            return Rule(_ALL, label)
        said = self._compile(table, text, roles)
        if policy.forced is None:
            return Rule(said, label)
        bind = self._tenant(table, *policy.forced)
        pieces = tuple(bind if isinstance(p, Bind) else p for p in said.pieces)
        return Rule(replace(said, pieces=pieces), label, policy.forced[0])

    def _by_function(self, policy: Policy, table: "Table") -> Predicate:
        """One predicate for all that is said alike: rules are compared by it."""
        key = (table.key, str(policy.name), shape_of(policy))
        if key not in self._said:
            self._said[key] = by_function(policy, table, self.dialect, self.catalogue)
        return self._said[key]

    # -- compiling ----------------------------------------------------------------

    def _compile(self, table: "Table", text: str, roles: frozenset[str]) -> Predicate:
        key = (table.key, text, roles)
        if key not in self._compiled:
            if table.key in self._open:
                way = " -> ".join([*self._open, table.key])
                raise wrong(f"policies read each other's tables in a circle: {way}")
            self._open.append(table.key)
            try:
                self._compiled[key] = self._resolver.resolved(
                    text, table, lambda draft: self._filter(roles, draft)
                )
            finally:
                self._open.pop()
        return self._compiled[key]

    def _filter(self, roles: frozenset[str], draft: "Draft") -> None:
        """What a policy reads is filtered itself, whatever the caller has set."""
        for reference in draft.references:
            if self.has(reference.table):
                draft.plugin = "rls"
                for rule in self.using(reference.table, "select", roles):
                    draft.filter(reference, rule.predicate, reason="within a policy")
        with outside():
            intercept([p for p in self.plugins if p.name != "rls"], draft)

    def _bind(self, name: str, listed: bool) -> Bind:
        key = (name, listed)
        if key not in self._binds:
            source = partial(self._listed, name) if listed else partial(single, name)
            self._binds[key] = Bind(name, source, "" if listed else name)
        return self._binds[key]

    def _tenant(self, table: "Table", column: str, key: str) -> Bind:
        """The value that a column is forced to have: of its type, and no other's."""
        known = table.column(self.dialect.fold(column, quoted=True))
        types = self.dialect.equals_exactly(known.type) if known else ()
        if known is None or not types:
            return self._bind(key, False)
        at = key, known.type, known.collate
        if at not in self._tenants:
            fits = self.dialect.fitting(known)
            self._tenants[at] = Exact(key, known.type, types, fits).bind
        return self._tenants[at]

    def _listed(self, name: str) -> object:
        return self.dialect.listed([(value,) for value in several(name)])


def _rules(policies: Sequence[Policy]) -> list[str]:
    """What policies say, their tables and names apart."""
    return sorted(
        repr((p.command, p.using, p.check, p.restrictive, sorted(p.roles), p.forced))
        for p in policies
    )
