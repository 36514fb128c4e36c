"""The connection proxy: every public member of the driver's is decided."""

from collections.abc import Mapping
from typing import Any

import wrapt

from kysera_dbapi._context import scope
from kysera_dbapi.errors import UnsupportedStatement, reraise
from kysera_dbapi.explanation import Explanation
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
            return getattr(self._self_session.raw, name)
        raise self._self_session.error(
            UnsupportedStatement(
                f"{name} of the connection is not offered, since nobody decided what "
                "it may show; reach it through unwrap()",
                code="unsupported-member",
            )
        )

    def unwrap(self) -> Any:
        """The raw connection, past every plugin."""
        return self._self_session.raw

    def explain(self, sql: str) -> Explanation:
        """What would be sent for ``sql``, and why; nothing is executed."""
        session = self._self_session
        try:
            return Explanation.of(sql, session.pipeline.plan(sql, scope()))
        except Exception as error:
            reraise(error, session.driver)

    def refresh(self) -> bool:
        """Read the catalogue once more; returns whether it had changed."""
        return self._self_session.refresh()
