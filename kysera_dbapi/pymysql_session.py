"""The session of a PyMySQL connection: our own SQL, the modes, what checks say.

What a text means depends on ``sql_mode`` and on the current database. They are read
with the catalogue, and so once more after each statement that may change them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    suppress,
)
from typing import Any
from weakref import ref

from pymysql.connections import Connection as RawConnection
from pymysql.constants import CLIENT, SERVER_STATUS
from pymysql.converters import conversions
from pymysql.cursors import Cursor as RawCursor

from kysera_dbapi.catalogue import Catalogue, Table
from kysera_dbapi.errors import ConfigurationError, PolicyViolation
from kysera_dbapi.mode import Mode
from kysera_dbapi.plan import Plan
from kysera_dbapi.plugin import Plugin
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.session import Session
from kysera_dbapi.transaction import Begin, Transactional
from kysera_dbapi.value_list import ValueList
from kysera_dbapi.violation import violation

__all__ = ["PyMySQLSession", "check_charset", "is_setting", "kept"]

#: In the message of the function that fails: see the dialect's ``check``.
_VIOLATED = re.compile(
    r"_k_check:(.*?)(?:'\s*,\s*substr\(|'\s*for function)", re.DOTALL | re.IGNORECASE
)
#: In others a byte of a character may be a quote or a backslash, or names are not told
#: apart. https://dev.mysql.com/doc/refman/en/charset-charsets.html
_CHARSETS = ("utf8mb4", "utf8mb3", "utf8")
#: Statements whose answer is that of the statement before: none of ours may come
#: between. https://dev.mysql.com/doc/refman/en/information-functions.html
_ABOUT_THE_LAST = re.compile(
    r"\b(?:ROW_COUNT|FOUND_ROWS)\b|@@\w*\.?(?:warning|error)_count"
    r"|\b(?:WARNINGS|ERRORS|DIAGNOSTICS)\b",
    re.IGNORECASE,
)
#: A text that reads and writes nothing but settings: a sub-select has parentheses, and
#: ``SET STATEMENT`` a statement in it.
_SETTING = re.compile(
    r"\s*(?:SET|USE)\b(?!.*\bSTATEMENT\b)[^();]*", re.DOTALL | re.IGNORECASE
)
#: Those that read nothing else.
_ONLY_ABOUT_THE_LAST = re.compile(
    r"\s*(?:SHOW\s+(?:COUNT\s*\(\s*\*\s*\)\s+)?(?:WARNINGS|ERRORS)"
    r"(?:\s+LIMIT\s+\d+(?:\s*,\s*\d+)?)?"
    r"|SELECT\s+@@(?:SESSION\s*\.\s*)?(?:warning|error)_count)\s*;?\s*",
    re.IGNORECASE,
)
_NO_SAVEPOINT = 1305
_DEADLOCK = 1213
#: That of MariaDB, for which MySQL has one more bit.
_NO_LIMIT = (1 << 63) - 1
_DECODERS = {key: value for key, value in conversions.items() if type(key) is int}
_ENCODERS = {key: value for key, value in conversions.items() if type(key) is not int}
_SETTINGS = (
    "SELECT @@version, @@sql_mode, @@lower_case_table_names, @@character_set_client, "
    "@@character_set_connection, @@character_set_results, @@sql_select_limit LIMIT 1"
)
_FOUND = "SELECT FOUND_ROWS()"
#: What says it again takes seconds for more rows.
_MOST_FOUND = 1_000_000
#: Rows from 1 on, without a table to read them from.
_SEQUENCE = (
    "JSON_TABLE(CONCAT('[0', REPEAT(',0', {}), ']'), '$[*]' "
    "COLUMNS (n FOR ORDINALITY)) AS {}"
)


def check_charset(charset: object) -> None:
    """Raise ``ConfigurationError`` (configuration) for one that is not supported."""
    if charset not in _CHARSETS:
        raise ConfigurationError(
            f"the character set of the connection is {charset}, in which texts are not "
            "what they seem; use utf8mb4",
            code="configuration",
        )


def is_setting(text: object) -> bool:
    """Whether a text does no more than to set something of the session."""
    return isinstance(text, str) and _SETTING.fullmatch(text) is not None


_ping: Any = RawConnection.ping


class _Transactional:
    """Whether a transaction of a connection is open."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open.

        Rows come without the server's status: without autocommit a query may have begun
        one since, and the server has to be asked.
        """
        raw = self._raw
        if not raw.open:
            return False
        if not RawConnection.get_autocommit(raw):
            with kept(raw):
                _ping(raw)
        return bool(raw.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)


@contextmanager
def kept(raw: Any) -> Iterator[None]:
    """A block of our own SQL, after which the connection tells of the caller's."""
    result, count = raw._result, raw._affected_rows
    decoders, use_unicode = raw.decoders, raw.use_unicode
    raw.decoders, raw.use_unicode = _DECODERS, True
    try:
        yield
    finally:
        raw.decoders, raw.use_unicode = decoders, use_unicode
        # the rest of several results has been read, and is gone
        if result is None or not result.has_next:
            raw._result, raw._affected_rows = result, count


class PyMySQLSession(Session):
    """Its dialect is that of the server, in the modes that are in force."""

    raw_class = RawConnection

    def __init__(
        self, raw: Any, driver: Any, *, plugins: tuple[Plugin, ...], mode: Mode
    ) -> None:
        #: The text that is being planned.
        self._planning = ""
        #: The result of what was said last of the transaction that comes next, and what
        #: says it again.
        self._ahead: tuple[object, str] = (None, "")
        super().__init__(
            raw,
            driver,
            get_dialect("mysql"),
            plugins=plugins,
            mode=mode,
            opened=raw.open,
        )
        #: For a connection that is opened once more after it was closed.
        self._given: tuple[Plugin, ...] = self.plugins

    @classmethod
    def transactional(cls, raw: Any) -> Transactional:
        """The server tells."""
        return _Transactional(raw)

    @property
    def lost(self) -> bool:
        """Whether the driver has noticed that the server is gone."""
        return not self._raw.open

    def ends_more(self, error: BaseException) -> bool:
        """A deadlock, also one of definitions, undoes the transaction."""
        return self.lost or error.args[:1] == (_DEADLOCK,)

    def start(self) -> None:
        """Let the plugins check their configuration, if the connection is open."""
        raw = self._raw
        if self.plugins:
            # a program's own may lack those that the values of plans are spelled by
            raw.encoders.update({**_ENCODERS, **raw.encoders, ValueList: _speller(raw)})
        if raw.open:
            super().start()
            self._check_temporary()
        else:
            self.invalidate()

    @contextmanager
    def opening(self) -> Iterator[None]:
        """A block that may open a closed connection: its plugins are in force again."""
        was = self.closed
        if was:
            self.closed, self.plugins = False, self._given
        try:
            yield
        except BaseException:
            if was:
                self.closed, self.plugins = True, ()
            raise

    def reopened(self) -> None:
        """The connection has been opened, perhaps once more: nothing is as it was."""
        self.replaced()
        if self.plugins and not self._started:
            self._adopt(self._read_catalogue())
            super().start()
            self._check_temporary()

    def execute(self, sql: str, parameters: Any = (), /) -> list[tuple[Any, ...]]:
        """Run SQL of our own on the raw connection; no plugin edits it."""
        with kept(self._raw):
            cursor: Any = RawCursor(self._raw)
            cursor.execute(sql, parameters or None)
            return list(cursor._rows or ())

    def style(self, parameters: Any) -> int:
        """With values it is formatted by the driver."""
        return 1 if parameters else 0

    # -- settings and catalogue -----------------------------------------------------

    def _read_settings(self) -> None:
        """Have the dialect that of the modes which are in force.

        Raises ``ConfigurationError`` for settings in which texts are not what they
        seem.
        """
        (settings,) = self.execute(_SETTINGS)
        version, mode, lower_case, client, strings, results, limit = settings
        if limit < _NO_LIMIT:
            raise ConfigurationError(
                f"sql_select_limit is {limit}: it would hide tables and children from "
                "the shim; set it to DEFAULT, and use LIMIT",
                code="configuration",
            )
        for charset in (client, strings, results):
            check_charset(charset if charset is not None else client)
        made = self.dialect.of_server(
            str(version),
            str(mode),
            int(lower_case),
            counts_changes=not self._raw.client_flag & CLIENT.FOUND_ROWS,
            narrow={client, strings} != {"utf8mb4"},
        )
        if made != self.dialect:
            self.dialect = made

    def _read_catalogue(self) -> Catalogue:
        with self._apart(), self._between():
            self._read_settings()
            return super()._read_catalogue()

    def refresh(self) -> bool:
        """As ever; a temporary table that was made where it could be is seen, too."""
        changed = super().refresh()
        self._check_temporary()
        return changed

    def _check_temporary(self) -> None:
        """Refuse a session in which a temporary table hides one that plugins rely on.

        It is in no catalogue, and of its name even where the database is written.
        """
        catalogue = self._catalogue
        keys = {key for p in self.plugins for key in p.relied_on(catalogue)}
        tables = [
            catalogue.tables[key] for key in sorted(keys & catalogue.tables.keys())
        ]
        for table in tables:
            if table.kind == "table" and self._is_temporary(table):
                self.invalidate()
                raise ConfigurationError(
                    f"a temporary table takes the place of {table.name}: it would be "
                    "read instead; close the connection, and choose another name",
                    code="configuration",
                )

    def _is_temporary(self, table: Table) -> bool:
        quote = self.dialect.quote
        name = f"{quote(table.schema)}.{quote(table.name)}"
        try:
            with self._apart():
                # of a view, which it may be by now, there is more
                (_, definition, *_) = self.execute(f"SHOW CREATE TABLE {name}")[0]
        except self.driver.Error:  # it may not be seen, or not now
            return False
        return str(definition).startswith("CREATE TEMPORARY")

    def _stamp(self) -> object:
        with self._apart(), self._between(leaving=1):
            return super()._stamp()

    def _table_stamps(self, *of: Any) -> Mapping[str, object] | None:
        if self._asks_about_the_last:
            return None
        with self._apart():
            return super()._table_stamps(*of)

    @contextmanager
    def _apart(self) -> Iterator[None]:
        """A block that leaves no transaction open that was not.

        One that the caller's next statement begins may be begun here, and has what was
        said of it.
        """
        raw, connection = self._raw, self.transaction._connection
        result, text = self._ahead
        begins = result is not None and result is raw._result
        settled = not raw.open or RawConnection.get_autocommit(raw)
        before = settled or begins or connection.in_transaction
        try:
            yield
        finally:
            if not before and raw.open and connection.in_transaction:
                with kept(raw):
                    RawConnection.commit(raw)
        if begins and settled and text:
            self.execute(text)

    @contextmanager
    def _between(self, *, leaving: int | None = None) -> Iterator[None]:
        """A block of queries, after which FOUND_ROWS() tells of the caller's.

        The last of them leaves what is given. Beyond a million it would take a while.
        """
        ((found,),) = self.execute(_FOUND)
        yield
        if found != leaving and found <= _MOST_FOUND:
            with suppress(self.driver.Error):
                self.execute(_finding(found))

    def reread(self) -> bool:
        """As ``refresh``; not before a statement that asks about the one before."""
        return not self._asks_about_the_last and super().reread()

    def stands_alone(self, text: str, style: int) -> bool:
        """As ever; a rule for SET is for those, too, that hold sub-selects."""
        return is_setting(text) or super().stands_alone(text, style)

    @property
    def _asks_about_the_last(self) -> bool:
        """Whether what is planned is about what the statement before has left."""
        return _ABOUT_THE_LAST.search(self._planning) is not None

    def plan(self, text: str, *, format_style: int = 0) -> Plan:
        """The plan for a text that ``plans`` does not hold."""
        self._planning = text
        try:
            if self._stale and _ONLY_ABOUT_THE_LAST.fullmatch(text):
                now = self.scope()
                return self.pipeline.plan(text, now, format_style=format_style)
            return super().plan(text, format_style=format_style)
        finally:
            self._planning = ""

    def done(self, plan: Plan) -> None:
        """As ever; but warnings of a change of the schema are to be asked for first."""
        result = self._raw._result
        if plan.kind == "set transaction":
            self._ahead = result, plan.sql
        elif plan.words[:1] == ("SAVEPOINT",):
            self._ahead = result, ""
        if plan.effect == "catalogue" and result is not None and result.warning_count:
            self.transaction.changed()
            self.invalidate()
        else:
            super().done(plan)

    # -- transactions ---------------------------------------------------------------

    def atomic(self, *, returns: bool = False) -> AbstractContextManager[None]:
        """A block whose statements happen together or not at all.

        In an open transaction it is a part of that. Else it is a transaction of its own
        in autocommit mode; otherwise the server begins one, which stays open.
        """
        own = RawConnection.get_autocommit(self._raw)
        return self._together(Begin("BEGIN" if own else "", kept=not own))

    def undoable(self) -> AbstractContextManager[None]:
        """None: each change of the schema is committed at once."""
        return nullcontext()

    def _undo(self, sql: str) -> None:
        """As ever; after a deadlock the server has undone all of it."""
        try:
            super()._undo(sql)
        except self.driver.Error as error:
            if error.args[:1] != (_NO_SAVEPOINT,) and self._raw.open:
                raise

    def violated(
        self, error: BaseException, row: int | None = None
    ) -> PolicyViolation | None:
        """The violation that the message of the server's error names."""
        if error.args[:1] not in ((1411,), (1690,)):
            return None
        found = _VIOLATED.search(str(error.args[1]))
        if not found:
            return None
        # MariaDB tells the expression, in which quotes have a backslash
        return violation(found[1].replace("\\'", "'"), row)


def _finding(number: int) -> str:
    """A query that finds so many rows, of which it shows one at most."""
    # of two short sequences: it takes next to nothing for thousands
    ones, thousands = _SEQUENCE.format(999, "a"), _SEQUENCE.format(number // 1000, "b")
    return (
        f"SELECT SQL_CALC_FOUND_ROWS 1 FROM {ones} JOIN {thousands} "
        f"WHERE a.n + 1000 * b.n <= {number + 1000} LIMIT 1"
    )


def _speller(raw: Any) -> Callable[..., str]:
    """What spells the lists of plans; the connection holds it, and not the reverse."""
    weak = ref(raw)

    def spell(value: Any, mapping: Any = None) -> str:
        connection = weak()
        assert connection is not None
        said: str = value.spelled(connection.escape)
        return said

    return spell
