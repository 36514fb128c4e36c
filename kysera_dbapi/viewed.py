"""Views that a plugin is configured for: can their columns tell whose the rows are?

A statement on such a view is filtered by the columns of the view. That shows what the
view of filtered tables would if each row of it is made of one row of one protected
table, whose columns it shows, or of several rows that are alike in these columns.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi.errors import ConfigurationError, UnsupportedStatement
from kysera_dbapi.grouping import of_several_rows
from kysera_dbapi.reach import Reach

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Table
    from kysera_dbapi.plugin import Host
    from kysera_dbapi.statement import Reference, Statement

__all__ = ["beneath"]


def beneath(
    host: "Host", view: "Table", protected: Collection[str], columns: Collection[str]
) -> "Table | None":
    """The one protected table, or declared view, that the rows of a view are made of.

    None if it reads nothing that is protected. Raises ``ConfigurationError``
    (declared-view) if the (folded) ``columns`` of the view do not tell whose they are.
    """
    reach = Reach(host.dialect, host.catalogue)
    if reach.reads(view).isdisjoint(protected):
        return None
    said = replace(view, text=host.definition(view))
    if not said.text:
        raise _unfit(view, "this user may not see its definition")
    try:
        query = reach.view(said)
    except UnsupportedStatement as error:
        raise _unfit(view, "its definition does not parse") from error
    return _View(host, view, query, reach, frozenset(protected)).source(columns)


@dataclass(frozen=True, slots=True)
class _View:
    host: "Host"
    view: "Table"
    query: "Statement"
    reach: Reach
    protected: frozenset[str]

    def source(self, columns: Collection[str]) -> "Table":
        """The table that shows ``columns``."""
        self._check_kind()
        reference = self._reference()
        shown = self._shown()
        for name in columns:
            if shown.get(name) != (reference, name):
                raise self._unfit(
                    f"its column {name} is not that of {reference.table.name}"
                )
        self._check_groups(reference, columns)
        return reference.table

    def _unfit(self, why: str) -> ConfigurationError:
        return _unfit(self.view, why)

    @property
    def _tree(self) -> exp.Expression:
        return self.query.tree

    def _check_kind(self) -> None:
        """It is one plain block, whose joins keep the rows of what they begin with."""
        if not isinstance(self._tree, exp.Select):
            raise self._unfit("it is a set operation")
        for clause in ("with_", "with", "limit", "offset", "fetch"):
            if self._tree.args.get(clause) is not None:
                raise self._unfit("it has a WITH or a LIMIT")
        distinct = self._tree.args.get("distinct")
        if distinct is not None and distinct.args.get("on") is not None:
            raise self._unfit("it has DISTINCT ON")
        if self._tree.find(exp.Window):
            raise self._unfit("it has window functions")
        for join in self._tree.find_all(exp.Join):
            plain = (join.side or "").upper() in ("", "LEFT")
            named = join.args.get("using") or join.method
            if join.parent_select is self._tree and (named or not plain):
                raise self._unfit("it has a join of another kind than ON and LEFT")

    def _reference(self) -> "Reference":
        """The one place where it reads a protected table."""
        found: list[Reference] = []
        catalogue = self.host.catalogue
        for routine in catalogue.routines_of(self.view.calls):
            self._check_beneath(routine.name, self.reach.beneath(routine).tables)
        for reference in self.query.references:
            table = reference.table
            if table.key in self.protected:
                found.append(reference)
            else:
                self._check_beneath(table.name, self.reach.beneath(table).tables)
        if len(found) != 1:
            names = ", ".join(one.table.name for one in found)
            raise self._unfit(f"it reads more than one protected table: {names}")
        own = found[0].node
        if own.find_ancestor(exp.Select) is not self._tree:
            raise self._unfit("it reads a protected table in a sub-select")
        if own.args.get("sample") is not None:
            raise self._unfit("it has TABLESAMPLE")
        if own.args.get("alias") is not None and own.args["alias"].columns:
            raise self._unfit("it renames the columns of a protected table in FROM")
        node: exp.Expr | None = own
        while node is not None and node is not self._tree:
            if isinstance(node, exp.Join) and node.side:
                raise self._unfit("it has a LEFT JOIN to a protected table")
            node = node.parent
        return found[0]

    def _check_beneath(self, name: str, tables: Collection[str]) -> None:
        if not self.protected.isdisjoint(tables):
            raise self._unfit(
                f"it uses {name}, which reads a protected table and is not declared"
            )

    # -- columns ------------------------------------------------------------------

    def _shown(self) -> "dict[str, tuple[Reference, str] | None]":
        """The columns of the view, and of what each is a plain column."""
        shown = list(self._projected())
        fold = self.host.dialect.fold
        names = [c.folded or fold(c.name, quoted=True) for c in self.view.columns]
        if len(names) != len(shown):
            raise self._unfit("its columns are not those of its query")
        return dict(zip(names, shown, strict=True))

    def _projected(self) -> "Iterator[tuple[Reference, str] | None]":
        for projection in self._tree.expressions:
            said = projection.unalias()
            if isinstance(said, exp.Star):
                for reference in self._in_from():
                    yield from self._columns_of(reference)
            elif isinstance(said, exp.Column) and isinstance(said.this, exp.Star):
                for reference in self._in_from():
                    if reference.exposed == self.query.name_of(said.args["table"]):
                        yield from self._columns_of(reference)
            else:
                yield self._column(said)

    def _columns_of(self, reference: "Reference") -> "Iterator[tuple[Reference, str]]":
        for column in reference.table.columns:
            if not column.hidden:
                yield reference, self._folded(column.folded or column.name)

    def _folded(self, name: str) -> str:
        return self.host.dialect.fold(name, quoted=True)

    def _in_from(self) -> "list[Reference]":
        """The relations of the block; what else stands there has no catalogue."""
        nodes = [node for _, node in self.query.exposures(self._tree)]
        known = {id(r.node): r for r in self.query.references}
        if not all(id(node) in known for node in nodes):
            raise self._unfit("it has a star beside a sub-select")
        return [known[id(node)] for node in nodes]

    def _column(self, said: exp.Expression) -> "tuple[Reference, str] | None":
        """What a plain column is of; MySQL writes the schema before an alias, too."""
        if not isinstance(said, exp.Column) or said.args.get("catalog") is not None:
            return None
        name, table = self.query.name_of(said.this), said.args.get("table")
        schema = said.args.get("db")
        own = [
            r
            for r in self.query.references
            if r.node.find_ancestor(exp.Select) is self._tree
        ]
        if table is not None:
            exposed = self.query.name_of(table)
            found = [r for r in own if r.exposed == exposed]
            if schema is not None:
                home = self.query.name_of(schema)
                found = [r for r in found if r.table.schema == home]
        else:
            found = [r for r in self._in_from() if r.table.column(name) is not None]
        return (found[0], name) if len(found) == 1 else None

    def _check_groups(self, reference: "Reference", columns: Collection[str]) -> None:
        """Rows that are put together are alike in the columns."""
        group = self._tree.args.get("group")
        if group is not None:
            by = [self._column(one) for one in group.expressions]
            if any(v for arg, v in group.args.items() if arg != "expressions"):
                raise self._unfit("it has GROUPING SETS")
            for name in columns:
                if (reference, name) not in by:
                    raise self._unfit(f"it is not grouped by {name}")
            return
        for call in of_several_rows(self._tree, self.host.dialect):
            self._check_aggregate(call)
        if self._tree.args.get("having") is not None:
            raise self._unfit("it puts rows together without GROUP BY")

    def _check_aggregate(self, call: exp.Expr) -> None:
        """It puts rows of a sub-select together.

        One that has columns of the view's own block alone, as in ``(SELECT count(n.id)
        FROM log)``, is that block's: https://sqlite.org/lang_aggfunc.html
        """
        block = call.find_ancestor(exp.Select)
        columns = call.find_all(exp.Column)
        if block is self._tree or not all(self._is_of(block, one) for one in columns):
            raise self._unfit("it puts rows together without GROUP BY")

    def _is_of(self, block: exp.Expression | None, column: exp.Column) -> bool:
        """Whether a relation of a block surely has a column."""
        name, table = self.query.name_of(column.this), column.args.get("table")
        exposed = None if table is None else self.query.name_of(table)
        return any(
            r.table.column(name) is not None and exposed in (None, r.exposed)
            for r in self.query.references
            if r.node.find_ancestor(exp.Select) is block
        )


def _unfit(view: "Table", why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the {view.kind} {view.name} cannot be filtered by its own columns: {why}; "
        "take it out of the configuration",
        code="declared-view",
    )
