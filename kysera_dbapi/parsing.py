"""Parse a text: its tree, its layout, and the writes that are nested in it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.layout import Layout
from kysera_dbapi.merge import is_merged, mended
from kysera_dbapi.respelling import respelled, spelled_out
from kysera_dbapi.source import Source
from kysera_dbapi.stand_in import check_tokens, ends_of, pieces_of
from kysera_dbapi.statement import WRITES, Reference, Statement
from kysera_dbapi.targets import add_targets
from kysera_dbapi.walker import add_references, unsupported

__all__ = ["layout_of", "parse", "tree_of"]

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
        layout = _laid_out(tokens, dialect)
        tree = tree_of(stand_in, layout, dialect)
    except _sqlglot.ParseError as error:
        cure = dialect.advice(source.words) or "mend it"
        raise UnsupportedStatement(
            f"the statement does not parse{_place(error)}; {cure}, or run it under "
            "bypass() if it touches no protected table",
            code="unparsed-statement",
        ) from error
    if not isinstance(tree, (exp.Command, *_TREES[source.kind])):
        raise unsupported("a statement that may be read in two ways")
    statement = make(source, dialect, catalogue, stand_in, tree, layout, conflict)
    statement.ends = ends_of(source, pieces)
    add_references(statement)
    statement.named = _named(tree)
    add_targets(statement, make)
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
        raise unsupported("a MERGE of this form")
    for clause, when in zip(block.whens, whens, strict=True):
        node = when.args["then"]
        if not isinstance(node, WRITES) or merged is None:
            continue
        one = _nest(statement, node, make)
        one.within, one.merge = clause.action, statement
        one.references.append(replace(merged, role="target"))


def _nested(tree: exp.Expression) -> list[exp.Expression]:
    """The writes in the common table expressions of a statement."""
    return [cte.this for cte in tree.find_all(exp.CTE) if isinstance(cte.this, WRITES)]


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
        raise unsupported("a write to a table that is not known, within WITH")
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
    return _laid_out(_sqlglot.tokenize(text, dialect), dialect)


def _laid_out(tokens: Sequence[_sqlglot.Token], dialect: Dialect) -> Layout:
    nests, crosses_on = dialect.comma_binds_looser, dialect.crosses_on
    return Layout(spelled_out(tokens, dialect), nests=nests, crosses_on=crosses_on)


def tree_of(text: str, layout: Layout, dialect: Dialect) -> exp.Expression:
    """The tree of a stand-in text; raises ``ParseError``."""
    return mended(_sqlglot.parse(text, respelled(layout), dialect))


def _place(error: _sqlglot.ParseError) -> str:
    """Where the parser stopped; its words may hold the caller's."""
    where = error.errors[0] if error.errors else {}
    if "line" not in where:
        return ""
    return f" at line {where['line']}, column {where['col']}"
