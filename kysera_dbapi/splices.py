"""Splices: SQL of ours put into the caller's text by position."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kysera_dbapi.binding import Bind
from kysera_dbapi.errors import UnsupportedStatement

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft

__all__ = [
    "Copy",
    "Fragment",
    "Splice",
    "Value",
    "conjoined",
    "spaced",
    "spell",
    "spelled_tables",
    "splice",
    "unproved",
]

#: SQL text with values of ours in it.
Fragment = tuple[str | Bind, ...]


class Copy(str):
    """A part of the caller's text, written once more with what is bound in it."""

    __slots__ = ("start",)
    start: int

    @classmethod
    def of(cls, text: str, start: int, end: int) -> "Copy":
        """``text[start:end]``."""
        copied = cls(text[start:end])
        copied.start = start
        return copied


@dataclass(frozen=True, slots=True)
class Splice:
    """Replace ``text[start:end]``; ``rank`` orders those at one place.

    ``proof`` stands in for ``parts`` in the text that is proved.
    """

    start: int
    end: int
    parts: Fragment
    rank: int = 0
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """The SQL of a value: text, or a bound value of ours."""

    part: str | Bind


def unproved() -> UnsupportedStatement:
    """The refusal of edits that are not what was meant; it shows no text."""
    return UnsupportedStatement(
        "the edits could not be proved right; rephrase the statement",
        code="unproved-rewrite",
    )


def spell(parts: Fragment) -> str:
    """A fragment as text to parse, its values as ``?``."""
    return "".join(p if isinstance(p, str) else "?" for p in parts)


def splice(text: str, splices: Sequence[Splice]) -> str:
    """``text`` with the splices made, values as ``?``."""
    found: list[str] = []
    at = 0
    for one in sorted(splices, key=lambda s: (s.start, s.rank)):
        found.append(text[at : one.start])
        found.append(spell(one.parts) if one.proof is None else one.proof)
        at = max(at, one.end)
    found.append(text[at:])
    return "".join(found)


def conjoined(fragments: Sequence[Fragment]) -> Fragment:
    parts: list[str | Bind] = []
    for fragment in fragments:
        parts += [" AND "] if parts else []
        parts += fragment
    return tuple(parts)


def spaced(draft: "Draft", at: int, parts: Fragment) -> Fragment:
    """``parts``, with a blank after them if a word follows at once."""
    after = draft.text[at : at + 1]
    return (
        (*parts, " ")
        if after.isalnum() or (after in ("_", '"', "'", "[") and after)
        else parts
    )


def spelled_tables(draft: "Draft") -> list[Splice]:
    """``TABLE t`` as ``SELECT * FROM t``, where an edit has no place in it."""
    found: list[Splice] = []
    for block in draft.layout.blocks:
        start, end = draft.start_of(block.start), draft.end_of(block.start)
        stop = draft.end_of(block.tail - 1)
        edited = any(start < one.start <= stop for one in draft.splices)
        if (
            edited
            and block.source is not None
            and draft.start_of(block.source) == start
        ):
            found.append(Splice(start, end, ("SELECT *",)))
            found.append(Splice(end, end, (" FROM",), rank=9))
    return found
