"""Policies by a function of the context: equality, one of a list, NULL."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from kysera_dbapi._context import checked_values, current_context, missing
from kysera_dbapi.binding import Bind
from kysera_dbapi.errors import ConfigurationError, Error, UnsupportedStatement
from kysera_dbapi.plugins.rls.policy import Policy, wrong
from kysera_dbapi.predicate import OWN, Piece, Predicate

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Catalogue, Table
    from kysera_dbapi.dialect import Dialect

__all__ = ["by_function", "shape_of"]


class _Context(dict[str, object]):
    """The context as a function sees it: what is not there is an error."""

    def __missing__(self, key: str) -> object:
        raise missing(key)


def shape_of(policy: Policy) -> str:
    """The columns that a function speaks of now, and how: plans depend on it."""
    said = _values(policy)
    return ",".join(f"{column} {_kind(said[column])}" for column in sorted(said))


def by_function(
    policy: Policy, table: "Table", dialect: "Dialect", catalogue: "Catalogue"
) -> Predicate:
    """The condition that a function makes of the context that there is now."""
    said = _values(policy)
    from kysera_dbapi.resolution import pin  # it brings the parser

    pieces: list[Piece] = []
    types: set[str] = set()
    shown: list[str] = []
    for name in sorted(said):
        column = table.column(dialect.fold(name, quoted=True))
        if column is None and table.kind != "unknown":
            raise wrong(f"{policy.name!r}: {table.name!r} has no column {name!r}")
        types |= {column.type} if column else set()
        spelled = dialect.quote(column.name if column else name)
        pieces += [
            " AND ",
            OWN,
            *_condition(policy, name, _kind(said[name]), spelled, dialect),
        ]
        shown.append(f"{name} {_kind(said[name])}")
    if not pieces:
        raise wrong(f"{policy.name!r}: the function named no column")
    columns = frozenset(dialect.fold(name, quoted=True) for name in said)
    try:
        pinned = pin(pieces[1:], dialect, catalogue, types)
    except UnsupportedStatement as error:
        raise wrong(f"{policy.name!r}: {error}") from error
    return Predicate(" and ".join(shown), pinned, columns=columns)


def _condition(
    policy: Policy, name: str, kind: str, spelled: str, dialect: "Dialect"
) -> list[Piece]:
    if kind == "IS NULL":
        return [f"{spelled} IS NULL"]

    def value() -> object:
        found = _values(policy)
        if name not in found or _kind(found[name]) != kind:
            raise wrong(f"{policy.name!r}: the function changed its mind")
        one = found[name]
        if not isinstance(one, tuple):
            return one
        return dialect.listed([(item,) for item in cast("tuple[object, ...]", one)])

    bind = Bind(f"{policy.name}.{name}", value)
    if kind == "=":
        return [f"{spelled} = ", bind]
    before, after = dialect.in_list()
    return [f"{spelled} {before}", bind, after]


def _kind(value: object) -> str:
    if value is None:
        return "IS NULL"
    return "IN" if isinstance(value, tuple) else "="


def _values(policy: Policy) -> dict[str, object]:
    """What the function returns now; raises ``ConfigurationError`` if it fails."""
    assert policy.values is not None
    try:
        found: object = policy.values(_Context(current_context()))
    except Error:
        raise
    except Exception as error:
        raise _failed(policy, f"it raised {type(error).__name__}") from error
    if not isinstance(found, Mapping):
        raise _failed(policy, f"it must return a map, got {type(found).__name__}")
    said = cast("Mapping[object, object]", found)
    if not all(isinstance(column, str) for column in said):
        raise _failed(policy, "its keys must be names of columns")
    return checked_values(cast("Mapping[str, object]", said))


def _failed(policy: Policy, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"rls: the function of policy {policy.name!r} failed: {what}",
        code="policy-function",
    )
