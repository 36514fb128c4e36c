"""Which values a column of MySQL or MariaDB holds as they are given.

Where ``sql_mode`` is not strict, and under IGNORE, another is stored in the place of
one that does not fit: the largest number that does, the beginning of a text.
https://dev.mysql.com/doc/refman/en/sql-mode.html#sql-mode-strict
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Column

__all__ = ["fitting"]

_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_TYPE = re.compile(r"(?P<base>\w+)(?:\((?P<size>\d+)\))?")
_BYTES = {"tinytext": 1 << 8, "text": 1 << 16, "mediumtext": 1 << 24}


def fitting(column: "Column") -> Callable[[Any], bool] | None:
    """Whether a number or text is held as it is; None where that is not known."""
    found = _TYPE.match(column.type.lower())
    if found is None:
        return None
    base, size = found["base"], int(found["size"] or 0)
    if base in _BITS:
        return _in_range(_BITS[base], signed="unsigned" not in column.type.lower())
    if base in ("char", "varchar"):
        return _of_length(size, _alphabet(column), padded=base == "char")
    if base in _BYTES:
        return lambda value: len(value.encode()) < _BYTES[base]
    return None


def _in_range(bits: int, *, signed: bool) -> Callable[[Any], bool]:
    low = -(1 << bits - 1) if signed else 0
    high = low + (1 << bits) - 1
    return lambda value: low <= value <= high


def _of_length(
    size: int, known: Callable[[str], bool], *, padded: bool
) -> Callable[[Any], bool]:
    """CHAR gives a text without the blanks at its end."""

    def fits(value: str) -> bool:
        cut = padded and value[-1:] == " "
        return len(value) <= size and not cut and (value.isascii() or known(value))

    return fits


def _alphabet(column: "Column") -> Callable[[str], bool]:
    """Whether a column's character set has the letters of a text."""
    charset = column.collate.partition("_")[0]
    if charset == "utf8mb4":
        return lambda _: True
    if charset in ("utf8", "utf8mb3"):
        return lambda value: max(value) <= "\uffff"
    return lambda _: False
