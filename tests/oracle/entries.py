"""Statements written by hand, and what is to come of each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from tests.oracle.draft import Params, Statement

Text: TypeAlias = str | tuple[str, Params]


@dataclass(frozen=True)
class Entry:
    """A statement, and what is to come of it."""

    id: str
    category: str
    sql: str
    params: Params = ()
    kind: str = "query"
    target: str = ""
    refused: str = ""  # why it cannot be right
    empty: bool = False  # nothing is to be seen, and that is the point

    def statement(self) -> Statement:
        ordered = self.kind == "query" and "ORDER BY 1" in self.sql
        return Statement(self.kind, self.sql, self.params, ordered, self.target)


def entries(category: str, texts: Mapping[str, Text]) -> list[Entry]:
    return [
        Entry(f"{category}-{name}", category, text)
        if isinstance(text, str)
        else Entry(f"{category}-{name}", category, *text)
        for name, text in texts.items()
    ]


def writes(kind: str, target: str, texts: Mapping[str, Text]) -> list[Entry]:
    return [replace(entry, kind=kind, target=target) for entry in entries(kind, texts)]


def refused(reason: str, category: str, texts: Mapping[str, Text]) -> list[Entry]:
    return [
        replace(entry, refused=reason, kind="other")
        for entry in entries(category, texts)
    ]


def empty(category: str, texts: Mapping[str, Text]) -> list[Entry]:
    return [replace(entry, empty=True) for entry in entries(category, texts)]
