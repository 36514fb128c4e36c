"""A PEP 249 driver that edits each statement on its way to the database.

``connect()`` wraps a driver; plugins see every statement parsed, and edit it.
"""

from kysera_dbapi._connect import connect, explain, wrap
from kysera_dbapi._context import (
    bypass,
    bypass_reasons,
    context,
    current_context,
    including_deleted,
    only_deleted,
    with_context,
)
from kysera_dbapi._install import install, uninstall
from kysera_dbapi.errors import (
    ConfigurationError,
    ContextMissing,
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    PluginError,
    PolicyViolation,
    ProgrammingError,
    TombstoneConflict,
    UnsupportedStatement,
    Warning,
)
from kysera_dbapi.explanation import Explanation
from kysera_dbapi.finding import Finding
from kysera_dbapi.plugin import Plugin

__all__ = [
    "ConfigurationError",
    "ContextMissing",
    "DataError",
    "DatabaseError",
    "Error",
    "Explanation",
    "Finding",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "Plugin",
    "PluginError",
    "PolicyViolation",
    "ProgrammingError",
    "TombstoneConflict",
    "UnsupportedStatement",
    "Warning",
    "apilevel",
    "bypass",
    "bypass_reasons",
    "connect",
    "context",
    "current_context",
    "explain",
    "including_deleted",
    "install",
    "only_deleted",
    "paramstyle",
    "threadsafety",
    "uninstall",
    "with_context",
    "wrap",
]

apilevel = "2.0"
#: Threads may share the module, not connections.
threadsafety = 1
paramstyle = "qmark"
