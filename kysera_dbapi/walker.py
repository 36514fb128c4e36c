"""Find every relation reference of a statement, with its scope and role.

This is the only walker: a reference is found by a generic walk over the whole tree
with the CTEs visible at each point, never by a list of places to look.
"""

from typing import NamedTuple

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.exposure import exposed_name
from kysera_dbapi.merge import is_merged
from kysera_dbapi.statement import WRITES, Reference, Role, Statement

__all__ = ["add_references", "is_of_several", "unsupported"]

_FROM_ITEMS = (exp.Table, exp.Subquery, exp.Values, exp.Lateral)


def add_references(statement: Statement) -> None:
    """Note what a statement names: its references, and what no catalogue knows.

    Raises ``UnsupportedStatement``: unsupported-construct.
    """
    _Walker(statement).walk()


class _Sight(NamedTuple):
    """The names of the CTEs that are visible, and those that may not be."""

    ctes: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()

    def within(self, names: frozenset[str], *, sure: bool) -> "_Sight":
        """The same where these are visible, too; not ``sure`` of those outside."""
        unsure = self.unsure if sure else self.unsure | self.ctes
        return _Sight(self.ctes | names, unsure - names)


class _Walker:
    """Finds the references of a statement."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._dialect = statement.dialect

    def walk(self) -> None:
        """Visit every node once, with the names of the CTEs that it sees."""
        stack: list[tuple[exp.Expression, _Sight]] = [(self._statement.tree, _Sight())]
        while stack:
            node, visible = stack.pop()
            with_ = node.args.get("with_")
            if isinstance(with_, exp.With):
                visible = self._enter(with_, visible, stack)
            self._visit(node, visible)
            for child in node.iter_expressions():
                if child is not with_:
                    stack.append((child, visible))
        self._statement.references.sort(key=lambda r: r.start)

    def _enter(
        self,
        with_: exp.With,
        outer: "_Sight",
        stack: list[tuple[exp.Expression, "_Sight"]],
    ) -> "_Sight":
        """Visit the bodies of a WITH; returns what the statement after it sees."""
        names = [
            self._dialect.fold_cte(self._statement.name_of(cte.args["alias"].this))
            for cte in with_.expressions
        ]
        recursive = bool(with_.args.get("recursive"))
        for i, cte in enumerate(with_.expressions):
            seen = self._dialect.visible_ctes(names, i, recursive=recursive)
            sure = self._dialect.ctes_see_outer
            stack.append((cte, outer.within(frozenset(seen), sure=sure)))
        last = self._dialect.visible_ctes(names, len(names), recursive=recursive)
        return outer.within(frozenset(last), sure=True)

    def _visit(self, node: exp.Expression, visible: "_Sight") -> None:
        if isinstance(node, exp.Table):
            self._visit_table(node, visible)
        elif isinstance(node, (exp.From, exp.Join)):
            self._check_item(node)
        elif isinstance(node, exp.In) and self._dialect.in_reads_table:
            self._visit_list(node.args.get("field"), visible)
        elif isinstance(node, exp.Command):
            raise unsupported("a statement of this form")
        elif isinstance(node, (*WRITES, exp.OnConflict)):
            self._check_write(node)
        elif isinstance(node, exp.Merge):
            self._check_merge(node)
        elif isinstance(node, exp.Lateral):
            self._check_lateral(node)
        elif isinstance(node, exp.Pivot):
            raise unsupported("PIVOT")

    def _check_lateral(self, node: exp.Lateral) -> None:
        """``LATERAL (SELECT ...)`` and ``LATERAL f(...)``, and no LATERAL VIEW."""
        known = isinstance(node.this, exp.Subquery) or _is_call(node.this)
        hive = node.args.get("view") or node.args.get("outer")
        if not (known and self._dialect.laterals) or hive:
            raise unsupported("LATERAL of this form")

    def _check_write(self, node: exp.Expression) -> None:
        """A SET takes nothing but assignments; sqlglot takes any expression."""
        within = isinstance(node, WRITES) and node is not self._statement.tree
        in_with = self._dialect.writes_in_with and isinstance(node.parent, exp.CTE)
        acts = isinstance(node.parent, exp.When)
        if within and not (in_with or acts):
            raise unsupported(f"{node.key.upper()} within a statement")
        if isinstance(node, exp.Delete) and not (acts or node.args.get("this")):
            raise unsupported("DELETE without FROM")
        if not (acts or self._dialect.writes_several) and is_of_several(node):
            raise unsupported(f"{node.key.upper()} of several tables")
        self._check_from(node)
        if isinstance(node, exp.Insert):
            return
        for one in node.expressions:
            if not isinstance(one, exp.EQ):
                raise unsupported("what is no assignment in SET")

    def _check_from(self, node: exp.Expression) -> None:
        """What an UPDATE or DELETE of several tables begins with."""
        if is_of_several(node) and not isinstance(node.this, _FROM_ITEMS):
            raise unsupported(f"{node.key.upper()} of this form")

    def _check_merge(self, node: exp.Merge) -> None:
        """One relation or query, and actions that PostgreSQL 15 knows."""
        if node is not self._statement.tree:
            raise unsupported("MERGE within a statement")
        if not isinstance(node.args.get("using"), _FROM_ITEMS):
            raise unsupported("a MERGE that uses more than one relation")
        if node.args.get("returning") or node.args.get("using_cond"):
            raise unsupported("MERGE with RETURNING, or with USING for its ON")
        for when in node.args["whens"].expressions:
            then = when.args["then"]
            nothing = isinstance(then, exp.Var) and then.name.upper() == "DO NOTHING"
            if when.args.get("source") or not (nothing or isinstance(then, WRITES)):
                raise unsupported("WHEN of a MERGE of this form")

    def _visit_list(self, node: exp.Expression | None, visible: "_Sight") -> None:
        """``x IN name``, or a call; a string after IN is the name of a table too."""
        parts = _parts(node) if isinstance(node, exp.Column) else []
        if node is None or isinstance(node, exp.Placeholder) or _is_call(node):
            return
        if not (parts and all(isinstance(part, exp.Identifier) for part in parts)):
            raise unsupported("IN before what is neither a bare name nor a list")
        self._add(node, parts, "source", visible)

    def _check_item(self, node: exp.From | exp.Join) -> None:
        if not isinstance(node.this, _FROM_ITEMS):
            raise unsupported(f"a {type(node.this).__name__.lower()} in FROM")
        if isinstance(node, exp.Join):
            kind = str(node.args.get("kind") or "").upper()
            method = str(node.args.get("method") or "").upper()
            if kind not in self._dialect.join_kinds or method not in ("", "NATURAL"):
                raise unsupported(f"the join {method} {kind}".replace("  ", " "))

    def _visit_table(self, node: exp.Table, visible: "_Sight") -> None:
        if node.arg_key in ("indexed", "tables"):
            return
        for part, value in node.args.items():
            if value and part not in self._dialect.table_parts:
                raise unsupported(f"{part} of a table")
        if isinstance(node.this, exp.Identifier):
            self._add(node, _parts(node), _role(node), visible)
        elif not (_is_call(node.this) or isinstance(node.this, exp.Values)):
            raise unsupported("a table that is neither named nor called")

    def _follows_table(self, position: int) -> bool:
        layout = self._statement.layout
        at = layout.at(position)
        before = layout.tokens[at - 1] if at else None
        return before is not None and before.token_type is _sqlglot.TokenType.TABLE

    def _add(
        self,
        node: exp.Expression,
        parts: list[exp.Expression],
        role: Role,
        visible: "_Sight",
    ) -> None:
        statement = self._statement
        names = [statement.name_of(part) for part in parts]
        written = role == "target" or is_merged(node)
        named = self._dialect.fold_cte(names[0]) if len(names) == 1 else ""
        if not written and named in visible.unsure:
            raise unsupported(f"{names[0]} of an outer WITH in an inner one")
        if not written and named in visible.ctes:
            return
        if _is_made(node) or isinstance(node.parent, exp.Lock):  # FOR UPDATE OF alias
            return
        table = statement.catalogue.resolve(names)
        if table is None:
            statement.unknown.append(".".join(names))
            return
        first, last = _sqlglot.span(parts[0]), _sqlglot.span(parts[-1])
        token = statement.layout.at(last[0]) if last else None
        if first is None or last is None or token is None:
            raise unsupported(f"the name {'.'.join(names)} where it stands")
        if role == "source" and self._follows_table(first[0]):
            raise unsupported("TABLE for SELECT * FROM")
        in_list = isinstance(node, exp.Column)
        exposed = names[-1] if in_list else exposed_name(node, statement)
        statement.references.append(
            Reference(
                table,
                node,
                role,
                first[0],
                last[1],
                exposed,
                statement.layout.block_of(token),
                token,
                in_list=in_list,
            )
        )


def is_of_several(node: exp.Expression) -> bool:
    """Whether an UPDATE or DELETE may write to several tables, as MySQL's do."""
    if not (isinstance(node, (exp.Update, exp.Delete)) and node.args.get("this")):
        return False
    target = node.this
    alone = isinstance(target, exp.Table) and not target.args.get("joins")
    return bool(node.args.get("tables")) or not alone


def _is_made(node: exp.Expression) -> bool:
    """Whether it is the table that CREATE or SELECT INTO makes."""
    owner = node.parent.parent if isinstance(node.parent, exp.Schema) else node.parent
    return isinstance(owner, (exp.Create, exp.Into))


def _parts(node: exp.Expression) -> list[exp.Expression]:
    """The identifiers of a dotted name, outermost first."""
    keys = ("catalog", "db", "this") if isinstance(node, exp.Table) else _COLUMN
    return [node.args[key] for key in keys if node.args.get(key)]


_COLUMN = ("catalog", "db", "table", "this")


def _role(node: exp.Table) -> Role:
    parent = node.parent
    if isinstance(parent, exp.Schema):
        node, parent = parent, parent.parent  # type: ignore[assignment]
    written = isinstance(parent, WRITES) and not is_of_several(parent)
    return "target" if written and node.arg_key == "this" else "source"


def _is_call(node: exp.Expression) -> bool:
    """Whether it is a call with parentheses: ``CURRENT_DATE`` may be a table's name."""
    called = node.expression if isinstance(node, exp.Dot) else node
    if isinstance(called, exp.Anonymous):
        return True
    return isinstance(called, exp.Func) and any(called.iter_expressions())


def unsupported(what: str) -> UnsupportedStatement:
    """The error for a construct that is not understood."""
    return UnsupportedStatement(
        f"{what} is not supported; rephrase the statement, or run it under bypass()",
        code="unsupported-construct",
    )
