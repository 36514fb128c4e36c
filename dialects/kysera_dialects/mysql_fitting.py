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

from kysera_dialects.mysql_types import BLOBS, LONG_TEXTS, TEXTS, WHOLE, Type, parsed

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Column

__all__ = ["fitting", "types_of"]

_Fits = Callable[[Any], bool]
#: Whether the letters of a text, which is not of ASCII alone, are known.
_Alphabet = Callable[[str], bool]

#: The types whose values are equal if, and only if, they are the same. There is none
#: for numbers that are rounded, for moments and for documents.
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys((*WHOLE, "bit", "year"), (int,)),
    **dict.fromkeys((*TEXTS, "enum", "set"), (str,)),
    **dict.fromkeys(("binary", "varbinary", *BLOBS), (bytes, str)),
    "decimal": (int, Decimal),
    "date": (date,),
    "uuid": (UUID, str),
}
_MEMBER = re.compile(r"'((?:[^']|'')*)'")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def types_of(type_: str) -> tuple[type, ...]:
    """The types of values that equal a column's if they are the same; () if none do."""
    return _TYPES.get(parsed(type_).base, ())


def fitting(column: "Column", *, narrow: bool) -> _Fits | None:
    """Whether a value of those types is held as it is; None where that is not known.

    A ``narrow`` session sends no letters beyond U+FFFF.
    """
    type_ = parsed(column.type)
    made = _FITTING.get(type_.base)
    return made(type_, _alphabet(column, narrow=narrow)) if made else None


def _of_bytes(least: int, most: int, known: _Alphabet) -> _Fits:
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


def _of_scale(type_: Type) -> _Fits:
    unit: int = 10**type_.scale
    high: int = 10**type_.size
    low = -1 if type_.unsigned else -high

    def fits(value: int | Decimal) -> bool:
        if isinstance(value, Decimal) and not value.is_finite():
            return False
        units = Fraction(value) * unit
        return units.denominator == 1 and low < units < high

    return fits


def _of_years(type_: Type) -> _Fits:
    """Of four digits: 70 is 1970."""
    return lambda value: type_.size != 2 and 1901 <= value <= 2155


def _is_day(value: date) -> bool:
    return value.year > 999 and not isinstance(value, datetime)


def _is_uuid(value: str | UUID) -> bool:
    return _UUID.fullmatch(str(value)) is not None


def _member(listed: str) -> _Fits:
    """A member as it is spelled: ``'3'`` may be the third, ``'a,b'`` is two.

    The server shows some letters by a backslash, or as a question mark.
    """
    members = {said.replace("''", "'") for said in _MEMBER.findall(listed)}
    plain = {said for said in members if "\\" not in said and "?" not in said}
    return lambda value: value in plain


def _of_length(size: int, known: _Alphabet, *, padded: bool) -> _Fits:
    """CHAR gives a text without the blanks at its end."""

    def fits(value: str) -> bool:
        cut = padded and value[-1:] == " "
        return len(value) <= size and not cut and (value.isascii() or known(value))

    return fits


def _alphabet(column: "Column", *, narrow: bool) -> _Alphabet:
    """Whether the character sets of column and session have the letters of a text."""
    charset = column.collate.partition("_")[0]
    if charset in ("utf8mb4", "") and not narrow:
        return lambda _: True
    if charset in ("utf8mb4", "utf8", "utf8mb3", ""):
        return lambda value: max(value) <= "\uffff"
    return lambda _: False


_BYTES = LONG_TEXTS | BLOBS
_FITTING: dict[str, Callable[[Type, _Alphabet], _Fits]] = {
    **dict.fromkeys(
        WHOLE, lambda type_, _: _in_range(WHOLE[type_.base], signed=not type_.unsigned)
    ),
    **dict.fromkeys(
        _BYTES, lambda type_, known: _of_bytes(0, _BYTES[type_.base] - 1, known)
    ),
    **dict.fromkeys(("enum", "set"), lambda type_, _: _member(type_.rest)),
    "decimal": lambda type_, _: _of_scale(type_),
    "bit": lambda type_, _: _in_range(type_.size or 1, signed=False),
    "year": lambda type_, _: _of_years(type_),
    "char": lambda type_, known: _of_length(type_.size, known, padded=True),
    "varchar": lambda type_, known: _of_length(type_.size, known, padded=False),
    # a shorter one gets zeros
    "binary": lambda type_, known: _of_bytes(type_.size, type_.size, known),
    "varbinary": lambda type_, known: _of_bytes(0, type_.size, known),
    "date": lambda _, __: _is_day,
    "uuid": lambda _, __: _is_uuid,
}
