"""Values that a column of MySQL stores as they are given, in every sql_mode.

https://dev.mysql.com/doc/refman/8.4/en/sql-mode.html#sql-mode-strict: in other modes a
value is cut, rounded, or brought into the range of its type.
"""

from collections.abc import Sequence

from kysera_dialects.mysql_types import WHOLE, parsed

__all__ = ["stored"]


def stored(
    type_: str, collation: str, *, null: bool
) -> tuple[Sequence[str], Sequence[str]] | None:
    """What makes a value one of the column's, and says that it is stored as it is.

    The value comes between the pieces of each. None of other types.
    """
    base, size, scale, unsigned, rest = parsed(type_)
    if rest:  # ZEROFILL adds digits
        return None
    if base in WHOLE:
        typed, kept = _whole(WHOLE[base], unsigned=unsigned)
    elif base == "decimal":
        typed, kept = _exact(f"DECIMAL({size or 10},{scale})", unsigned=unsigned)
    elif base in ("date", "datetime") and not size:
        typed, kept = _written(base.upper())
    elif base in ("char", "varchar") and collation.startswith("utf8mb4_"):
        typed, kept = _text(collation, size, fixed=base == "char")
    else:
        return None
    if null:
        kept = ("(", f" IS NULL OR {kept[0]}", *kept[1:-1], f"{kept[-1]})")
    return typed, kept


def _written(type_: str) -> tuple[Sequence[str], Sequence[str]]:
    """A value that is written as one of the type is: ``'7a'`` and ``7.5`` are not."""
    cast = ("CAST(", f" AS {type_})")
    return cast, ("(CAST(", " AS BINARY) = CAST(CAST(", f" AS {type_}) AS BINARY))")


def _whole(bits: int, *, unsigned: bool) -> tuple[Sequence[str], Sequence[str]]:
    type_ = "UNSIGNED" if unsigned else "SIGNED"
    low, high = (
        (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    cast, (first, between, last) = _written(type_)
    ranged = " AND CAST(", f" AS {type_}) BETWEEN {low} AND {high})"
    return cast, (first, between, f"{last[:-1]}{ranged[0]}", ranged[1])


def _exact(type_: str, *, unsigned: bool) -> tuple[Sequence[str], Sequence[str]]:
    """A number, or digits, that nothing is rounded off: 5 is 5.00 in such a column.

    MySQL takes ``X'35'`` for a number, but not within an expression.
    """
    digits = f"^{'' if unsigned else '-?'}[0-9]+([.][0-9]+)?$"
    text = ("(CHARSET(CONCAT(", ")) <> 'binary' AND CAST(")
    kept = (*text, f" AS CHAR) REGEXP '{digits}' AND CAST(", f" AS {type_}) = ", ")")
    return ("CAST(", f" AS {type_})"), kept


def _text(
    collation: str, size: int, *, fixed: bool
) -> tuple[Sequence[str], Sequence[str]]:
    """A string that fits; of fixed length, one that nothing is added to or cut from.

    A number would be stored as its digits, which depend on the length.
    """
    cast = ("CONVERT(", f" USING utf8mb4) COLLATE {collation}")
    string = ("(COERCIBILITY(", ") = 4 AND ")
    if fixed:
        whole = "CHAR_LENGTH(TRIM(TRAILING ' ' FROM CONVERT("
        return cast, (string[0], string[1] + whole, f" USING utf8mb4))) = {size})")
    whole = "CHAR_LENGTH(CONVERT("
    return cast, (string[0], string[1] + whole, f" USING utf8mb4)) <= {size})")
