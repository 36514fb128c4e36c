"""What an UPDATE or DELETE of several tables writes to, as MySQL has it.

What is joined follows its first word; what of it is written to is said elsewhere: by
the columns of SET, or in a list of names. Each table that is written becomes a part of
the statement, in which it is the target, so that it is edited as if it were alone.

https://dev.mysql.com/doc/refman/8.4/en/update.html
https://dev.mysql.com/doc/refman/8.4/en/delete.html
"""

from collections.abc import Iterator
from typing import TypeVar

from sqlglot import exp

from kysera_dbapi.statement import Reference, Statement
from kysera_dbapi.walker import is_of_several, unsupported

__all__ = ["add_targets"]

_Statement = TypeVar("_Statement", bound=Statement)
#: What none of the servers takes in such a DELETE, and some of them in an UPDATE.
_OF_ONE = ("order", "limit", "returning")


def add_targets(statement: _Statement, make: type[_Statement]) -> None:
    """Tell which references are written to, and make a part for each.

    None for ``DELETE t FROM t``, which is a DELETE like any other. Raises
    ``UnsupportedStatement``: unsupported-construct.
    """
    tree = statement.tree
    if not is_of_several(tree):
        return
    if isinstance(tree, exp.Delete) and any(tree.args.get(part) for part in _OF_ONE):
        raise unsupported("ORDER BY, LIMIT or RETURNING in a DELETE that names tables")
    written = _Written(statement)
    references = {id(r.node): r for r in statement.references}
    for node, sets in written.find():
        reference = references.get(id(node))
        if reference is None:
            written.check_unknown(node)
            continue
        reference.role = "target"
        if not written.alone:
            _add_part(statement, reference, sets, make)


def _add_part(
    statement: _Statement,
    target: Reference,
    sets: list[exp.Expression],
    make: type[_Statement],
) -> None:
    part = make(
        statement.source,
        statement.dialect,
        statement.catalogue,
        statement.stand_in,
        statement.tree,
        statement.layout,
        statement.conflict,
    )
    part.named, part.ends = statement.named, statement.ends
    part.within = (statement.start, statement.stop)
    part.whole, part.sets = statement, sets
    part.references = [target]
    statement.references.remove(target)
    statement.nested.append(part)


class _Written:
    """Finds the relations that a statement writes to."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._tree = statement.tree
        self._exposed = statement.exposures(self._tree)
        self._references = {id(r.node): r for r in statement.references}
        names = [name for name, _ in self._exposed]
        for name in names:
            if names.count(name) > 1:
                raise unsupported(f"two relations called {name} in one {self._verb}")

    @property
    def _verb(self) -> str:
        return str(self._tree.key).upper()

    @property
    def alone(self) -> bool:
        """Whether there is one table and nothing that is joined to it."""
        return [self._tree.this] == [node for _, node in self._exposed]

    def find(self) -> list[tuple[exp.Expression, list[exp.Expression]]]:
        """What is written to, and the assignments of each."""
        found: dict[int, tuple[exp.Expression, list[exp.Expression]]] = {}
        for node, assignment in self._each():
            sets = found.setdefault(id(node), (node, []))[1]
            if assignment is not None:
                sets.append(assignment)
        return list(found.values())

    def _each(self) -> Iterator[tuple[exp.Expression, exp.Expression | None]]:
        for label in self._tree.args.get("tables") or ():
            yield self._only(self._named(label), label), None
        if isinstance(self._tree, exp.Update):
            for one in self._tree.expressions:
                column = one.this
                if not isinstance(column, exp.Column):
                    raise unsupported("what is no column in SET")
                yield self._only(self._having(column), column), one

    def _only(
        self, found: list[exp.Expression], said: exp.Expression
    ) -> exp.Expression:
        if len(found) != 1:
            name = self._statement.name_of(said.this)
            raise unsupported(
                f"{self._verb} of {name}, which is not certainly one of its tables,"
            )
        return found[0]

    def _named(self, label: exp.Expression) -> list[exp.Expression]:
        """What the list of a DELETE names: by an alias, or by the table's own name."""
        names = [self._statement.name_of(part) for part in _parts(label)]
        same = [node for name, node in self._exposed if name == names[-1]]
        said = self._statement.catalogue.resolve(names)
        return [
            node
            for node in same
            if (len(names) == 1 and node.args.get("alias"))
            or (self._is_plain(node) and said is self._table(node))
        ]

    def _is_plain(self, node: exp.Expression) -> bool:
        return isinstance(node, exp.Table) and not node.args.get("alias")

    def _table(self, node: exp.Expression) -> object:
        reference = self._references.get(id(node))
        return reference and reference.table

    def _having(self, column: exp.Expression) -> list[exp.Expression]:
        """The relations that a column of SET may be of."""
        name_of = self._statement.name_of
        table, schema = column.args.get("table"), column.args.get("db")
        if table is None:
            name = name_of(column.this)
            return [node for _, node in self._exposed if self._may_have(node, name)]
        named = (node for name, node in self._exposed if name == name_of(table))
        return [n for n in named if schema is None or self._is_in(n, name_of(schema))]

    def _is_in(self, node: exp.Expression, schema: str) -> bool:
        reference = self._references.get(id(node))
        return reference is not None and reference.table.schema == schema

    def _may_have(self, node: exp.Expression, column: str) -> bool:
        reference = self._references.get(id(node))
        if reference is not None:
            known = bool(reference.table.columns)
            return not known or reference.table.column(column) is not None
        query = node.this
        if not isinstance(query, exp.Query):
            return True
        fold = self._statement.dialect.fold
        names = [fold(name, quoted=True) for name in query.named_selects]
        return column in names or "*" in names

    def check_unknown(self, node: exp.Expression) -> None:
        """A table that no catalogue knows may be written to, and nothing else."""
        fold = self._statement.dialect.fold_cte
        ctes = {
            fold(self._statement.name_of(cte.args["alias"].this))
            for cte in self._tree.find_all(exp.CTE)
        }
        named = isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier)
        if not named or fold(self._statement.name_of(node.this)) in ctes:
            raise unsupported(f"{self._verb} of a sub-query")


def _parts(table: exp.Expression) -> list[exp.Expression]:
    return [table.args[key] for key in ("catalog", "db", "this") if table.args.get(key)]
