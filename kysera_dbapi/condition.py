"""Conditions whose names are all columns of the relation that they are about."""

from functools import lru_cache

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.predicate import OWN, Piece, Predicate

__all__ = ["condition"]

#: Functions in conditions of ours are the database's own.
_NOTHING_KNOWN = Catalogue(known=False)
_TIGHT = (exp.Is, exp.EQ, exp.NEQ, exp.In, exp.Not, exp.Boolean, exp.Paren)


@lru_cache(maxsize=1024)
def condition(shown: str, dialect: Dialect) -> Predicate:
    """The predicate of a condition whose unqualified names are all columns.

    Raises ``UnsupportedStatement`` (unparsed-statement) for text that is no condition.
    """
    sql = dialect.pinned(shown, _NOTHING_KNOWN)
    try:
        tree = _sqlglot.expression(sql, dialect)
    except _sqlglot.ParseError as error:
        raise UnsupportedStatement(
            f"not a condition: {shown}", code="unparsed-statement"
        ) from error
    columns = [c.this for c in tree.find_all(exp.Column) if not c.table]
    pieces: list[Piece] = []
    at = 0
    for start, _ in sorted(where for c in columns if (where := _sqlglot.span(c))):
        pieces += [sql[at:start], OWN]
        at = start
    pieces.append(sql[at:])
    return Predicate(shown, tuple(pieces), isinstance(tree, _TIGHT))
