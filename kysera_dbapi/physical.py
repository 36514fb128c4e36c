"""What reaches the pages of a SQLite database without SQL: blobs, copies, settings.

https://docs.python.org/3/library/sqlite3.html#sqlite3.Connection.blobopen and the
sections after it. Where nothing is protected, all of it is the driver's own.
"""

import logging
from typing import Any

from kysera_dbapi.catalogue import Table
from kysera_dbapi.errors import UnsupportedStatement, reraise
from kysera_dbapi.session import Session

__all__ = ["Physical"]

_LOG = logging.getLogger("kysera_dbapi")
#: Settings that let SQL, or the next VACUUM, change the database past any filter.
_SETTINGS = ("SQLITE_DBCONFIG_WRITABLE_SCHEMA", "SQLITE_DBCONFIG_RESET_DATABASE")


class Physical:
    """The part of a wrapped connection that guards its physical members."""

    __slots__ = ()
    _self_session: Session

    def cursor(self) -> Any:
        """A cursor whose statements are planned."""
        raise NotImplementedError

    def blobopen(self, *args: Any, **options: Any) -> Any:
        """Open a value of a row that the caller sees; a protected one to read only.

        Raises the driver's own "no such rowid" for a row that is hidden, and
        ``UnsupportedStatement`` (unsupported-member) for writing to protected tables.
        """
        session = self._self_session
        try:
            if session.protected() and _has_names(args, options):
                self._check_blob(args, options)
            return session.raw_class.blobopen(session._raw, *args, **options)
        except Exception as error:
            reraise(error, session.driver)

    def _check_blob(self, args: Any, options: Any) -> None:
        session = self._self_session
        schema, name = options.get("name", "main"), args[0]
        fold, quote = session.dialect.fold, session.dialect.quote
        folded = [fold(part, quoted=True) for part in (schema, name)]
        table = session.catalogue.resolve(folded)
        if table is None or table.kind == "view":
            return  # the driver's own error
        rowid = _rowid(table, session)
        text = f"SELECT 1 FROM {quote(schema)}.{quote(name)} WHERE {rowid} = ?"
        filtered = bool(session.plan(text).edits)
        if table.key in session.protected() and not options.get("readonly"):
            self._refuse(f"blobopen: {table.name} is protected; pass readonly=True")
        if not (filtered and table.column(fold(args[1], quoted=True))):
            return
        cursor = self.cursor()
        cursor.row_factory = None
        if not cursor.execute(text, (args[2],)).fetchall():
            raise _no_such_row(session.driver, args[2])

    def backup(self, target: Any, **options: Any) -> None:
        """Copy the database into another; refused while this one hides rows.

        The target may be wrapped, too; while it protects tables it is not replaced.
        Raises ``UnsupportedStatement`` (unsupported-member).
        """
        session = self._self_session
        other = target._self_session if isinstance(target, Physical) else None
        try:
            self._refuse_copy("backup")
            if other is not None and other.protected():
                self._refuse("backup: the target protects tables of its own")
            raw = target if other is None else other._raw
            session.raw_class.backup(session._raw, raw, **options)
        except Exception as error:
            reraise(error, session.driver)
        finally:
            if other is not None:
                other.replaced()

    def serialize(self, **options: Any) -> bytes:
        """The database as bytes; refused while it hides rows.

        Raises ``UnsupportedStatement`` (unsupported-member).
        """
        session = self._self_session
        try:
            self._refuse_copy("serialize")
            return bytes(session.raw_class.serialize(session._raw, **options))
        except Exception as error:
            reraise(error, session.driver)

    def deserialize(self, data: Any, /, **options: Any) -> None:
        """Replace the database; refused while tables of this one are protected.

        Raises ``UnsupportedStatement`` (unsupported-member).
        """
        session = self._self_session
        try:
            if session.protected():
                self._refuse("deserialize would replace protected tables")
            session.raw_class.deserialize(session._raw, data, **options)
        except Exception as error:
            reraise(error, session.driver)
        session.replaced()

    def setconfig(self, op: int, enable: bool = True, /) -> None:
        """Change a setting of the connection, but none that opens the schema.

        Raises ``UnsupportedStatement`` (unsupported-member).
        """
        session = self._self_session
        try:
            opening = [getattr(session.driver, name, None) for name in _SETTINGS]
            if enable and op in opening and session.protected():
                self._refuse("setconfig: the setting lets changes past every filter")
            session.raw_class.setconfig(session._raw, op, enable)
        except Exception as error:
            reraise(error, session.driver)

    def _refuse_copy(self, member: str) -> None:
        if self._self_session.protected():
            self._refuse(f"{member} would copy hidden rows; use iterdump()")

    def _refuse(self, why: str) -> None:
        session = self._self_session
        session.raw_class.cursor(session._raw)  # a wrong thread is the driver's error
        if session.mode == "report":
            _LOG.warning("would be refused: %s", why)
            return
        raise UnsupportedStatement(
            f"{why}, or do it within bypass()", code="unsupported-member"
        )


def _has_names(args: Any, options: Any) -> bool:
    """Whether the arguments are such that the driver would look for the row."""
    names = [*args[:2], options.get("name", "main")]
    return (
        len(args) == 3
        and isinstance(args[2], int)
        and all(isinstance(name, str) and "\0" not in name for name in names)
    )


def _rowid(table: Table, session: Session) -> str:
    """A name of the row identifier that no column of the table hides."""
    for name in sorted(session.dialect.row_identifiers):
        if table.column(name) is None:
            return name
    raise UnsupportedStatement(
        f"blobopen: the columns of {table.name} hide every name of its rowid",
        code="unsupported-member",
    )


def _no_such_row(driver: Any, row: int) -> BaseException:
    theirs: Any = driver.OperationalError
    error: BaseException = theirs(f"no such rowid: {row}")
    vars(error).update(
        sqlite_errorcode=driver.SQLITE_ERROR, sqlite_errorname="SQLITE_ERROR"
    )
    return error
