"""Which values a column of MySQL or MariaDB equals and holds as they are given.

A column is compared with a value of another type as something else: ``'7a'`` is a 7,
and ``'x'`` a 0. Where ``sql_mode`` is not strict, and under IGNORE, another is stored
in the place of one that does not fit: the largest number that does, the beginning of a
text. https://dev.mysql.com/doc/refman/en/sql-mode.html#sql-mode-strict
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Column

__all__ = ["fitting", "types_of"]

_Fits = Callable[[Any], bool]

_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_LONG = {"tiny": 1 << 8, "": 1 << 16, "medium": 1 << 24, "long": 1 << 32}
_BYTES = {prefix + kind: n for prefix, n in _LONG.items() for kind in ("text", "blob")}
#: The types whose values are equal if, and only if, they are the same. There is none
#: for numbers that are rounded, for moments and for documents.
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys((*_BITS, "bit", "year"), (int,)),
    **dict.fromkeys(("char", "varchar", "enum", "set"), (str,)),
    **dict.fromkeys(("binary", "varbinary"), (bytes, str)),
    **{name: (bytes, str) if "blob" in name else (str,) for name in _BYTES},
    "decimal": (int, Decimal),
    "date": (date,),
    "uuid": (UUID, str),
}
_TYPE = re.compile(r"(?P<base>\w+)(?:\((?P<size>\d+)(?:,(?P<scale>\d+))?\))?")
_MEMBER = re.compile(r"'((?:[^']|'')*)'")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def types_of(type_: str) -> tuple[type, ...]:
    """The types of values that equal a column's if they are the same; () if none do."""
    found = _TYPE.match(type_.lower())
    return _TYPES.get(found["base"], ()) if found else ()


def fitting(column: "Column", *, narrow: bool) -> _Fits | None:
    """Whether a value of those types is held as it is; None where that is not known.

    A ``narrow`` session sends no letters beyond U+FFFF.
    """
    type_ = column.type.lower()
    found = _TYPE.match(type_)
    if found is None:
        return None
    base, size = found["base"], int(found["size"] or 0)
    signed = "unsigned" not in type_
    known = _alphabet(column, narrow=narrow)
    if base in _BITS:
        return _in_range(_BITS[base], signed=signed)
    if base in ("char", "varchar"):
        return _of_length(size, known, padded=base == "char")
    if base in _BYTES:
        return _of_bytes(0, _BYTES[base] - 1, known)
    if base == "decimal":
        return _of_scale(size, int(found["scale"] or 0), signed=signed)
    made: dict[str, _Fits] = {
        "bit": _in_range(size or 1, signed=False),
        "year": lambda value: size != 2 and 1901 <= value <= 2155,  # 70 is 1970
        "binary": _of_bytes(size, size, known),  # others get zeros
        "varbinary": _of_bytes(0, size, known),
        "date": lambda value: value.year > 999 and not isinstance(value, datetime),
        "uuid": lambda value: _UUID.fullmatch(str(value)) is not None,
        **dict.fromkeys(("enum", "set"), _member(column.type)),
    }
    return made.get(base)


def _of_bytes(least: int, most: int, known: Callable[[str], bool]) -> _Fits:
    def fits(value: str | bytes) -> bool:
        if isinstance(value, str):
            if not (value.isascii() or known(value)):
                return False
            value = value.encode()
        return least <= len(value) <= most

    return fits


def _in_range(bits: int, *, signed: bool) -> _Fits:
    low = -(1 << bits - 1) if signed else 0
    high = low + (1 << bits) - 1
    return lambda value: low <= value <= high


def _of_scale(size: int, scale: int, *, signed: bool) -> _Fits:
    unit: int = 10**scale
    high: int = 10**size

    def fits(value: int | Decimal) -> bool:
        if isinstance(value, Decimal) and not value.is_finite():
            return False
        units = Fraction(value) * unit
        return units.denominator == 1 and (-high if signed else -1) < units < high

    return fits


def _member(type_: str) -> _Fits:
    """A member as it is spelled: ``'3'`` may be the third, ``'a,b'`` is two.

    The server shows some letters by a backslash, or as a question mark.
    """
    members = {said.replace("''", "'") for said in _MEMBER.findall(type_)}
    plain = {said for said in members if "\\" not in said and "?" not in said}
    return lambda value: value in plain


def _of_length(size: int, known: Callable[[str], bool], *, padded: bool) -> _Fits:
    """CHAR gives a text without the blanks at its end."""

    def fits(value: str) -> bool:
        cut = padded and value[-1:] == " "
        return len(value) <= size and not cut and (value.isascii() or known(value))

    return fits


def _alphabet(column: "Column", *, narrow: bool) -> Callable[[str], bool]:
    """Whether the character sets of column and session have the letters of a text."""
    charset = column.collate.partition("_")[0]
    if charset in ("utf8mb4", "") and not narrow:
        return lambda _: True
    if charset in ("utf8mb4", "utf8", "utf8mb3", ""):
        return lambda value: max(value) <= "\uffff"
    return lambda _: False
