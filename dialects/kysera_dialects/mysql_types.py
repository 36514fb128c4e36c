"""The types of columns, as ``information_schema.COLUMNS.COLUMN_TYPE`` tells them.

https://dev.mysql.com/doc/refman/8.4/en/data-types.html
"""

import re
from typing import NamedTuple

__all__ = [
    "BLOBS",
    "LONG_TEXTS",
    "MOMENTS",
    "OTHERS",
    "POINTED_TO",
    "TEXTS",
    "WHOLE",
    "Type",
    "parsed",
]

#: Whole numbers, and how many bits they have.
WHOLE = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
MOMENTS = ("date", "datetime", "timestamp")
_BYTES = {"tiny": 1 << 8, "": 1 << 16, "medium": 1 << 24, "long": 1 << 32}
#: Long texts and blobs, and how many bytes are too many.
LONG_TEXTS = {f"{prefix}text": count for prefix, count in _BYTES.items()}
BLOBS = {f"{prefix}blob": count for prefix, count in _BYTES.items()}
TEXTS = ("char", "varchar", *LONG_TEXTS)
_SHAPES = (
    *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring"),
    *("multipolygon", "geometrycollection", "geomcollection"),
)
#: Neither numbers, nor moments, nor texts.
OTHERS = (
    *("binary", "varbinary", *BLOBS, "json", "enum", "set", "time", "year", "uuid"),
    *("inet4", "inet6", "vector", *_SHAPES),
)
#: Those whose values lie beside the row, which points to them.
POINTED_TO = frozenset((*LONG_TEXTS, *BLOBS, "json", "vector", *_SHAPES))

_TYPE = re.compile(
    r"(\w+)(?:\((\d+)(?:,(\d+))?\))?( unsigned)?(.*)", re.IGNORECASE | re.DOTALL
)


class Type(NamedTuple):
    """A type: its name in lower case, the numbers after it (or 0), and the rest."""

    base: str
    size: int
    scale: int
    unsigned: bool
    rest: str


def parsed(type_: str) -> Type:
    """The parts of a type; its name is empty if it has none."""
    found = _TYPE.fullmatch(type_)
    base, size, scale, unsigned, rest = found.groups("") if found else ("",) * 5
    return Type(base.lower(), int(size or 0), int(scale or 0), bool(unsigned), rest)
