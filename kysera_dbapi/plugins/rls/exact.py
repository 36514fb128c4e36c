"""Tenants that are of their column's type, and that the column holds as they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kysera_dbapi._context import single
from kysera_dbapi.binding import Bind
from kysera_dbapi.errors import ConfigurationError

__all__ = ["Exact"]


@dataclass(frozen=True, slots=True)
class Exact:
    """The value in force of that name, for a column of that type."""

    name: str
    column_type: str
    types: tuple[type, ...]
    fitting: Callable[[Any], bool] | None

    @property
    def bind(self) -> Bind:
        """The value, asked for at each execution."""
        plain, fitting = frozenset(self.types), self.fitting

        def fits(value: object) -> bool:
            return type(value) in plain and (fitting is None or fitting(value))

        return Bind(self.name, self.value, self.name, fits)

    def value(self) -> object:
        """The value; raises ``ConfigurationError`` (context-value) if it is another."""
        value = single(self.name)
        if not isinstance(value, self.types) or isinstance(value, bool):
            expected = " or ".join(one.__name__ for one in self.types)
            raise _wrong(
                f"rls: {self.name} must be {expected}, as its column is, got "
                f"{type(value).__name__}: others can equal more tenants than one"
            )
        if self.fitting is not None and not self.fitting(value):
            raise _wrong(
                f"rls: {self.name} does not fit into its column, a {self.column_type}: "
                "another tenant's could be stored or found; give one that it holds, or "
                "change the column"
            )
        return value


def _wrong(said: str) -> ConfigurationError:
    return ConfigurationError(said, code="context-value")
