"""For the tests of programs: does a statement keep to the rows that its caller sees?"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import Any, cast

from kysera_dbapi._context import including_deleted
from kysera_dbapi.catalogue import Table
from kysera_dbapi.connection import Connection
from kysera_dbapi.errors import ConfigurationError
from kysera_dbapi.protocols import Parameters
from kysera_dbapi.session import Session

__all__ = ["assert_isolated"]

_Row = tuple[Any, ...]
_SHOWN = 10
_WRITES = ("insert", "update", "delete")


def assert_isolated(
    connection: Any,
    sql: str,
    parameters: Parameters = (),
    *,
    ordered: bool = False,
    make_copy: Callable[[], Any] | None = None,
) -> None:
    """Assert that a statement neither shows nor changes a row that is hidden.

    A SELECT must give the rows that it gives on a copy in memory that holds the visible
    rows of protected tables and all of the others; in their order, if ``ordered``. An
    INSERT, UPDATE or DELETE is run and undone: the hidden rows must be as they were,
    and no other may be written. ``make_copy`` makes the empty connection for the copy,
    with the functions and converters that the statement needs; temporary and attached
    tables are not copied.

    Raises ``AssertionError`` with the rows that differ, ``ConfigurationError`` for what
    cannot be asserted, and what the statement itself raises.
    """
    if not isinstance(connection, Connection):
        raise _wrong(f"the connection is not wrapped: {connection!r}")
    session = connection._self_session
    with session.in_context():
        kind = session.plan(sql).kind
        if kind == "select":
            _check_read(connection, sql, parameters, (ordered, make_copy))
        elif kind in _WRITES:
            _check_write(connection, sql, parameters)
        else:
            raise _wrong(f"only queries, INSERT, UPDATE and DELETE, not {kind}")


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"assert_isolated: {what}", code="configuration")


# -- reads ------------------------------------------------------------------------


def _check_read(
    connection: Any,
    sql: str,
    parameters: Parameters,
    how: tuple[bool, Callable[[], Any] | None],
) -> None:
    ordered, make_copy = how
    session = connection._self_session
    got = _answer(connection, sql, parameters)
    with closing((make_copy or session.new_copy)()) as copy:
        session.copy_into(copy)
        _filter(session, copy)
        try:
            due = _answer(copy, sql, parameters)
        except session.driver.Error as error:
            raise AssertionError(
                f"not isolated, or not to be compared: {sql}\n"
                f"  it fails on the filtered copy: {error}"
            ) from error
    if got[0] != due[0]:
        raise AssertionError(
            f"not isolated: {sql}\n  columns {got[0]}, on the filtered copy {due[0]}"
        )
    if Counter(map(_typed, got[1])) != Counter(map(_typed, due[1])):
        raise AssertionError(_difference(sql, got[1], due[1]))
    if ordered and list(map(_typed, got[1])) != list(map(_typed, due[1])):
        raise AssertionError(
            f"not isolated: {sql}\n  the rows have another order on the filtered copy"
        )


def _answer(connection: Any, sql: str, parameters: Parameters) -> tuple[Any, Any]:
    """The names of the columns and the rows, as plain tuples."""
    with closing(connection.cursor()) as cursor:
        cursor.row_factory = None
        cursor.execute(sql, parameters)
        names = [column[0] for column in cursor.description or ()]
        return names, [tuple(row) for row in cursor.fetchall()] if names else []


def _filter(session: Session, copy: Any) -> None:
    """Take the hidden rows out of the copy, without its triggers."""
    quote = session.dialect.quote
    tables = [t for t in _protected(session) if t.schema == session.catalogue.home]
    for table in tables:
        for trigger in table.triggers:
            with suppress(session.driver.Error):  # temporary ones are not there
                copy.execute(f"DROP TRIGGER {quote(trigger.name)}")
    for table in tables:
        key = _key(session, table)
        names = ", ".join(map(quote, key))
        slots = ", ".join("?" * len(key))
        copy.execute(f"CREATE TEMP TABLE _k_seen ({names})")
        seen = f"INSERT INTO temp._k_seen VALUES ({slots})"
        copy.executemany(seen, _visible(session, table))
        copy.execute(
            f"DELETE FROM {_full(session, table)} WHERE ({names}) NOT IN "
            f"(SELECT {names} FROM temp._k_seen)"
        )
        copy.execute("DROP TABLE temp._k_seen")
    copy.commit()


# -- writes -----------------------------------------------------------------------


class _Undo(Exception):
    """Ends the block in which a write was tried."""


def _check_write(connection: Any, sql: str, parameters: Parameters) -> None:
    session = connection._self_session
    problems: list[str] = []
    plan = session.plan(sql)
    before = {table.key: _hidden(session, table) for table in _protected(session)}
    with suppress(_Undo), session.undoable():
        owned = {table.key: _foreign(session, table) for table in _protected(session)}
        _answer(connection, sql, parameters)
        for table in _protected(session):
            now, owner = _rows(session, table), owned[table.key]
            revives = plan.retry_sql and plan.target == table.key
            still = _hidden(session, table)
            for key, row in before[table.key].items():
                if revives and key not in owner and key not in still:
                    continue  # a deleted row that is live again
                if _typed(now.get(key, ())) != _typed(row):
                    problems.append(f"{table.key}: {row} became {now.get(key, 'none')}")
            new = _foreign(session, table).keys() - owner.keys()
            problems += [f"{table.key}: wrote {now[key]}" for key in new]
        raise _Undo
    if problems:
        shown = "\n  ".join(problems[:_SHOWN])
        raise AssertionError(f"not isolated: {sql}\n  {shown}")


def _hidden(session: Session, table: Table) -> dict[_Row, _Row]:
    """The hidden rows of a table by their keys."""
    seen = set(map(_typed, _visible(session, table)))
    rows = _rows(session, table).items()
    return {key: row for key, row in rows if _typed(key) not in seen}


def _foreign(session: Session, table: Table) -> dict[_Row, _Row]:
    """Those that are hidden, and not for having been deleted."""
    with including_deleted():
        return _hidden(session, table)


# -- rows -------------------------------------------------------------------------


def _protected(session: Session) -> list[Table]:
    catalogue = session.catalogue
    tables = (catalogue.tables.get(key) for key in sorted(session.protected()))
    return [table for table in tables if table is not None and table.kind == "table"]


def _key(session: Session, table: Table) -> Sequence[str]:
    found = session.dialect.row_key(table)
    if not found:
        raise _wrong(f"nothing tells the rows of {table.key} apart")
    return found


def _full(session: Session, table: Table) -> str:
    quote = session.dialect.quote
    return f"{quote(table.schema)}.{quote(table.name)}"


def _visible(session: Session, table: Table) -> list[_Row]:
    """The keys of the rows that the caller sees."""
    listed = _listed(session, _key(session, table))
    text = f"SELECT {listed} FROM {_full(session, table)}"
    return session.execute_planned(text)


def _rows(session: Session, table: Table) -> dict[_Row, _Row]:
    """All rows of a table by their keys, as they are stored."""
    key = _key(session, table)
    columns = [c.name for c in table.columns if not c.hidden]
    listed = _listed(session, [*key, *columns])
    rows = session.execute(f"SELECT {listed} FROM {_full(session, table)}")
    return {row[: len(key)]: row[len(key) :] for row in rows}


def _listed(session: Session, columns: Sequence[str]) -> str:
    # the sign takes the declared type off, by which drivers convert values
    return ", ".join(f"+{session.dialect.quote(name)}" for name in columns)


def _typed(row: Sequence[Any]) -> tuple[Any, ...]:
    """1, 1.0 and '1' are different values, though Python holds some to be equal."""
    return tuple((type(value).__name__, value) for value in row)


def _difference(sql: str, got: list[_Row], due: list[_Row]) -> str:
    lines = [f"not isolated: {sql}"]
    sides = (
        ("only through the connection", got, due),
        ("only on the filtered copy", due, got),
    )
    for title, some, others in sides:
        left = Counter(map(_typed, some)) - Counter(map(_typed, others))
        rows = [tuple(v for _, v in row) for row in left.elements()]
        if rows:
            lines.append(f"  {title} ({len(rows)}):")
            lines += [f"    {cast('Any', row)!r}" for row in rows[:_SHOWN]]
    return "\n".join(lines)
