"""Parse a text; every relation reference with its scope and role.

This is the only walker: a reference is found by a generic walk over the whole tree
with the CTEs visible at each point, never by a list of places to look.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, Self, TypeVar

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.catalogue import Catalogue, Table
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.exposure import exposed_name, exposures
from kysera_dbapi.layout import Block, Layout
from kysera_dbapi.locking import is_locked
from kysera_dbapi.merge import is_merged, mended
from kysera_dbapi.respelling import respelled, spelled_out
from kysera_dbapi.source import Source
from kysera_dbapi.stand_in import check_tokens, ends_of, pieces_of

__all__ = ["Reference", "Role", "Statement", "layout_of", "parse", "tree_of"]

Role = Literal["source", "target"]

_WRITES = (exp.Insert, exp.Update, exp.Delete)
_FROM_ITEMS = (exp.Table, exp.Subquery, exp.Values, exp.Lateral)


@dataclass(eq=False, slots=True)
class Reference:
    """A relation that a statement names: which table, where, and in which role."""

    table: Table
    node: exp.Expression
    role: Role
    #: Where its name stands in the text, schema included.
    start: int
    end: int
    #: The name by which its columns are called in its block.
    exposed: str
    block: Block | None
    #: The token that holds its name.
    token: int
    #: ``x IN name`` (SQLite).
    in_list: bool = False


@dataclass(eq=False)
class Statement:
    """One parsed statement, as plugins see it."""

    source: Source
    dialect: Dialect
    catalogue: Catalogue
    #: The text that was parsed: placeholders, comments and verbs stood in for.
    stand_in: str
    tree: exp.Expression
    layout: Layout
    conflict: str = ""
    references: list[Reference] = field(default_factory=list[Reference])
    #: Names that no catalogue knows.
    unknown: list[str] = field(default_factory=list[str])
    #: Where names of the caller's stand, some of which may be spelled as strings.
    named: frozenset[int] = frozenset()
    #: Where tokens end, by where they start: those whose stand-ins end before.
    ends: dict[int, int] = field(default_factory=dict[int, int])
    #: The writes in a WITH, and the actions of a MERGE: each with its own tree,
    #: references and target.
    nested: list[Self] = field(default_factory=list[Self])
    #: The tokens of one that is nested, the end excluded.
    within: tuple[int, int] | None = None
    #: The MERGE that it is an action of.
    merge: Self | None = None

    @property
    def text(self) -> str:
        """The caller's text."""
        return self.source.text

    @property
    def kind(self) -> str:
        """select, insert, update, delete, merge, or create table as."""
        return self.source.kind if self.within is None else self.tree.key

    @property
    def start(self) -> int:
        """Its first token."""
        return 0 if self.within is None else self.within[0]

    @property
    def stop(self) -> int:
        """The token past it."""
        return len(self.layout.tokens) if self.within is None else self.within[1]

    @property
    def target(self) -> Reference | None:
        """The relation that is written to."""
        return next((r for r in self.references if r.role == "target"), None)

    @cached_property
    def assigned(self) -> list[str]:
        """The (folded) columns that an UPDATE, or an upsert's UPDATE, sets."""
        found: list[str] = []
        for owner in (self.tree, self.tree.args.get("conflict")):
            if isinstance(owner, (exp.Update, exp.OnConflict)):
                for assignment in owner.expressions:
                    leaves = assignment.this.find_all(exp.Identifier, exp.Literal)
                    found.extend(map(self.column_of, leaves))
        return found

    @cached_property
    def altered(self) -> frozenset[str]:
        """Besides, those that are computed from them."""
        target = self.target
        return target.table.with_computed(self.assigned) if target else frozenset()

    def column_of(self, leaf: exp.Expression) -> str:
        """The (folded) column of the target that a leaf names."""
        name = self.name_of(leaf)
        return self.dialect.column(self.target.table, name) if self.target else name

    def name_of(self, leaf: exp.Expression) -> str:
        """The folded name that an identifier, or a string in its place, spells."""
        where = _sqlglot.span(leaf)
        token = self.text[slice(*where)] if where else leaf.name
        name = self.dialect.unquote(token)
        fold = (
            self.dialect.fold_relation if _names_relation(leaf) else self.dialect.fold
        )
        return fold(name, quoted=name != token)

    def locks(self, reference: Reference) -> bool:
        """Whether it locks the rows that it finds of what is named there."""
        return is_locked(reference.node, reference.exposed, self.name_of)

    def exposures(
        self, block: exp.Expression, *, hidden: bool = False
    ) -> list[tuple[str, exp.Expression]]:
        """The names that the FROM (and target) of a block exposes, and of what."""
        return list(exposures(block, self, hidden=hidden))


def _names_relation(leaf: exp.Expression) -> bool:
    """Whether it is the name of a relation, an alias of one, or a schema's."""
    owner = leaf.parent
    if isinstance(owner, (exp.Column, exp.Dot)) and leaf.arg_key != "this":
        return leaf.arg_key in ("table", "db", "catalog")
    if isinstance(owner, exp.TableAlias):
        return leaf.arg_key == "this"
    return isinstance(owner, (exp.Table, exp.Subquery))


#: What a statement of each kind is to sqlglot; of a query, set operations too.
_TREES: dict[str, tuple[Any, ...]] = {
    "select": (exp.Query, exp.Values),
    "insert": (exp.Insert,),
    "update": (exp.Update,),
    "delete": (exp.Delete,),
    "merge": (exp.Merge,),
    "create table as": (exp.Create, exp.Select, exp.SetOperation),
}

_Statement = TypeVar("_Statement", bound=Statement)


def parse(
    source: Source, dialect: Dialect, catalogue: Catalogue, make: type[_Statement]
) -> _Statement:
    """Parse a planned statement and find its references.

    Raises ``UnsupportedStatement``: unparsed-statement if it has no parse,
    unsupported-construct if it has one that is not understood.
    """
    try:
        pieces, conflict = pieces_of(source, dialect)
        stand_in = "".join(pieces)
        tokens = _sqlglot.tokenize(stand_in, dialect)
        check_tokens(source, pieces, tokens)
        layout = Layout(spelled_out(tokens, dialect))
        tree = tree_of(stand_in, layout, dialect)
    except _sqlglot.ParseError as error:
        raise UnsupportedStatement(
            f"the statement does not parse{_place(error)}; mend it, or run it under "
            "bypass() if it touches no protected table",
            code="unparsed-statement",
        ) from error
    if not isinstance(tree, (exp.Command, *_TREES[source.kind])):
        raise _unsupported("a statement that may be read in two ways")
    statement = make(source, dialect, catalogue, stand_in, tree, layout, conflict)
    statement.ends = ends_of(source, pieces)
    _Walker(statement).walk()
    statement.named = _named(tree)
    for node in _nested(tree):
        _place_nested(_nest(statement, node, make))
    if isinstance(tree, exp.Merge):
        _add_actions(statement, make)
    return statement


def _add_actions(statement: _Statement, make: type[_Statement]) -> None:
    """The actions of a MERGE that write, as statements of their own."""
    merged = next((r for r in statement.references if is_merged(r.node)), None)
    block = next((b.merge for b in statement.layout.blocks if b.merge), None)
    whens = statement.tree.args["whens"].expressions
    if block is None or len(block.whens) != len(whens):
        raise _unsupported("a MERGE of this form")
    for clause, when in zip(block.whens, whens, strict=True):
        node = when.args["then"]
        if not isinstance(node, _WRITES) or merged is None:
            continue
        one = _nest(statement, node, make)
        one.within, one.merge = clause.action, statement
        one.references.append(replace(merged, role="target"))


def _nested(tree: exp.Expression) -> list[exp.Expression]:
    """The writes in the common table expressions of a statement."""
    return [cte.this for cte in tree.find_all(exp.CTE) if isinstance(cte.this, _WRITES)]


def _nest(
    statement: _Statement, node: exp.Expression, make: type[_Statement]
) -> _Statement:
    """A nested write, with the references that are its own."""
    nested = make(
        statement.source,
        statement.dialect,
        statement.catalogue,
        statement.stand_in,
        node,
        statement.layout,
    )
    nested.named, nested.ends = statement.named, statement.ends
    statement.nested.append(nested)

    def is_its(reference: Reference) -> bool:
        node: object = reference.node
        while isinstance(node, exp.Expression) and node is not nested.tree:
            node = node.parent
        return node is nested.tree

    nested.references = [r for r in statement.references if is_its(r)]
    statement.references = [r for r in statement.references if not is_its(r)]
    return nested


def _place_nested(nested: Statement) -> None:
    """Tell where a write in a WITH begins and ends."""
    target = nested.target
    if target is None:
        raise _unsupported("a write to a table that is not known, within WITH")
    around = [
        (start, end)
        for start, end in nested.layout.close.items()
        if start < target.token < end
    ]
    start, end = max(around, default=(0, 0))
    nested.within = (start + 1, end)


def _named(tree: exp.Expression) -> frozenset[int]:
    """Where names stand; to be asked before the tree is edited."""
    leaves = list[exp.Expression](tree.find_all(exp.Identifier))
    for owner in tree.find_all(exp.Update, exp.OnConflict):
        for assignment in owner.expressions:
            leaves += assignment.this.find_all(exp.Literal)
    spans = (_sqlglot.span(leaf) for leaf in leaves)
    return frozenset(where[0] for where in spans if where is not None)


def layout_of(text: str, dialect: Dialect) -> Layout:
    """The layout of a stand-in text; raises ``ParseError``."""
    return Layout(spelled_out(_sqlglot.tokenize(text, dialect), dialect))


def tree_of(text: str, layout: Layout, dialect: Dialect) -> exp.Expression:
    """The tree of a stand-in text; raises ``ParseError``."""
    return mended(_sqlglot.parse(text, respelled(layout), dialect))


def _place(error: _sqlglot.ParseError) -> str:
    """Where the parser stopped; its words may hold the caller's."""
    where = error.errors[0] if error.errors else {}
    if "line" not in where:
        return ""
    return f" at line {where['line']}, column {where['col']}"


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
            raise _unsupported("a statement of this form")
        elif isinstance(node, (*_WRITES, exp.OnConflict)):
            self._check_write(node)
        elif isinstance(node, exp.Merge):
            self._check_merge(node)
        elif isinstance(node, exp.Lateral):
            self._check_lateral(node)
        elif isinstance(node, exp.Pivot):
            raise _unsupported("PIVOT")

    def _check_lateral(self, node: exp.Lateral) -> None:
        """``LATERAL (SELECT ...)`` and ``LATERAL f(...)``, and no LATERAL VIEW."""
        known = isinstance(node.this, exp.Subquery) or _is_call(node.this)
        hive = node.args.get("view") or node.args.get("outer")
        if not (known and self._dialect.laterals) or hive:
            raise _unsupported("LATERAL of this form")

    def _check_write(self, node: exp.Expression) -> None:
        """A SET takes nothing but assignments; sqlglot takes any expression."""
        within = isinstance(node, _WRITES) and node is not self._statement.tree
        in_with = self._dialect.writes_in_with and isinstance(node.parent, exp.CTE)
        acts = isinstance(node.parent, exp.When)
        if within and not (in_with or acts):
            raise _unsupported(f"{node.key.upper()} within a statement")
        if isinstance(node, exp.Delete) and not (acts or node.args.get("this")):
            raise _unsupported("DELETE without FROM")
        if not acts and _is_of_several(node, self._dialect):
            raise _unsupported(f"{node.key.upper()} of several tables")
        if isinstance(node, exp.Insert):
            return
        for one in node.expressions:
            if not isinstance(one, exp.EQ):
                raise _unsupported("what is no assignment in SET")

    def _check_merge(self, node: exp.Merge) -> None:
        """One relation or query, and actions that PostgreSQL 15 knows."""
        if node is not self._statement.tree:
            raise _unsupported("MERGE within a statement")
        if not isinstance(node.args.get("using"), _FROM_ITEMS):
            raise _unsupported("a MERGE that uses more than one relation")
        if node.args.get("returning") or node.args.get("using_cond"):
            raise _unsupported("MERGE with RETURNING, or with USING for its ON")
        for when in node.args["whens"].expressions:
            then = when.args["then"]
            nothing = isinstance(then, exp.Var) and then.name.upper() == "DO NOTHING"
            if when.args.get("source") or not (nothing or isinstance(then, _WRITES)):
                raise _unsupported("WHEN of a MERGE of this form")

    def _visit_list(self, node: exp.Expression | None, visible: "_Sight") -> None:
        """``x IN name``, or a call; a string after IN is the name of a table too."""
        parts = _parts(node) if isinstance(node, exp.Column) else []
        if node is None or isinstance(node, exp.Placeholder) or _is_call(node):
            return
        if not (parts and all(isinstance(part, exp.Identifier) for part in parts)):
            raise _unsupported("IN before what is neither a bare name nor a list")
        self._add(node, parts, "source", visible)

    def _check_item(self, node: exp.From | exp.Join) -> None:
        if not isinstance(node.this, _FROM_ITEMS):
            raise _unsupported(f"a {type(node.this).__name__.lower()} in FROM")
        if isinstance(node, exp.Join):
            kind = str(node.args.get("kind") or "").upper()
            method = str(node.args.get("method") or "").upper()
            if kind not in self._dialect.join_kinds or method not in ("", "NATURAL"):
                raise _unsupported(f"the join {method} {kind}".replace("  ", " "))

    def _visit_table(self, node: exp.Table, visible: "_Sight") -> None:
        if node.arg_key == "indexed":
            return
        for part, value in node.args.items():
            if value and part not in self._dialect.table_parts:
                raise _unsupported(f"{part} of a table")
        if isinstance(node.this, exp.Identifier):
            self._add(node, _parts(node), _role(node), visible)
        elif not (_is_call(node.this) or isinstance(node.this, exp.Values)):
            raise _unsupported("a table that is neither named nor called")

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
            raise _unsupported(f"{names[0]} of an outer WITH in an inner one")
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
            raise _unsupported(f"the name {'.'.join(names)} where it stands")
        if role == "source" and self._follows_table(first[0]):
            raise _unsupported("TABLE for SELECT * FROM")
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


def _is_of_several(node: exp.Expression, dialect: Dialect) -> bool:
    """Whether an UPDATE or DELETE may write to several tables, as MySQL's do."""
    if not isinstance(node, (exp.Update, exp.Delete)):
        return False
    target = node.this
    using = node.args.get("using") and not dialect.deletes_using
    alone = isinstance(target, exp.Table) and not target.args.get("joins")
    return bool(node.args.get("tables") or using) or not alone


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
    written = isinstance(parent, _WRITES)
    return "target" if written and node.arg_key == "this" else "source"


def _is_call(node: exp.Expression) -> bool:
    """Whether it is a call with parentheses: ``CURRENT_DATE`` may be a table's name."""
    called = node.expression if isinstance(node, exp.Dot) else node
    if isinstance(called, exp.Anonymous):
        return True
    return isinstance(called, exp.Func) and any(called.iter_expressions())


def _unsupported(what: str) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"{what} is not supported; rephrase the statement, or run it under bypass()",
        code="unsupported-construct",
    )
