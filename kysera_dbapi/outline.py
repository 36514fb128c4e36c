"""A final text before its placeholders are counted: a list may have any number.

What it becomes for some number of them needs no parser.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kysera_dbapi.binding import Bind, Binding
from kysera_dbapi.dialect import Style
from kysera_dbapi.params import Slot, arrange
from kysera_dbapi.shape import Shape

__all__ = ["Arrangement", "Mark", "Outline", "Piece", "Program"]

#: The placeholders in each list whose number is not always the same; row by row if
#: values of ours come between the rows.
Arrangement = tuple[tuple[int, ...], ...]
#: A piece of a final text: itself, or the number of a literal or list of the caller's;
#: with it what is put before the closing parenthesis of each row of the list.
Piece = str | int | tuple[int, str]


@dataclass(frozen=True, slots=True)
class Program:
    """A final text and how its values are put together."""

    pieces: tuple[Piece, ...]
    binding: Binding
    #: Whether a driver formats it that would not format the caller's text.
    doubles: bool = False

    def spelled(self, shape: Shape) -> str:
        """The text, with the literals of one statement of the shape."""
        literals: Sequence[str] = shape.given()
        if self.doubles:
            literals = [literal.replace("%", "%%") for literal in literals]
        return "".join(
            [
                piece
                if isinstance(piece, str)
                else literals[piece]
                if isinstance(piece, int)
                else shape.lists.extended(literals[piece[0]], piece[1])
                for piece in self.pieces
            ]
        )


class Mark(NamedTuple):
    """What stands in the caller's text: a placeholder, a literal or a list.

    ``number`` counts all of these, ``literal`` the literals and lists.
    """

    number: int
    literal: int | None
    #: How its placeholders are written; empty if it has none.
    token: str = ""
    #: What is put before the closing parenthesis of each row.
    rows: tuple[str | Bind, ...] = ()

    @property
    def binds(self) -> list[Bind]:
        """The values of ours in each row."""
        return [part for part in self.rows if isinstance(part, Bind)]


@dataclass(frozen=True, slots=True)
class Outline:
    """A final text in parts: SQL, values of ours, and what is the caller's.

    ``marks`` are all of the caller's in the order of his text, ``binds`` the values of
    the plan. ``sigil`` stands before the numbers of placeholders. With ``once`` each
    value is bound once, however often it stands in the text.
    """

    marks: tuple[Mark, ...]
    parts: tuple[str | Bind | Mark, ...]
    binds: tuple[Bind, ...]
    style: Style
    sigil: str = "?"
    once: bool = False
    #: As of the program.
    doubles: bool = False
    #: The lists on whose placeholders the program depends.
    varying: tuple[Mark, ...] = field(init=False)

    def __post_init__(self) -> None:
        lists = (mark for mark in self.marks if mark.literal is not None)
        varying = (m for m in lists if m.token or (m.binds and not self._once))
        object.__setattr__(self, "varying", tuple(varying))

    @property
    def _once(self) -> bool:
        return self.once or self.style not in ("?", "%s")

    def arrangement(self, shape: Shape) -> Arrangement:
        """What the program depends on in a statement of the shape."""
        return tuple(self._counts(mark, shape) for mark in self.varying)

    def _counts(self, mark: Mark, shape: Shape) -> tuple[int, ...]:
        assert mark.literal is not None
        total = shape.folds[mark.literal]
        if not mark.binds:
            return (total,)
        counts = shape.lists.by_row(shape.given()[mark.literal])
        # a value that is bound once has its place in the first row
        return (counts[0], total - counts[0]) if self._once else counts

    def program(self, arrangement: Arrangement) -> Program:
        """The program for so many placeholders."""
        tokens, runs = self._callers(arrangement)
        slots: list[Slot] = []
        starts: list[int] = []
        for part in self.parts:
            starts.append(len(slots))
            if isinstance(part, Bind):
                slots.append(part)
            elif isinstance(part, Mark):
                slots += _slots(part, runs[part.number])
        spelled, binding = arrange(
            tokens, slots, self.binds, self.style, sigil=self.sigil, once=self.once
        )
        pieces = (
            part if isinstance(part, str) else _piece(part, spelled, at)
            for part, at in zip(self.parts, starts, strict=True)
        )
        return Program(tuple(pieces), binding, self.doubles)

    def _callers(self, arrangement: Arrangement) -> tuple[list[str], list[list[range]]]:
        """The placeholders of the caller's text, and which of them are each mark's."""
        counted = {m.number: c for m, c in zip(self.varying, arrangement, strict=True)}
        tokens: list[str] = []
        runs: list[list[range]] = []
        for mark in self.marks:
            runs.append([])
            for count in counted.get(mark.number, (int(mark.literal is None),)):
                runs[-1].append(range(len(tokens), len(tokens) + count))
                tokens += [mark.token] * count
        return tokens, runs


def _slots(mark: Mark, runs: Sequence[range]) -> Iterator[Slot]:
    ours = mark.binds
    for run in runs:
        yield run.start if mark.literal is None else run
        yield from ours


def _piece(part: Bind | Mark, spelled: Sequence[str], at: int) -> Piece:
    """A part whose first slot is spelled at ``at``."""
    if isinstance(part, Bind) or part.literal is None:
        return spelled[at]
    if not part.rows:
        return part.literal
    extension = ""
    for one in part.rows:  # as in the first row, so in all
        at += isinstance(one, Bind)
        extension += one if isinstance(one, str) else spelled[at]
    return part.literal, extension
