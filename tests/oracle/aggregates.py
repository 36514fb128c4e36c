"""Aggregates and window functions over a scope's own columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tests.oracle.expressions import Expressions
from tests.oracle.scope import Scope

_FRAMES = (
    "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
    "ROWS UNBOUNDED PRECEDING",
    "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
)


@dataclass
class Aggregates(Expressions):
    """Writes aggregates and windows; `windows` are those of the block at hand."""

    windows: list[str] = field(default_factory=list[str])

    filters: ClassVar[float] = 0.2  # how often an aggregate has a FILTER
    frames: ClassVar[Sequence[str]] = _FRAMES
    windows_query: ClassVar[bool] = True  # sub-selects in windows
    integer: ClassVar[str] = "INTEGER"  # that CAST makes
    offsets: ClassVar[Sequence[str]] = ("", ", 1, 0")  # of lag() and lead()

    def aggregate(self, scope: Scope, kind: str = "int") -> str:
        """An aggregate over the scope's own columns."""
        ref = self.find(scope, kind, own=True)
        if ref is None:
            return "count(*)" if kind == "int" else "min('x')"
        column = self.refer(ref)
        if kind == "text":
            return self.draft.pick((f"min({column})", f"max({column})"))
        text = self._int_aggregate(scope, column)
        if self.draft.chance(self.filters):
            # count(*) with a filter of outer columns alone belongs to the outer query
            text = f"count({column})" if text == "count(*)" else text
            self.draft.mark("FILTER")
            text += f" FILTER (WHERE {self.condition(scope, 1)})"
        if text.startswith("avg"):
            return f"CAST({text} AS {self.integer})"
        return text

    def _int_aggregate(self, scope: Scope, column: str) -> str:
        form = self.draft.pick(
            ("count(*)", "count", "distinct", "sum", "max", "min", "avg", "case", "sub")
        )
        self.draft.mark("aggregate")
        if form == "distinct":
            return f"count(DISTINCT {column})"
        if form == "case":
            return f"sum(CASE WHEN {self.condition(scope, 1)} THEN {column} END)"
        if form == "sub" and self.draft.fuel > 0:
            self.draft.mark("sub-select in an aggregate")
            return f"sum({column} + coalesce({self.scalar(scope, 'number')}, 0))"
        if form in ("count", "max", "min", "avg"):
            return f"{form}({column})"
        return f"sum({column})" if form == "sum" else "count(*)"

    def window(self, scope: Scope) -> str:
        """A window function whose order is total up to equal rows."""
        if not all(source.alias for source in scope.sources):
            return "count(*) OVER ()"  # some columns cannot be named to sort by
        call = self._window_call(scope)
        filters = bool(self.filters) and call.startswith(("count", "sum"))
        if self.draft.chance(0.3) and filters:
            self.draft.mark("FILTER of a window")
            call += f" FILTER (WHERE {self.condition(scope, 1)})"
        definition = self._window_definition(scope)
        if self.draft.chance(0.3):
            name = f"w{len(self.windows)}"  # SQLite does not take the quotes off it
            self.windows.append(f"{name} AS ({definition})")
            self.draft.mark("named window")
            return f"{call} OVER {name}"
        self.draft.mark("window")
        return f"{call} OVER ({definition})"

    def _window_call(self, scope: Scope) -> str:
        ref = self.find(scope, "int", own=True)
        column = self.refer(ref) if ref else "1"
        calls = (
            "row_number()",
            "rank()",
            "dense_rank()",
            "count(*)",
            "ntile(3)",
            f"sum({column})",
            f"min({column})",
            f"lag({column}{self.offsets[0]})",
            f"lead({column}{self.offsets[1]})",
            f"first_value({column})",
            f"nth_value({column}, 2)",
        )
        queried = self.windows_query and self.draft.fuel > 0
        if queried and self.draft.chance(0.3):
            self.draft.mark("sub-select in a window argument")
            return f"sum({self.scalar(scope, 'number')})"
        return self.draft.pick(calls)

    def _window_definition(self, scope: Scope) -> str:
        parts: list[str] = []
        refs = scope.order() or scope.inner()
        if refs and self.draft.chance(0.5):
            parts.append(f"PARTITION BY {self.value(scope, self._kind(), 1)}")
        if not refs:
            return " ".join(parts)
        order = [self.refer(ref) for ref in refs]
        queried = self.windows_query and self.draft.fuel > 0
        if self.draft.chance(0.2) and queried:
            self.draft.mark("sub-select in a window")
            order.insert(0, self.scalar(scope, "number"))
        parts.append(f"ORDER BY {', '.join(order)}")
        if self.draft.chance(0.3):
            parts.append(self.draft.pick(self.frames))
        return " ".join(parts)
