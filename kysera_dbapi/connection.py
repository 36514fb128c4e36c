"""The connection proxy: every public member of the driver's is decided."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any

import wrapt

from kysera_dbapi._context import scope
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.explanation import Explanation
from kysera_dbapi.plugin import Host
from kysera_dbapi.session import Session

__all__ = ["Connection"]


class Connection(wrapt.ObjectProxy):  # type: ignore[type-arg]
    """A wrapped PEP 249 connection. ``unwrap()`` is the only way to the raw one."""

    #: What becomes of each member of the driver's connection; set by the driver.
    members: Mapping[str, str] = {}

    def __init__(self, raw: Any, session: Session) -> None:
        super().__init__(raw)  # pyright: ignore[reportUnknownMemberType]
        self._self_session = session

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            return super().__getattr__(name)
        if self.members.get(name) == "passed":
            return self._passed(name)
        raise self._self_session.error(
            UnsupportedStatement(
                f"{name} of the connection is not offered, since nobody decided what "
                "it may show; reach it through unwrap()",
                code="unsupported-member",
            )
        )

    if hasattr(wrapt.ObjectProxy, "__wrapped__"):
        # the compiled proxy keeps the raw connection elsewhere; the pure one here

        @property
        def __wrapped__(self) -> Any:
            raise AttributeError("the raw connection is reached through unwrap()")

    def _passed(self, name: str) -> Any:
        raw = self._self_session.raw
        with self._translated():
            value = getattr(raw, name)
        if getattr(value, "__self__", None) is not raw:
            return value

        @wraps(value)
        def called(*args: Any, **options: Any) -> Any:
            with self._translated():
                return value(*args, **options)

        return called

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Let the driver's errors be ours too."""
        try:
            yield
        except Exception as error:
            raised = self._self_session.error(error)
            if raised is error:
                raise
            raise raised from raised.__cause__

    def commit(self) -> None:
        """Commit the transaction, as the driver does."""
        with self._translated():
            self._self_session.raw.commit()
        self._self_session.transactions.ended(undone=False)

    def rollback(self) -> None:
        """Roll the transaction back, as the driver does."""
        with self._translated():
            self._self_session.raw.rollback()
        self._self_session.rolled_back()

    @property
    def plugin_host(self) -> Host:
        """The connection as its plugins see it."""
        return self._self_session

    def unwrap(self) -> Any:
        """The raw connection, past every plugin."""
        return self._self_session.raw

    def explain(self, sql: str) -> Explanation:
        """What would be sent for ``sql``, and why; nothing is executed."""
        session = self._self_session
        with self._translated():
            return Explanation.of(sql, session.pipeline.plan(sql, scope()))

    def refresh(self) -> bool:
        """Read the catalogue once more; returns whether it had changed."""
        return self._self_session.refresh()
