"""Policies, as PostgreSQL has them: which rows a command may see, which it may write.

https://www.postgresql.org/docs/current/sql-createpolicy.html
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from kysera_dbapi.errors import ConfigurationError

__all__ = [
    "COMMANDS",
    "Command",
    "Policy",
    "Values",
    "filter_",
    "tenant_isolation",
    "wrong",
]

Command = Literal["select", "insert", "update", "delete"]
#: Makes of the context a column's value, each: equal to it, one of a list, or NULL.
Values = Callable[[Mapping[str, object]], Mapping[str, object]]

COMMANDS: tuple[Command, ...] = ("select", "insert", "update", "delete")


@dataclass(frozen=True, slots=True)
class Policy:
    """One rule on the rows of a table.

    ``using`` is a condition on rows that are there, ``check`` one on rows as they are
    written (by default ``using``): SQL with the values of the context as ``:name``, and
    ``IN :name`` for lists. Permissive policies are joined by OR, restrictive ones by
    AND. With ``roles`` it is for those alone who have one of them.

    Raises ``ConfigurationError`` (policy) for what cannot be a policy.
    """

    table: str
    name: str | None = None
    command: Command | Literal["all"] = "all"
    using: str | None = None
    check: str | None = None
    restrictive: bool = False
    roles: Collection[str] = ()
    #: What ``filter_`` was given.
    values: Values | None = None
    #: The column and the context's key that ``tenant_isolation`` was given.
    forced: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        _text(self.table, "table")
        if self.command not in ("all", *COMMANDS):
            raise wrong(
                f"unknown command {self.command!r}; known are all, "
                f"{', '.join(COMMANDS)}"
            )
        for condition in (self.using, self.check):
            if condition is not None:
                _text(condition, "a condition")
        self._check_conditions()
        if isinstance(self.roles, str) or not all(
            isinstance(role, str) for role in cast("Iterable[object]", self.roles)
        ):
            raise wrong(f"roles must be a list of names, got {self.roles!r}")
        object.__setattr__(self, "roles", frozenset(self.roles))
        if self.name is not None:
            _text(self.name, "name")

    def _check_conditions(self) -> None:
        if self.values is not None:
            return
        if self.using is None and self.check is None:
            raise wrong(f"the policy on {self.table!r} has neither using nor check")
        if self.command in ("select", "delete") and self.check is not None:
            raise wrong(f"a policy for {self.command} can have no check; use using=")
        if self.command == "insert" and self.using is not None:
            raise wrong("a policy for insert can have no using; use check=")

    def is_for(self, command: Command) -> bool:
        """Whether it has a say in a command."""
        return self.command in ("all", command)

    def applies(self, roles: Collection[str]) -> bool:
        """Whether it is for somebody with those roles."""
        return not self.roles or any(role in self.roles for role in roles)


def tenant_isolation(
    column: str, tables: Iterable[str], value: str | None = None
) -> list[Policy]:
    """Policies by which rows of one tenant are all there is, for each of ``tables``.

    ``column`` holds the tenant, ``value`` is the context's key (by default the column's
    name). An INSERT that leaves the column out gets it; one that has another value in
    it, and an UPDATE that sets another, are violations. The policies are restrictive;
    a permissive one that lets all through comes with them.
    """
    _text(column, "column")
    key = _text(value if value is not None else column, "value")
    if isinstance(tables, str) or not isinstance(tables, Iterable):
        raise wrong(f"tables must be a list of names, got {tables!r}")
    made: list[Policy] = []
    for table in tables:
        made.append(
            Policy(
                _text(table, "a name in tables"),
                name=f"{table} tenant",
                using=f'"{column}" = :{key}',
                restrictive=True,
                forced=(column, key),
            )
        )
    if not made:
        raise wrong("tables is empty; name the tables that have tenants")
    return made


def filter_(
    table: str,
    values: Values,
    *,
    name: str | None = None,
    command: Command | Literal["all"] = "all",
    restrictive: bool = False,
    roles: Collection[str] = (),
) -> Policy:
    """A policy by a function, called with the context at each execution.

    It returns the values of columns: a row must have them all. A list stands for one of
    them, None for NULL. Its errors refuse the statement.
    """
    if not callable(values):
        raise wrong(f"filter_ needs a function of the context, got {values!r}")
    return Policy(
        table,
        name=name if name is not None else f"{table} filter",
        command=command,
        restrictive=restrictive,
        roles=roles,
        values=values,
    )


def wrong(what: str) -> ConfigurationError:
    """The error for a policy that cannot work."""
    return ConfigurationError(f"rls: {what}", code="policy")


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong(f"{what} must be a text that is not empty, got {value!r}")
    return value
