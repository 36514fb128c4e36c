"""The exceptions of the shim: those of PEP 249, and a few kinds of them.

::

    Exception
    ├── Warning
    └── Error
        ├── InterfaceError
        └── DatabaseError
            ├── DataError
            ├── OperationalError
            ├── IntegrityError
            │   ├── PolicyViolation
            │   └── TombstoneConflict
            ├── InternalError
            ├── ProgrammingError
            │   ├── ConfigurationError
            │   │   └── PluginError
            │   └── ContextMissing
            └── NotSupportedError
                └── UnsupportedStatement

Each carries a stable ``code``, a key of ``CODES``. An error that leaves a connection
is a twin: at once the class above and the driver's class of the same PEP 249 kind, so
``except sqlite3.IntegrityError`` goes on working.
"""

from contextlib import suppress
from typing import Any, NamedTuple, NoReturn, TypeAlias, cast

from kysera_dbapi._codes import TEXTS

__all__ = [
    "CODES",
    "ConfigurationError",
    "ContextMissing",
    "DataError",
    "DatabaseError",
    "Error",
    "ErrorCode",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "KyseraClass",
    "NotSupportedError",
    "OperationalError",
    "PluginError",
    "PolicyViolation",
    "ProgrammingError",
    "TombstoneConflict",
    "UnsupportedStatement",
    "Warning",
    "reraise",
    "translate",
    "twin",
]


class _Coded(Exception):
    """An exception with a code; the instance's own, or else that of its class."""

    code: str

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is None:
            return
        if code not in CODES:
            raise KeyError(f"no such error code: {code}")
        self.code = code


class Warning(_Coded):
    """An important warning, such as data cut short when inserted (PEP 249)."""

    code = "warning"


class Error(_Coded):
    """The base of all errors (PEP 249)."""

    code = "error"


class InterfaceError(Error):
    """An error of the database interface rather than of the database (PEP 249)."""

    code = "interface-error"


class DatabaseError(Error):
    """An error of the database (PEP 249)."""

    code = "database-error"


class DataError(DatabaseError):
    """A problem with the processed data (PEP 249)."""

    code = "data-error"


class OperationalError(DatabaseError):
    """An error of the database's operation, such as a lost connection (PEP 249)."""

    code = "operational-error"


class IntegrityError(DatabaseError):
    """The relational integrity of the database is affected (PEP 249)."""

    code = "integrity-error"


class InternalError(DatabaseError):
    """The database met an internal error (PEP 249)."""

    code = "internal-error"


class ProgrammingError(DatabaseError):
    """An error of the program, such as a wrong number of parameters (PEP 249)."""

    code = "programming-error"


class NotSupportedError(DatabaseError):
    """A method or a feature that is not supported was used (PEP 249)."""

    code = "not-supported-error"


class ConfigurationError(ProgrammingError):
    """The shim was set up with something that cannot work."""

    code = "configuration"


class PluginError(ConfigurationError):
    """A plugin, or a set of plugins, that cannot work."""

    code = "plugin-error"


class ContextMissing(ProgrammingError):
    """A value that a policy needs is not in the context: no rows and no writes."""

    code = "context-missing"


class UnsupportedStatement(NotSupportedError):
    """A statement that was refused before it reached the database."""

    code = "unsupported-statement"


class TombstoneConflict(IntegrityError):
    """A row collides with a deleted row, which still holds its unique key."""

    code = "tombstone-conflict"


class PolicyViolation(IntegrityError):
    """A row that is written, or written over, is not one that a policy allows."""

    code = "policy-violation"
    table: str
    policy: str
    #: Which row of the statement it was, from 0; None if that is not known.
    row: int | None


KyseraClass: TypeAlias = type[Error] | type[Warning]


class ErrorCode(NamedTuple):
    """What a code means: the class that carries it, and a sentence each."""

    error_class: KyseraClass
    meaning: str
    cure: str


_PEP_249: dict[str, KyseraClass] = {
    cls.__name__: cls
    for cls in (
        Warning,
        Error,
        InterfaceError,
        DatabaseError,
        DataError,
        OperationalError,
        IntegrityError,
        InternalError,
        ProgrammingError,
        NotSupportedError,
    )
}

_CLASSES: dict[str, KyseraClass] = _PEP_249 | {
    cls.__name__: cls
    for cls in (
        ConfigurationError,
        PluginError,
        ContextMissing,
        UnsupportedStatement,
        PolicyViolation,
        TombstoneConflict,
    )
}

#: Every code: its class, its meaning and its cure. docs/errors.md is made from it.
CODES: dict[str, ErrorCode] = {
    code: ErrorCode(_CLASSES[name], *texts)
    for name, group in TEXTS.items()
    for code, texts in group.items()
}

_twins: dict[tuple[type, type], type[BaseException]] = {}


class _Twin(_Coded):
    """What makes twins picklable: they are rebuilt from the two classes."""

    _pair: tuple[KyseraClass, type[BaseException]]

    def __reduce__(self) -> tuple[Any, ...]:
        before = dict(vars(self))
        reduced = cast("tuple[Any, ...]", super().__reduce__())
        state = dict(reduced[2] if len(reduced) > 2 else before)
        # psycopg's __reduce__ empties the very error that is pickled
        vars(self).update(before)
        return (_rebuild, (*self._pair, self.args, _picklable(self.__cause__)), state)


def twin(
    error_class: KyseraClass, driver_class: type[BaseException]
) -> type[BaseException]:
    """The class that is both; one per pair, or one of both if it is the other's too.

    It goes by the more telling name of the two: a violated key on PostgreSQL is a
    ``psycopg.errors.UniqueViolation``, a refusal an ``UnsupportedStatement``.
    """
    if issubclass(error_class, driver_class):
        return error_class
    if issubclass(driver_class, error_class):
        return driver_class
    pair = (error_class, driver_class)
    if pair not in _twins:
        # two threads may both make one: the first one stored is the one
        _twins.setdefault(pair, _make_twin(*pair))
    return _twins[pair]


def _make_twin(
    error_class: KyseraClass, driver_class: type[BaseException]
) -> type[BaseException]:
    general = error_class in _PEP_249.values()
    named = driver_class if general else error_class
    body = {
        "__module__": named.__module__,
        "__qualname__": named.__qualname__,
        "__doc__": named.__doc__,
        "_pair": (error_class, driver_class),
    }
    bases = (_Twin, error_class, driver_class)
    return cast("type[BaseException]", type(named.__name__, bases, body))


def translate(error: BaseException, driver: object) -> BaseException:
    """The error to raise in the place of ``error``: its twin, or itself.

    ``driver`` is a PEP 249 module or another object with its exception classes. A
    driver's error keeps its exact class, message and attributes, and becomes the
    ``__cause__``; an error of ours keeps its code and cause. What is neither, and
    what is a twin already, comes back as it is.
    """
    if isinstance(error, (Error, Warning)):
        return error if isinstance(error, _Twin) else _from_ours(error, driver)
    roots = (_class_of(driver, "Error"), _class_of(driver, "Warning"))
    if isinstance(error, tuple(root for root in roots if root)):
        return _from_driver(error, driver)
    return error


def reraise(error: BaseException, driver: object) -> NoReturn:
    """Raise ``translate(error, driver)``, to be called where ``error`` is handled.

    Unlike a plain ``raise`` there, it does not show an error of ours twice.
    """
    raised = translate(error, driver)
    context = error.__context__
    try:
        raise raised
    finally:
        raised.__context__ = context
        del error, raised, context  # the traceback holds this frame: no cycle


def _from_driver(error: BaseException, driver: object) -> BaseException:
    error_class = _our_kind(type(error), driver)
    made = _new(twin(error_class, type(error)), error)
    # a driver's own attribute of that name is still the cause's
    vars(made).pop("code", None)
    made.__cause__, made.__context__ = error, error.__context__
    return made


def _from_ours(error: Error | Warning, driver: object) -> BaseException:
    driver_class = _driver_kind(type(error), driver)
    if driver_class is None or isinstance(error, driver_class):
        return error
    cause = error.__cause__
    if isinstance(cause, driver_class):  # a clearer error of the very same kind
        made = _new(twin(type(error), _raw_class(cause)), error)
        vars(made).update({**vars(cause), **vars(error)})
        if len(cause.args) == 2 and isinstance(cause.args[0], int):
            made.args = (cause.args[0], *error.args)  # the driver's own number
    else:
        made = _new(twin(type(error), driver_class), error, start=driver_class)
    made.__cause__ = error.__cause__
    made.__context__ = error.__context__
    made.__suppress_context__ = error.__suppress_context__
    return made.with_traceback(error.__traceback__)


def _raw_class(error: BaseException) -> type[BaseException]:
    """The driver's class of an error, which may be a twin."""
    return error._pair[1] if isinstance(error, _Twin) else type(error)


def _new(
    cls: type[BaseException],
    error: BaseException,
    start: type[BaseException] | None = None,
) -> BaseException:
    # the classes' own __init__ may want more than a message: it is not called, but
    # for that of ``start``, which sets what the driver's own properties read
    made = cls.__new__(cls, *error.args)
    if start is not None:
        with suppress(TypeError):
            start.__init__(made, *error.args)
    made.args = error.args
    vars(made).update(vars(error))
    return made


def _rebuild(
    error_class: KyseraClass,
    driver_class: type[BaseException],
    args: tuple[Any, ...],
    cause: BaseException | None,
) -> BaseException:
    cls = twin(error_class, driver_class)
    made = cls.__new__(cls, *args)
    made.__cause__ = cause
    return made


def _picklable(cause: BaseException | None) -> BaseException | None:
    import pickle  # seldom wanted: not worth its time in every import of the shim

    try:
        pickle.dumps(cause)
    except Exception:
        # any __reduce__ may fail in any way; the error itself still travels
        return None
    return cause


def _class_of(driver: object, name: str) -> type[BaseException] | None:
    found = getattr(driver, name, None)
    if isinstance(found, type) and issubclass(found, BaseException):
        return found
    return None


def _our_kind(driver_class: type[BaseException], driver: object) -> KyseraClass:
    # the most general name first, for a driver that has two names for one class
    names = {_class_of(driver, name): name for name in reversed(_PEP_249)}
    kinds = [names[base] for base in driver_class.__mro__ if base in names]
    return _PEP_249[kinds[0]]


def _driver_kind(
    error_class: KyseraClass, driver: object
) -> type[BaseException] | None:
    for base in error_class.__mro__:
        if _PEP_249.get(base.__name__) is base:
            found = _class_of(driver, base.__name__)
            if found is not None:
                return found
    return None
