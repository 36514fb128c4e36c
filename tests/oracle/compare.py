"""Runs one statement on both sides and says what came of it."""

import enum
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from tests.oracle.draft import Statement
from tests.oracle.schema import KEYS, Row
from tests.oracle.world import GHOST, VIOLATION, World, is_violation

# The classes of PEP 249, and the one by which a statement is refused.
_CLASSES = (
    "UnsupportedStatement",
    VIOLATION,
    "IntegrityError",
    "DataError",
    "OperationalError",
    "InternalError",
    "ProgrammingError",
    "NotSupportedError",
    "DatabaseError",
    "InterfaceError",
    "Warning",
)


class Cursor(Protocol):
    """What the comparison asks of a cursor (PEP 249)."""

    description: Any
    rowcount: int

    def execute(self, sql: str, parameters: Any = ..., /) -> Any: ...
    def executemany(self, sql: str, rows: Any, /) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def close(self) -> None: ...


class Connection(Protocol):
    """What the comparison asks of a connection (PEP 249)."""

    def cursor(self) -> Any: ...
    def rollback(self) -> None: ...


class Outcome(enum.Enum):
    EQUAL = "equal"
    REFUSED = "refused"
    BOTH_ERROR = "both-error"
    WRONG = "wrong"
    LEAKED = "leaked"
    DISPUTED = "disputed"  # SQLite itself answers one query in two ways


BAD = (Outcome.WRONG, Outcome.LEAKED)


@dataclass(frozen=True)
class Answer:
    """All that a caller sees of a statement."""

    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    rowcount: int = -1
    lastrowid: int | None = None
    error: str = ""  # the class of the error
    message: str = ""


@dataclass(frozen=True)
class Verdict:
    """What came of a statement; `got` through the shim, `expected` on the copy."""

    outcome: Outcome
    reason: str
    got: Answer
    expected: Answer
    sent: tuple[str, ...] = ()  # the texts that SQLite was given


Judge: TypeAlias = Callable[[Statement], Verdict]


def ask(connection: Connection, statement: Statement) -> Answer:
    """Runs the statement to its end; an error of any kind is an answer too."""
    cursor: Cursor = connection.cursor()
    try:
        statement.run(cursor)
        rows = cursor.fetchall() if cursor.description else []
    except Exception as error:
        return Answer(error=_class_of(error), message=str(error))
    else:
        names = tuple(column[0] for column in cursor.description or ())
        plain = tuple(tuple(map(_plain, row)) for row in rows)
        last: int | None = getattr(cursor, "lastrowid", None)
        return Answer(names, plain, cursor.rowcount, last)
    finally:
        cursor.close()


def _plain(value: Any) -> Any:
    """Arrays and objects can be counted only as tuples."""
    given: Any = value
    if isinstance(value, dict):
        return tuple(sorted((key, _plain(one)) for key, one in given.items()))
    return tuple(map(_plain, given)) if isinstance(value, list) else given


def _class_of(error: BaseException) -> str:
    if is_violation(error):
        return VIOLATION
    names = [base.__name__ for base in type(error).__mro__]
    known = [name for name in names if name in _CLASSES]
    if "UnsupportedStatement" in known:
        return "UnsupportedStatement"
    if VIOLATION in known:
        return VIOLATION
    state = getattr(error, "sqlstate", None) or ""
    return f"{known[0] if known else names[0]} {state[:2]}".strip()


def judge(world: World, shim: Connection, statement: Statement) -> Verdict:
    """Runs the statement through the shim on the full database, and raw on the copy.

    Afterwards both databases are as they were.
    """
    with world.texts() as sent:
        got = ask(shim, statement)
    expected = ask(world.copy, statement)
    outcome, reason = _compare(statement, got, expected)
    if outcome is Outcome.WRONG and statement.kind == "query":
        third = ask(world.views, statement)
        agreed = _compare(statement, got, third)[0] is Outcome.EQUAL
        outcome = Outcome.DISPUTED if agreed else outcome
    if expected.error == VIOLATION:
        world.reset_copy()  # of executemany, too, nothing is to be left
    if outcome is Outcome.EQUAL and statement.kind != "query":
        reason = _state(world, statement)
        outcome = Outcome.WRONG if reason else outcome
    failed = got.error or expected.error or outcome in BAD
    if statement.kind != "query" or failed:
        shim.rollback()
        world.reset()
    return Verdict(outcome, reason, got, expected, tuple(sent))


# answers


def _compare(
    statement: Statement, got: Answer, expected: Answer
) -> tuple[Outcome, str]:
    if got.error and GHOST in got.message and GHOST not in expected.message:
        return Outcome.LEAKED, "the error shows a hidden row"
    if got.error == "UnsupportedStatement":
        return Outcome.REFUSED, got.message
    if got.error or expected.error:
        if got.error == expected.error:
            as_due = got.error == VIOLATION
            return (Outcome.EQUAL if as_due else Outcome.BOTH_ERROR), got.error
        return Outcome.WRONG, f"error {got.error or 'none'!r}, not {expected.error!r}"
    extra = Counter(map(_typed, got.rows)) - Counter(map(_typed, expected.rows))
    if any(_shows_ghost(row) for row in extra):
        return Outcome.LEAKED, "a row shows what only hidden rows hold"
    reason = _difference(statement, got, expected)
    return (Outcome.WRONG if reason else Outcome.EQUAL), reason


def _difference(statement: Statement, got: Answer, expected: Answer) -> str:
    if got.columns != expected.columns:
        return f"columns {got.columns}, not {expected.columns}"
    one, two = [[_typed(row) for row in answer.rows] for answer in (got, expected)]
    if statement.ordered and one != two and Counter(one) == Counter(two):
        return "the rows are in another order"
    if Counter(one) != Counter(two):
        return f"{len(one)} rows, not the same {len(two)}"
    if got.rowcount != expected.rowcount:
        return f"rowcount {got.rowcount}, not {expected.rowcount}"
    # a table WITHOUT ROWID leaves lastrowid as earlier statements made it
    single = statement.kind == "insert" and "INSERT VALUES" in statement.shapes
    single = single and statement.target not in _WITHOUT_ROWID and not statement.many
    single = single and "conflict clause" not in statement.shapes
    if single and got.lastrowid != expected.lastrowid:
        return f"lastrowid {got.lastrowid}, not {expected.lastrowid}"
    return ""


_WITHOUT_ROWID = ("prices", "tags", "stock")


def _typed(row: Row) -> tuple[tuple[str, object], ...]:
    """1, 1.0 and '1' are different values, though Python holds some to be equal."""
    return tuple((type(value).__name__, value) for value in row)


def _shows_ghost(row: tuple[tuple[str, object], ...]) -> bool:
    return any(GHOST in str(value).lower() for _, value in row)


# what a statement that writes has left behind


def _state(world: World, statement: Statement) -> str:
    """Why the rows of the full database are not the copy's and the hidden ones."""
    full, copy = world.contents(world.full), world.contents(world.copy)
    for table in full:
        due = Counter(copy[table]) + world.hidden_before[table]
        extra, missing = Counter(full[table]) - due, due - Counter(full[table])
        deletes = statement.kind in ("delete", "merge")
        written = (statement.target, *statement.beside)
        if deletes and table in written and table in world.marks:
            gone = _gone(world, table, copy[table])
            extra = _without_deleted(world, table, extra, gone)
        if extra or missing:
            return (
                f"the rows of {table!r} are not those due: extra "
                f"{list(extra.elements())}, missing {list(missing.elements())}"
            )
    return ""


def _gone(world: World, table: str, rows: Sequence[Row]) -> Counter[Row]:
    """The rows that were there, and whose keys are not."""
    names = world.columns_of(table)
    places = [names.index(key) for key in KEYS[table]]
    there = {tuple(row[at] for at in places) for row in rows}
    before = world.copy_before[table]
    return Counter(r for r in before if tuple(r[at] for at in places) not in there)


def _without_deleted(
    world: World, table: str, extra: Counter[Row], gone: Counter[Row]
) -> Counter[Row]:
    """What is left of ``extra`` but for the rows that a DELETE was to mark.

    Rows that were to be marked and are not there count as well.
    """
    at, mark = world.positions[table], world.marks[table]
    marked = Counter(
        (*row[:at], None, *row[at + 1 :]) for row in extra if mark.hides(row[at])
    )
    plain = Counter(row for row in extra if not mark.hides(row[at]))
    due = Counter((*row[:at], None, *row[at + 1 :]) for row in gone.elements())
    return plain + (marked - due) + (due - marked)


# reports


def report(statement: Statement, verdict: Verdict) -> str:
    """The statement, its parameters, both answers, and what was sent."""
    got, expected = verdict.got, verdict.expected
    return "\n".join(
        (
            f"{verdict.outcome.value}: {verdict.reason}",
            f"  statement: {statement.sql}",
            f"  parameters: {statement.many or statement.params!r}",
            f"  got: {_shown(got, expected)}",
            f"  expected: {_shown(expected, got)}",
            *(f"  sent: {text}" for text in verdict.sent),
        )
    )


def _shown(answer: Answer, other: Answer) -> str:
    if answer.error:
        return f"{answer.error}: {answer.message}"
    only = Counter(answer.rows) - Counter(other.rows)
    rows = list(only.elements())[:8]
    return (
        f"{len(answer.rows)} rows, rowcount {answer.rowcount}, "
        f"columns {answer.columns}; only here: {rows}"
    )


def table_of(counts: Mapping[Outcome, int]) -> str:
    return ", ".join(f"{outcome.value} {counts.get(outcome, 0)}" for outcome in Outcome)
