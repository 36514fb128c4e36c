"""How much of a statement is taken on: what would take for ever is refused at once."""

from collections.abc import Sequence

from kysera_dbapi import _sqlglot
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.statement import Source, Statement

__all__ = ["check_relations", "check_text", "is_shallow"]

#: Nested parentheses that any stack has room for.
_SHALLOW = 12
#: sqlglot takes twice as long for each JOIN that is not followed by ON (in 30.30).
_OPEN_JOINS = 12
#: Relations in one statement; databases take a few hundred a query.
_RELATIONS = 2_000


def check_text(source: Source) -> None:
    """Refuse what nests too deep or would be parsed too long."""
    depth = _depth(source.words)
    if depth > _sqlglot.MAX_DEPTH:
        raise UnsupportedStatement(
            f"parentheses nest {depth} deep, at most {_sqlglot.MAX_DEPTH} are "
            "understood; use WITH or a temporary table",
            code="too-deep",
        )
    joins = _open_joins(source.words)
    if joins > _OPEN_JOINS:
        raise _too_much(f"{joins} joins in a row without a condition", _OPEN_JOINS)


def check_relations(statement: Statement) -> None:
    """Refuse statements that name too many relations."""
    count = len(statement.references)
    if count > _RELATIONS:
        raise _too_much(f"{count} relations", _RELATIONS)


def is_shallow(source: Source) -> bool:
    """Whether it can be tried on the caller's own stack."""
    return _depth(source.words) <= _SHALLOW


def _too_much(what: str, limit: int) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"the statement has {what}, at most {limit} are understood; split it",
        code="unsupported-construct",
    )


def _depth(words: Sequence[str]) -> int:
    depth = deepest = 0
    for word in words:
        if word == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif word == ")":
            depth -= 1
    return deepest


def _open_joins(words: Sequence[str]) -> int:
    """The most JOINs at one place whose ON or USING is yet to come, or never comes."""
    count = most = 0
    outer = [0]
    for i, word in enumerate(words):
        if word == "(":
            outer.append(count)
        elif word == ")":
            count = outer.pop() if len(outer) > 1 else 0
        elif word == "JOIN" and _CLOSED.isdisjoint(words[max(i - 3, 0) : i]):
            count += 1
            most = max(most, count)
        elif word in ("ON", "USING"):
            count = max(count - 1, outer[-1])
        elif word in ("FROM", "WHERE", "UNION", "EXCEPT", "INTERSECT"):
            count = outer[-1]
    return most


_CLOSED = frozenset(("CROSS", "NATURAL"))
