"""Placeholder styles, and where the shim's own values go among the caller's.

The styles are read from the text, never from the module's ``paramstyle``: SQLite
takes ``?``, ``?1``, ``:a``, ``@a`` and ``$a`` side by side
(https://www.sqlite.org/lang_expr.html#varparam), and Django sends ``%s`` through a
cursor class that translates it below the proxy.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import add, call
from typing import Any, Literal, cast

from kysera_dbapi.errors import ProgrammingError, UnsupportedStatement
from kysera_dbapi.shape import number_of

__all__ = ["Bind", "Binder", "Binding", "Parameters", "Slot", "Style", "arrange"]

#: The caller's values, as PEP 249 has them.
Parameters = Sequence[Any] | Mapping[str, Any]
#: Puts the values to send together from those that the caller gave.
Binder = Callable[[Any], Any]
#: qmark, numbered, named (``:a``, ``@a``, ``$a``), format, pyformat.
Style = Literal["?", "?1", ":a", "%s", "%(a)s"]

_RESERVED = re.compile(r"[:@$]_k\d|%\(_k\d")


@dataclass(frozen=True, eq=False, slots=True)
class Bind:
    """A value that the shim adds: asked for once an execution, never kept."""

    label: str
    source: Callable[[], object]


#: A placeholder of a final text: the caller's, by its place in his text, or ours.
Slot = int | Bind


@dataclass(frozen=True, slots=True)
class Binding:
    """How the values of a final text are put together.

    ``sources`` has an entry for each value of the final statement: the index of a
    caller's value, or ``-1 - i`` for the plan's value ``i``.
    """

    style: Style
    expected: int
    sources: tuple[int, ...]
    names: tuple[str, ...]
    #: Where the plan's values stand, each once and in order, if beside the caller's.
    ours: Literal["", "before", "after"] = field(init=False, default="")

    def __post_init__(self) -> None:
        theirs = tuple(range(self.expected))
        added = tuple(-1 - i for i in range(len(self.sources) - self.expected))
        if len(added) != len(self.names):
            return
        if self.sources == theirs + added:
            object.__setattr__(self, "ours", "after")
        elif self.sources == added + theirs:
            object.__setattr__(self, "ours", "before")

    @property
    def adds(self) -> bool:
        """Whether the values sent differ from those the caller gave."""
        return self.sources != tuple(range(self.expected))

    def bind(self, parameters: Parameters, values: tuple[object, ...]) -> Parameters:
        """The values to send: the caller's ``parameters`` and the plan's ``values``.

        Raises ``ProgrammingError``: placeholder-count when a sequence has a length
        other than the text asks for, placeholder-style when a mapping comes with
        positional placeholders, or what is neither.
        """
        if _is_mapping(parameters):
            return self._overlay(cast(Mapping[str, Any], parameters), values)
        if len(parameters) != self.expected:
            raise ProgrammingError(
                f"the statement has {self.expected} placeholders, got "
                f"{len(parameters)} values; pass one value a placeholder",
                code="placeholder-count",
            )
        given = cast(Sequence[Any], parameters)
        return tuple(given[i] if i >= 0 else values[-1 - i] for i in self.sources)

    def binder(self, sources: Sequence[Callable[[], object]]) -> Binder:
        """``bind`` with values that ``sources`` are asked for at each execution.

        This is the way of most executions, so tuples take no more than an addition.
        None goes to the driver as it is.
        """
        expected, ours = self.expected, self.ours
        plain: Any = tuple  # type checkers would make it a tuple of unknowns

        def bind(parameters: Any) -> Any:
            values = tuple(map(call, sources))
            if ours and type(parameters) is plain and len(parameters) == expected:
                return values + parameters if ours == "before" else parameters + values
            return parameters if parameters is None else self.bind(parameters, values)

        return bind

    def bind_many(
        self, rows: Iterable[Parameters], values: tuple[object, ...]
    ) -> Iterator[Parameters]:
        """As ``bind`` for each of ``rows``, lazily; in C where the rows are tuples."""
        if self.style in (":a", "%(a)s"):
            return (self.bind(row, values) for row in rows)
        given = map(self._row, rows)
        if self.ours == "after":
            return map(add, given, repeat(values))
        if self.ours == "before":
            return map(add, repeat(values), given)
        return (self.bind(row, values) for row in rows)

    def _row(self, row: Parameters) -> tuple[object, ...]:
        if not self.expected and _is_mapping(row):
            return ()
        if _is_mapping(row) or len(row) != self.expected:
            self.bind(row, ())  # raises
        return tuple(row)

    def _overlay(
        self, given: Mapping[str, Any], values: tuple[object, ...]
    ) -> Parameters:
        if not self.expected:
            return tuple(values[-1 - i] for i in self.sources)
        if self.style not in (":a", "%(a)s"):
            raise ProgrammingError(
                "the statement has positional placeholders, got a mapping of values; "
                "pass a sequence",
                code="placeholder-style",
            )
        own = dict(zip(self.names, values, strict=True))
        if self.style == "%(a)s":  # the class that translates them goes over the names
            return {**given, **own}
        return _Overlay(given, own)


class _Overlay(dict[str, Any]):
    """The plan's values by name, and behind them the caller's mapping, untouched."""

    def __init__(self, given: Mapping[str, Any], own: dict[str, object]) -> None:
        super().__init__(own)
        self._given = given

    def __missing__(self, key: str) -> Any:
        return self._given[key]


def _is_mapping(parameters: object) -> bool:
    """Whether values come by their names; raises for what holds no values."""
    if isinstance(parameters, (tuple, list)):
        return False
    if not hasattr(type(parameters), "__getitem__"):
        raise ProgrammingError(
            "the values of a statement must be a sequence or a mapping, got "
            f"{type(parameters).__name__}; write (value,) for a single one",
            code="placeholder-style",
        )
    return isinstance(parameters, Mapping) or not hasattr(parameters, "__len__")


def arrange(
    tokens: Sequence[str],
    slots: Sequence[Slot],
    binds: Sequence[Bind],
    *,
    default: Style = "?",
) -> tuple[list[str], Binding]:
    """Spell the placeholders of a final text, and say where its values come from.

    ``tokens`` are the placeholders of the caller's text in order, ``slots`` those of
    the final text, ``binds`` the plan's values. A text without placeholders takes
    the ``default`` style. Raises ``UnsupportedStatement``: reserved-name if the caller
    uses a name of ours, unsupported-construct for ``?0`` and the like.
    """
    for token in tokens:
        if _RESERVED.match(token):
            raise UnsupportedStatement(
                f"the placeholder {token} uses the reserved prefix _k; rename it",
                code="reserved-name",
            )
        if token[0] == "?" and token != "?" and not number_of(token):
            raise UnsupportedStatement(
                f"the placeholder {token:.9} has a number that no database takes",
                code="unsupported-construct",
            )
    indices, expected = _number(tokens)
    style = _style(tokens) or default
    adds = any(isinstance(slot, Bind) for slot in slots)
    numbered = any(token[0] == "?" and token != "?" for token in tokens)
    if adds and numbered and style == ":a":
        raise UnsupportedStatement(
            "numbered and named placeholders are mixed in a statement that gets values "
            "of a plugin; use one kind",
            code="unsupported-construct",
        )
    explicit = style == "?1" and adds
    spelled = [
        _spell_bind(style, binds.index(slot), expected)
        if isinstance(slot, Bind)
        else f"?{indices[slot] + 1}"
        if explicit and tokens[slot] == "?"
        else tokens[slot]
        for slot in slots
    ]
    final, count = _number(spelled)
    sources = list(range(count))
    for index, slot in zip(final, slots, strict=True):
        if isinstance(slot, Bind):
            sources[index] = -1 - binds.index(slot)
        else:
            sources[index] = indices[slot]
    names = tuple(f"_k{i}" for i in range(len(binds)))
    return spelled, Binding(style, expected, tuple(sources), names)


def _number(tokens: Sequence[str]) -> tuple[list[int], int]:
    """The index that each placeholder binds, as SQLite counts, but from 0."""
    names: dict[str, int] = {}
    indices: list[int] = []
    count = 0
    for token in tokens:
        if token[0] == "?" and token != "?":
            index = number_of(token) - 1
        elif token in ("?", "%s"):
            index = count
        else:
            index = names.setdefault(token, count)
        count = max(count, index + 1)
        indices.append(index)
    return indices, count


def _style(tokens: Sequence[str]) -> Style | None:
    heads = {token[0] for token in tokens}
    if heads & set(":@$"):
        return ":a"
    if any(token[0] == "?" and token != "?" for token in tokens):
        return "?1"
    if "%" in heads:
        return "%s" if "%s" in tokens else "%(a)s"
    return "?" if tokens else None


def _spell_bind(style: Style, number: int, expected: int) -> str:
    if style == "?1":
        return f"?{expected + number + 1}"
    if style == ":a":
        return f":_k{number}"
    if style == "%(a)s":
        return f"%(_k{number})s"
    return style
