"""PEP 249 as protocols: what the shim asks of a driver, and what it gives.

https://peps.python.org/pep-0249/. Parameters are positional, as drivers name them
differently; methods that a driver may leave out (``callproc``, ``nextset``) are not
here.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

__all__ = [
    "Description",
    "DriverModule",
    "Parameters",
    "RawConnection",
    "RawCursor",
    "Row",
]

#: The values of a statement: by position, or by name.
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any]

#: A row as the driver gives it: a tuple, unless a row factory makes something else.
Row: TypeAlias = Any

#: One sequence of seven items a column, the column's name first.
Description: TypeAlias = Sequence[Sequence[Any]]


@runtime_checkable
class RawCursor(Protocol):
    """A driver's cursor."""

    arraysize: int

    @property
    def description(self) -> Description | None:
        """The columns of the result, or None if the statement gave none."""
        ...

    @property
    def rowcount(self) -> int:
        """The rows given or changed by the last statement, or -1."""
        ...

    def close(self) -> Any:
        """Close the cursor; it is of no use from then on."""
        ...

    def execute(self, sql: Any, parameters: Any = ..., /) -> Any:
        """Run a statement, a ``str`` or what else the driver takes for one."""
        ...

    def executemany(self, sql: Any, rows: Any, /) -> Any:
        """Run a statement once for each of the parameters in ``rows``."""
        ...

    def fetchone(self) -> Row | None:
        """The next row, or None at the end."""
        ...

    def fetchmany(self, size: int = ..., /) -> Sequence[Row]:
        """The next ``size`` rows, by default ``arraysize`` of them."""
        ...

    def fetchall(self) -> Sequence[Row]:
        """All rows that are left."""
        ...


@runtime_checkable
class RawConnection(Protocol):
    """A driver's connection."""

    def close(self) -> None:
        """Close the connection; what was not committed is lost."""
        ...

    def commit(self) -> None:
        """Commit the open transaction."""
        ...

    def rollback(self) -> None:
        """Undo the open transaction."""
        ...

    def cursor(self) -> RawCursor:
        """A new cursor on this connection."""
        ...


class DriverModule(Protocol):
    """A driver: a module with PEP 249's globals, constructor and exceptions."""

    @property
    def apilevel(self) -> str:
        """The version of the DB-API, ``"2.0"``."""
        ...

    @property
    def threadsafety(self) -> int:
        """What threads may share: 0 nothing, 1 the module, 2 connections, 3 cursors."""
        ...

    @property
    def paramstyle(self) -> str:
        """The placeholders: qmark, numeric, named, format or pyformat."""
        ...

    @property
    def connect(self) -> Callable[..., RawConnection]:
        """The constructor of connections."""
        ...

    @property
    def Warning(self) -> type[Exception]:
        """Important warnings."""
        ...

    @property
    def Error(self) -> type[Exception]:
        """The base of all errors below."""
        ...

    @property
    def InterfaceError(self) -> type[Exception]:
        """Errors of the interface rather than of the database."""
        ...

    @property
    def DatabaseError(self) -> type[Exception]:
        """Errors of the database."""
        ...

    @property
    def DataError(self) -> type[Exception]:
        """Problems with the processed data."""
        ...

    @property
    def OperationalError(self) -> type[Exception]:
        """Errors of the database's operation."""
        ...

    @property
    def IntegrityError(self) -> type[Exception]:
        """Broken constraints."""
        ...

    @property
    def InternalError(self) -> type[Exception]:
        """Errors within the database."""
        ...

    @property
    def ProgrammingError(self) -> type[Exception]:
        """Errors of the program."""
        ...

    @property
    def NotSupportedError(self) -> type[Exception]:
        """Features that are not supported."""
        ...
