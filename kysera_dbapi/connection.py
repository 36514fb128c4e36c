"""The connection proxy: what a caller reaches, reaches him through the plugins.

The driver's module says of each public member what becomes of it: *planned* (its SQL
is planned), *twin* (what it gives is wrapped), *refused* (while it would show or change
hidden rows), *passed* (the driver's own).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import update_wrapper
from inspect import Signature, getattr_static, signature
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, NoReturn, cast

import wrapt

from kysera_dbapi._blocks import scope
from kysera_dbapi.errors import ConfigurationError, UnsupportedStatement, reraise
from kysera_dbapi.explanation import Explanation
from kysera_dbapi.finding import Finding
from kysera_dbapi.plugin import Host
from kysera_dbapi.session import Session

__all__ = ["Connection", "check_raw", "named_as", "passed", "reading_tables"]

_ABSENT: Any = object()
_OWN = ("context", "explain", "refresh", "unwrap", "verify")


class _StandIn:
    """What wrapt holds in the raw connection's place.

    wrapt shows what it holds as ``__wrapped__``, and ``inspect`` follows that.
    """

    __slots__ = ("_class",)

    def __init__(self, class_: type) -> None:
        self._class = class_

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._class


def check_raw(raw: object, kind: type, wanted: str) -> None:
    """Raise ``ConfigurationError`` unless it is a raw connection of that kind.

    Codes: already-wrapped, driver-mismatch; ``wanted`` says in words what to pass.
    """
    if isinstance(raw, Connection):
        raise ConfigurationError(
            "the connection is wrapped already; wrap the raw one",
            code="already-wrapped",
        )
    if not issubclass(type(raw), kind):
        raise ConfigurationError(
            f"cannot wrap {type(raw).__qualname__}; pass {wanted}",
            code="driver-mismatch",
        )


@contextmanager
def reading_tables(driver: Any) -> Iterator[None]:
    """A block that opens a session: its errors say what was being done then."""
    try:
        yield
    except driver.Error as error:
        error.add_note("raised while the tables of the database were read")
        reraise(error, driver)


class Connection(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A wrapped PEP 249 connection. ``unwrap()`` is the only way to the raw one."""

    #: What becomes of each member of the driver's connection; set by the driver.
    members: Mapping[str, str] = {}
    #: The members that can be assigned to.
    settable: frozenset[str] = frozenset()
    #: The class itself, where a program's own class is derived from it.
    planned: Any

    if TYPE_CHECKING:  # what every driver's has; see there for what it takes

        def cursor(self, *args: Any, **options: Any) -> Any:
            """A cursor whose statements are planned."""

        def execute(self, *args: Any, **options: Any) -> Any:
            """A new cursor, having executed a statement."""

        def close(self) -> None:
            """Let the plugins go and close the raw connection."""

        def commit(self) -> None:
            """Commit the open transaction."""

        def rollback(self) -> None:
            """Undo the open transaction."""

    def __init__(self, raw: Any, session: Session, class_: type | None = None) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            _StandIn(class_ or type(raw))
        )
        self._self_session = session

    def __getattr__(self, name: str) -> Any:
        session = self._self_session
        if self.members.get(name) == "passed":
            try:
                return getattr(session._raw, name)
            except Exception as error:
                reraise(error, session.driver)
        if name in self.members:
            # of another version of the driver
            raise AttributeError(f"{_named(session._raw)} has no attribute {name!r}")
        if name == "__signature__":
            return _signature(session._raw)
        found = _ABSENT if name.startswith("__") else self._own_attribute(name)
        if found is not _ABSENT:
            return found
        if name.startswith("__") or not hasattr(self._class, name):
            theirs = getattr(self._class, "__getattr__", None)
            if theirs is not None and not name.startswith("__"):
                return theirs(self, name)  # of a program's own class
            raise AttributeError(f"{_named(session._raw)} has no attribute {name!r}")
        raise session.error(
            UnsupportedStatement(
                f"{name} of the connection is not offered, since nobody decided what "
                "it may show; reach it through unwrap()",
                code="unsupported-member",
            )
        )

    def _own_attribute(self, name: str) -> Any:
        """What a program keeps in an object of its own connection class."""
        raw = self._self_session._raw
        kept: dict[str, Any] = getattr(raw, "__dict__", {})
        cls: Any = self._class
        found: Any
        if name in kept:
            found = kept[name]
        elif isinstance(getattr(cls, name, None), MemberDescriptorType):
            found = getattr(raw, name)
        else:
            return _ABSENT
        if found is raw:
            return self
        if getattr(found, "__self__", None) is raw or self._is_raw(found):
            raise self._self_session.error(
                UnsupportedStatement(
                    f"{name} of the connection leads past the plugins; make it after "
                    "the connection was made, or reach it through unwrap()",
                    code="unsupported-member",
                )
            )
        return found

    def _is_raw(self, found: Any) -> bool:
        """Whether what a program keeps is a cursor past the plugins."""
        return False

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_self_"):
            super().__setattr__(name, value)
            return
        session = self._self_session
        own = getattr_static(type(self), name, None)
        if name not in self.members and hasattr(own, "__set__"):
            own.__set__(self, value)  # a property of a program's own class
            return
        if name in self.members and name not in self.settable:
            raise AttributeError(f"attribute {name!r} of a connection is read-only")
        try:
            setattr(session._raw, name, value)
        except Exception as error:
            reraise(error, session.driver)

    def __delattr__(self, name: str) -> None:
        session = self._self_session
        if name in self.members:
            raise AttributeError(f"attribute {name!r} of a connection is read-only")
        delattr(session._raw, name)

    def __dir__(self) -> list[str]:
        kept: dict[str, Any] = getattr(self._self_session._raw, "__dict__", {})
        return sorted({*dir(self._class), *kept, *_OWN})

    @property
    def _class(self) -> Any:
        """The class of the raw connection."""
        return self._self_session._raw.__class__

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise AttributeError(f"{_named(self)} has no attribute '__dict__'")

    def __repr__(self) -> str:
        return f"<{_named(self)} at {id(self):#x}>"

    def __str__(self) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"cannot pickle {_named(self)}")

    def __copy__(self) -> NoReturn:
        raise TypeError(f"cannot copy {_named(self)}")

    def __deepcopy__(self, memo: Any) -> NoReturn:
        raise TypeError(f"cannot copy {_named(self)}")

    @property
    def plugin_host(self) -> Host:
        """The connection as its plugins see it."""
        return self._self_session

    def unwrap(self) -> Any:
        """The raw connection, past every plugin."""
        return self._self_session._raw

    @property
    def context(self) -> Mapping[str, object]:
        """The connection's own values, which lie below those of ``context()``.

        Assigning replaces them; raises ``ConfigurationError`` (context-value).
        """
        return dict(self._self_session.context)

    @context.setter
    def context(self, given: Mapping[str, object]) -> None:
        session = self._self_session
        try:
            session.set_context(given)
        except Exception as error:
            reraise(error, session.driver)

    def explain(self, sql: str) -> Explanation:
        """What would be sent for ``sql``, and why, or why it is refused.

        Nothing is executed: the catalogue is the one that was last read.
        """
        session = self._self_session
        try:
            self._check_open()
            with session.in_context():
                return Explanation.of(sql, session.pipeline, scope())
        except Exception as error:
            reraise(error, session.driver)

    def _check_open(self) -> None:
        session = self._self_session
        if session.closed:
            session.raw_class.cursor(session._raw)  # the driver's own error

    def verify(self) -> list[Finding]:
        """What of the database goes past the plugins, or makes them slow.

        By the schema as it is now; nothing is changed. Mend one finding at a time, by
        its DDL if it has one, and verify again.
        """
        session = self._self_session
        try:
            self._check_open()
            session.refresh()
            from kysera_dbapi.verification import findings  # it brings the parser

            return findings(session.plugins, session)
        except Exception as error:
            reraise(error, session.driver)

    def refresh(self) -> bool:
        """Read the catalogue once more; returns whether it had changed."""
        session = self._self_session
        try:
            self._check_open()
            return session.refresh()
        except Exception as error:
            reraise(error, session.driver)


def _signature(raw: Any) -> Signature:
    try:
        return signature(raw)
    except (TypeError, ValueError) as error:
        raise AttributeError("__signature__") from error


def _named(connection: Any) -> str:
    kind = cast("Any", type)(connection)
    return f"{kind.__module__}.{kind.__qualname__} object"


def passed(theirs: Any) -> Callable[..., Any]:
    """A method that calls the driver's, whose own would have the raw ``__self__``."""

    def method(self: Connection, *args: Any, **options: Any) -> Any:
        session = self._self_session
        try:
            return theirs(session._raw, *args, **options)
        except Exception as error:
            reraise(error, session.driver)

    return named_as(theirs, method)


def named_as(theirs: Any, method: Callable[..., Any]) -> Callable[..., Any]:
    """``method`` with the name of the driver's, to which it does not lead."""
    made: Any = update_wrapper(method, theirs)
    del made.__wrapped__
    return cast("Callable[..., Any]", made)
