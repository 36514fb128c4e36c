"""Full-text search beside rows that a filter hides.

An index holds the words of all rows: what it finds is filtered, how well it fits is
told by the words of hidden rows, too.

https://dev.mysql.com/doc/refman/8.4/en/fulltext-search.html
"""

from collections.abc import Collection
from itertools import pairwise
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi.errors import UnsupportedStatement

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft

__all__ = ["check_search"]

_CONNECTING = (exp.And, exp.Or, exp.Xor, exp.Not, exp.Paren)


def check_search(draft: "Draft", protected: Collection[str], *, strict: bool) -> None:
    """Refuse searches whose rows hidden ones decide; in strict mode relevances, too.

    Raises ``UnsupportedStatement``: unsupported-construct, dangerous-function.
    """
    words = draft.source.words
    read = [r.table for r in draft.references if r.table.key in protected]
    if "AGAINST" not in words or not read:
        return
    pairs = list(pairwise(words))
    if ("QUERY", "EXPANSION") in pairs:
        raise _refused(
            "it searches for the words of rows that a filter hides; leave it out",
            "WITH QUERY EXPANSION",
        )
    bare = words.count("AGAINST") > pairs.count(("BOOLEAN", "MODE"))
    if bare and not all(table.atomic for table in read):
        raise _refused(
            "by this engine it finds no word that half of the rows hold, hidden ones "
            "too; search IN BOOLEAN MODE",
            "MATCH",
        )
    searches = draft.tree.find_all(exp.MatchAgainst)
    if strict and not all(map(_is_condition, searches)):
        raise _refused(
            "as a number it tells of the words of rows that a filter hides; say it in "
            "WHERE, and compare it with nothing",
            "MATCH",
            code="dangerous-function",
        )


def _is_condition(search: exp.Expression) -> bool:
    """Whether all that is asked is if a row is found."""
    parent = search.parent
    while isinstance(parent, _CONNECTING):
        parent = parent.parent
    return isinstance(parent, exp.Where)


def _refused(
    why: str, what: str, *, code: str = "unsupported-construct"
) -> UnsupportedStatement:
    return UnsupportedStatement(f"{what} is refused: {why}", code=code)
