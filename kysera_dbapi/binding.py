"""How the values that are sent come of those that the caller gave and of the plan's."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from operator import add, call, itemgetter
from typing import Any, cast

from kysera_dbapi._blocks import values as in_force
from kysera_dbapi.dialect import Style
from kysera_dbapi.errors import ProgrammingError

__all__ = ["Bind", "Binder", "Binding", "Parameters"]

#: The caller's values, as PEP 249 has them.
Parameters = Sequence[Any] | Mapping[str, Any]
#: Puts the values to send together from those that the caller gave.
Binder = Callable[[Any], Any]


@dataclass(frozen=True, eq=False, slots=True)
class Bind:
    """A value that the shim adds: asked for once an execution, never kept."""

    label: str
    source: Callable[[], object]
    #: The name of a single value of the context, if it is just that.
    key: str = ""
    #: Which values it is just that for; of others ``source`` is asked. None: for all.
    fits: Callable[[Any], bool] | None = None

    @property
    def plain(self) -> str:
        """The name of the value of the context that it is, whatever its type."""
        return "" if self.fits else self.key


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
    #: Puts the caller's values and then the plan's into order; None if they are in it.
    pick: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = field(
        init=False, default=None, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        order = [i if i >= 0 else self.expected - 1 - i for i in self.sources]
        if order != list(range(self.expected + len(self.names))):
            object.__setattr__(self, "pick", _picking(order))

    @property
    def leads(self) -> bool:
        """Whether one value of the plan has only to be put before the caller's."""
        return self.sources == (-1, *range(self.expected))

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
        given = tuple(cast(Sequence[Any], parameters)) + values
        return given if self.pick is None else self.pick(given)

    def binder(self, binds: Sequence[Bind]) -> Binder:
        """``bind`` with the values of ``binds``, asked for at each execution.

        This is the way of most executions, so tuples take no more than an addition.
        None goes to the driver as it is.
        """
        expected, ask, pick = self.expected, _asking(binds), self.pick
        plain: Any = tuple  # type checkers would make it a tuple of unknowns

        def bind(parameters: Any) -> Any:
            values = ask()
            if type(parameters) is plain and len(parameters) == expected:
                given = parameters + values
                return given if pick is None else pick(given)
            return parameters if parameters is None else self.bind(parameters, values)

        return bind

    def bind_many(
        self, rows: Iterable[Parameters], values: tuple[object, ...]
    ) -> Iterator[Parameters]:
        """As ``bind`` for each of ``rows``, lazily; in C where they are tuples."""
        if self.style in (":a", "%(a)s"):
            return (self.bind(row, values) for row in rows)
        listed = isinstance(rows, (list, tuple)) and self.expected
        if not listed or not _TUPLE.issuperset(map(type, rows)):
            return self._one_by_one(rows, values)
        given = cast("Sequence[tuple[Any, ...]]", rows)
        starts = range(0, len(given), _CHUNK)
        chunks = (given[start : start + _CHUNK] for start in starts)
        return chain.from_iterable(self._by_columns(c, values) for c in chunks)

    def _one_by_one(
        self, rows: Iterable[Parameters], values: tuple[object, ...]
    ) -> Iterator[Parameters]:
        joined: Any = add  # type checkers would ask for what adds up to what
        given: Iterator[Any] = map(joined, map(self._row, rows), repeat(values))
        return given if self.pick is None else map(self.pick, given)

    def _by_columns(
        self, rows: Sequence[tuple[Any, ...]], values: tuple[object, ...]
    ) -> Iterator[Parameters]:
        """Columns of the caller's and of ours, zipped to rows again: half the time."""
        try:
            columns = list(zip(*rows, strict=True))
        except ValueError:  # of different lengths
            columns = []
        if len(columns) != self.expected:
            return self._one_by_one(rows, values)
        ours = [repeat(value) for value in values]
        parts = (columns[i] if i >= 0 else ours[-1 - i] for i in self.sources)
        return zip(*parts, strict=False)

    def check(self, rows: Iterable[Parameters]) -> None:
        """Raise ``ProgrammingError`` for the first row with a wrong count of values."""
        named = self.style in (":a", "%(a)s")
        for row in rows if isinstance(rows, (list, tuple)) and not named else ():
            self._row(row)

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


_TUPLE = {tuple}
#: Rows whose columns are taken apart at once.
_CHUNK = 500


def _asking(binds: Sequence[Bind]) -> Callable[[], tuple[object, ...]]:
    """What asks for the values of an execution."""
    if len(binds) == 1 and binds[0].key:
        return _asking_one(binds[0])
    sources = tuple(bind.source for bind in binds)
    keys = [bind.plain for bind in binds]

    def ask() -> tuple[object, ...]:
        return tuple(map(call, sources))

    if not all(keys) or not keys:
        return ask
    found = itemgetter(*keys)

    def known() -> tuple[object, ...]:
        try:
            values: tuple[object, ...] = found(in_force())
        except KeyError:
            return ask()  # it says what is missing
        return values

    return known


def _asking_one(bind: Bind) -> Callable[[], tuple[object]]:
    key, fits, source = bind.key, bind.fits, bind.source

    def known() -> tuple[object]:
        try:
            value = in_force()[key]
        except KeyError:
            return (source(),)  # it says what is missing
        return (value if fits is None or fits(value) else source(),)

    return known


def _picking(order: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    runs = _runs(order) if len(order) > _MANY else []
    if 0 < len(runs) <= 3:  # takes a third of the time
        one, two, three = [*runs, slice(0), slice(0)][:3]
        return lambda given: given[one] + given[two] + given[three]
    if len(order) > 1:
        return itemgetter(*order)
    return itemgetter(slice(order[0], order[0] + 1) if order else slice(0))


#: Values that are worth taking by the run, not one by one.
_MANY = 100


def _runs(order: Sequence[int]) -> list[slice]:
    """The order as runs of values that follow each other."""
    starts = [i for i in range(len(order)) if not i or order[i] != order[i - 1] + 1]
    stops = [*starts[1:], len(order)]
    return [
        slice(order[start], order[start] + stop - start)
        for start, stop in zip(starts, stops, strict=True)
    ]
