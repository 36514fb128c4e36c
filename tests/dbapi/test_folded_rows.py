"""Rows of VALUES that get values of plugins are planned by one of them."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import context
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import ProgrammingError, UnsupportedStatement
from kysera_dbapi.plugins import RowLevelSecurity, Timestamps, tenant_isolation
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.shape import Lexer

SCHEMA = """
CREATE TABLE stock (
    id INTEGER PRIMARY KEY, tenant_id, created_at, updated_at, a, b,
    UNIQUE (tenant_id, a));
CREATE TABLE log (a, b);
INSERT INTO stock (tenant_id, created_at, updated_at, a, b)
VALUES (7, 'before', 'before', 1, 'ours'), (8, 'before', 'before', 1, 'theirs');
"""
NOW = "2026-01-01 00:00:00.000000"
#: Lists fold in long texts alone.
PAD = f"/*{'-' * 2000}*/ "
#: What is written by hand where there is no shim.
BY_HAND = {
    "columns": ", tenant_id, created_at, updated_at",
    "ours": f", 7, '{NOW}', '{NOW}'",
    "met": f", updated_at = '{NOW}'",
}
NOT_AT_ALL = dict.fromkeys(BY_HAND, "")

INSERT = "INSERT INTO stock (a, b{columns}) VALUES {rows}"
STATEMENTS = [
    INSERT,
    INSERT + " ; ",
    "INSERT OR IGNORE INTO stock (a, b{columns}) VALUES {rows}",
    "REPLACE INTO stock (a, b{columns}) VALUES {rows}",
    INSERT + " RETURNING id, a, b, ?, 'x' || ?",
    INSERT + " ON CONFLICT DO NOTHING RETURNING a",
    INSERT + " ON CONFLICT (tenant_id, a) DO UPDATE SET b = excluded.b || ?{met} "
    "WHERE stock.b <> ? RETURNING (SELECT count(*) FROM (VALUES {plain}))",
    "REPLACE" + INSERT[6:] + " UNION ALL VALUES {rows}",
    INSERT + ", (abs(-70), 'a ) b'{ours}), (71, ?{ours})",
    INSERT + ", -- (1, 2)\n ('70', 'c'{ours}), /* ) */ (71, ?{ours})",
    "WITH c(x, y) AS (VALUES {plain}) INSERT INTO stock (a, b{columns}) "
    "VALUES {rows} RETURNING a, (SELECT sum(x) FROM c WHERE x IN (?, ?, 3))",
    "WITH c(x, y) AS (VALUES {plain}) INSERT INTO stock (a, b{columns}) "
    "SELECT x + 100, y{ours} FROM c WHERE x NOT IN (?, ?, 3) UNION VALUES {rows}",
    "INSERT INTO stock (a, b{columns}) SELECT column1 + 100, column2{ours} "
    "FROM (VALUES {plain}) WHERE column2 IS NOT ?",
    "INSERT INTO log VALUES {plain}",
]
ROWS = [
    ["1, 2", "2, 'met'"],
    ["2, 2", "3, 'text'", "4, NULL"],
    ["2, ')'", "3, '),('", "4, 'it''s ?)'", "5, ''''"],
    ["2, '\")'", "3, '\\'", "4, '$$)'"],
    ["-2, 0x1F", "+3, x'29'", "4.5e+1, -.5"],
    ["?, ?", "?, ?", "?, ?"],
    ["?, 1", "2, ?", "?, '?)'", "'it''s', ?"],
    ["2, ?", "?, 3", "?, '?)'", "'it''s', ?"],
    ["2, 2", "?, ?", "?, NULL"],
    ["?, ?", "2, 2", "3, ?"],
]


class Counting(Timestamps):
    """Timestamps that count the statements planned."""

    planned = 0

    def intercept(self, statement: Draft) -> None:
        self.planned += 1
        super().intercept(statement)


class Translating(sqlite3.Cursor):
    """Takes ``%s``, as the cursors of Django do."""

    def execute(self, sql: str, parameters: Any = None, /) -> "Translating":
        if parameters is None:
            return super().execute(sql)
        return super().execute(sql.replace("%s", "?"), parameters)


def raw_stock() -> sqlite3.Connection:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    return raw


def wrapped(raw: sqlite3.Connection, **clock: Any) -> Any:
    clock = clock or {"clock": lambda: datetime.fromisoformat(f"{NOW}+00:00")}
    security = RowLevelSecurity(tenant_isolation("tenant_id", ["stock"]))
    return kysera_dbapi.wrap(raw, plugins=[security, Counting(["stock"], **clock)])


@pytest.fixture
def raw() -> Iterator[Any]:
    with closing(raw_stock()) as made:
        yield made


@pytest.fixture
def shim() -> Iterator[Any]:
    with closing(wrapped(raw_stock())) as made, context(tenant_id=7):
        yield made


def counting(shim: Any) -> Counting:
    plugins = shim._self_session.plugins
    return next(plugin for plugin in plugins if isinstance(plugin, Counting))


def filled(statement: str, rows: Sequence[str], said: dict[str, str]) -> str:
    """The statement; to the ``rows`` are added what is ``said`` of ours."""
    plain = ", ".join(f"({row})" for row in rows)
    ours = ", ".join(f"({row}{said['ours']})" for row in rows)
    return PAD + statement.format(rows=ours, plain=plain, **said)


def values(text: str) -> tuple[int, ...]:
    """A value for each placeholder, no two alike."""
    lexer = Lexer(get_dialect("sqlite").lexical)
    marks = [t for t in lexer.lex(text) if t.kind == "placeholder"]
    return tuple(range(1000, 1000 + len(marks)))


def outcome(connection: Any, text: str, given: Sequence[object]) -> object:
    """The rows and how many were written, or what was wrong."""
    try:
        cursor = connection.execute(text, given)
        return cursor.fetchall(), cursor.rowcount
    except sqlite3.Error as error:
        return str(error)


def stock(connection: Any) -> list[Any]:
    """All rows of both tables."""
    raw = getattr(connection, "unwrap", lambda: connection)()
    found = raw.execute("SELECT * FROM stock ORDER BY id").fetchall()
    return [*found, *raw.execute("SELECT * FROM log ORDER BY rowid")]


@pytest.mark.parametrize("rows", ROWS, ids=" / ".join)
@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_rows_are_those_written_by_hand(
    raw: Any, shim: Any, statement: str, rows: list[str]
) -> None:
    by_hand = filled(statement, rows, BY_HAND)
    text = filled(statement, rows, NOT_AT_ALL)
    assert outcome(shim, text, values(text)) == outcome(raw, by_hand, values(by_hand))
    assert stock(shim) == stock(raw)


@pytest.mark.parametrize("rows", ROWS, ids=" / ".join)
@pytest.mark.parametrize("statement", [INSERT, STATEMENTS[6], STATEMENTS[7]])
def test_so_they_are_below_a_cursor_that_translates_placeholders(
    raw: Any, shim: Any, statement: str, rows: list[str]
) -> None:
    by_hand = filled(statement, rows, BY_HAND)
    text = filled(statement, rows, NOT_AT_ALL)
    # none that is in a string
    marked = re.sub(r"'[^']*'|(\?)", lambda m: "%s" if m[1] else m[0], text)
    found = outcome(shim.cursor(Translating), marked, values(text))
    assert found == outcome(raw, by_hand, values(by_hand))
    assert stock(shim) == stock(raw)


@pytest.mark.parametrize(
    ("statement", "count"),
    [
        ("INSERT INTO stock DEFAULT VALUES", 1),
        ("EXPLAIN " + INSERT, 0),
        ("EXPLAIN QUERY PLAN " + INSERT, 0),
        ("INSERT INTO stock (a, b) VALUES (5, DEFAULT), (6, 7)", 0),
    ],
)
def test_what_has_no_rows_of_values_writes_what_it_should(
    shim: Any, statement: str, count: int
) -> None:
    outcome(shim, filled(statement, ["3, ')'", "4, 5"], NOT_AT_ALL), ())
    assert [row[1:4] for row in stock(shim)[2:]] == [(7, NOW, NOW)] * count


def test_different_arrangements_never_share_their_values(raw: Any, shim: Any) -> None:
    """One after the other, so that each finds what the others have left."""
    for rows in [*ROWS[5:], *reversed(ROWS[5:])]:
        for connection, said in ((raw, BY_HAND), (shim, NOT_AT_ALL)):
            text = filled("REPLACE" + INSERT[6:], rows, said)
            connection.execute(text, values(text))
        assert stock(shim) == stock(raw)


# -- how often they are planned -------------------------------------------------------


@pytest.mark.parametrize("row", ["({0}, 'text {0})')", "(?, ?)", "(?, {0})"])
def test_rows_of_any_number_are_planned_once(shim: Any, row: str) -> None:
    for count in (1000, 700, 1, 999, 2):
        listed = ", ".join(row.format(n) for n in range(count))
        text = PAD + f"REPLACE INTO stock (a, b) VALUES {listed}"
        assert shim.execute(text, values(text)).rowcount == count
        assert counting(shim).planned == 1
    owners = "SELECT DISTINCT tenant_id, updated_at FROM stock WHERE a <> 1"
    assert shim.unwrap().execute(owners).fetchall() == [(7, NOW)]


def test_rows_of_many_numbers_push_out_no_other_plans(shim: Any) -> None:
    pipeline = shim._self_session.pipeline
    pipeline.shapes.limit = pipeline.arranged.limit = 4
    for count in range(2, 30):
        text = filled("REPLACE" + INSERT[6:], ["?, ?"] * count, NOT_AT_ALL)
        shim.execute(text, values(text))
        shim.execute("SELECT a FROM stock WHERE a = 1")
    assert len(pipeline.arranged.items) == 4
    assert pipeline.shapes.statistics.evictions == 0
    assert counting(shim).planned == 2


def test_so_are_the_elements_of_lists(shim: Any) -> None:
    for count in (1000, 700, 1):
        text = PAD + f"SELECT a FROM stock WHERE a IN ({', '.join('?' * count)})"
        assert shim.execute(text, range(count)).fetchall() == [(1,)] * (count > 1)
    assert counting(shim).planned == 1


def test_rows_with_comments_between_are_planned_as_they_are(shim: Any) -> None:
    for count in (3, 4):
        listed = ", /* one more */ ".join(f"({n}, 0)" for n in range(2, 2 + count))
        shim.execute(f"{PAD}REPLACE INTO stock (a, b) VALUES {listed}")
    assert counting(shim).planned == 2
    assert len(stock(shim)) == 2 + 4


def test_literals_need_no_more_values_however_many_rows(shim: Any) -> None:
    """SQLite takes so many in a statement, and the caller has used none."""
    shim.unwrap().setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2)
    listed = ", ".join(f"({n}, 'text')" for n in range(2, 5000))
    assert shim.execute(f"INSERT INTO stock (a, b) VALUES {listed}").rowcount == 4998


@pytest.mark.parametrize("rows", [ROWS[1], ROWS[5]], ids=["literals", "placeholders"])
def test_what_is_explained_is_what_is_sent(shim: Any, rows: list[str]) -> None:
    text = filled(INSERT, rows, NOT_AT_ALL)
    assert shim.explain(text).sql == shim._self_session.plan(text).sql


# -- whose values ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conflict", "given"),
    [
        ("DO UPDATE SET b = :b", {"b": "new"}),
        ("DO UPDATE SET b = ?2 || ?1", ("w", "ne")),
        ("DO UPDATE SET b = @b || ?", ("n", "ew")),
        ("DO UPDATE SET b = ?", ["new"]),
    ],
)
def test_other_placeholders_may_stand_elsewhere(
    shim: Any, conflict: str, given: Any
) -> None:
    text = f"{PAD}{INSERT} ON CONFLICT (tenant_id, a) {conflict}"
    shim.execute(text.format(rows="(1, 2), (3, '?)'), (4, 5)", columns=""), given)
    rows = [(row[1], *row[3:]) for row in stock(shim)]
    assert rows[0] == (7, NOW, 1, "new")
    assert rows[1][3] == "theirs"
    assert rows[2:] == [(7, NOW, 3, "?)"), (7, NOW, 4, 5)]


@pytest.mark.parametrize("row", ["(:a, 2)", "(?1, 2)", "(?1, ?)", "(@a, $a)"])
def test_rows_with_other_placeholders_are_planned_as_they_are(
    raw: Any, shim: Any, row: str
) -> None:
    rows = [row.strip("()"), "4, 5"]
    given = {"a": 3} if "a" in row else (3,) * row.count("?")
    for connection, said in ((raw, BY_HAND), (shim, NOT_AT_ALL)):
        connection.execute(filled(INSERT, rows, said), given)
    assert stock(shim) == stock(raw)


@pytest.mark.parametrize(
    "rows", [["?, ?", "?, ?"], ["?, 2", "3, 4", "5, ?"], ["2, 3", "?, 5"]]
)
def test_a_number_elsewhere_counts_those_in_rows(
    raw: Any, shim: Any, rows: list[str]
) -> None:
    statement = INSERT + " ON CONFLICT (tenant_id, a) DO UPDATE SET b = ?2{met}"
    for connection, said in ((raw, BY_HAND), (shim, NOT_AT_ALL)):
        text = filled(statement, rows, said)
        connection.execute(text, (1, 3, 4, 6)[: max(2, text.count("?") - 1)])
    assert stock(shim) == stock(raw)


def test_executemany_gives_every_row_of_every_statement_its_values(
    raw: Any, shim: Any
) -> None:
    rows = ["?, ?", "?, 'x)'"]
    given = [(n, n + 1, n + 2) for n in range(10, 100, 10)]
    for connection, said in ((raw, BY_HAND), (shim, NOT_AT_ALL)):
        cursor = connection.executemany(filled(INSERT, rows, said), given)
        assert cursor.rowcount == 18
    assert stock(shim) == stock(raw)


def test_a_value_of_the_database_stands_in_every_row() -> None:
    with closing(wrapped(raw_stock(), clock="database")) as shim, context(tenant_id=7):
        for row in ("({}, 'a)')", "({}, ?)"):
            listed = ", ".join(row.format(n) for n in range(2, 1000))
            text = f"{PAD}REPLACE INTO stock (a, b) VALUES {listed}"
            shim.execute(text, values(text))
            ((created, updated),) = {(row[2], row[3]) for row in stock(shim)[2:]}
            assert created == updated
            assert datetime.fromisoformat(created) > datetime(2026, 1, 1)
        assert counting(shim).planned == 2


# -- what is wrong --------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows",
    [
        ["1, 2", "3"],
        ["1, 2", "3, 4, 5"],
        ["1", "2, 3"],
        ["1", "2"],
        ["1, 2, 7, 0, 0", "3, 4, 7, 0, 0"],
        ["?, ?", "?"],
        ["?", "?, ?"],
        ["1, 2", "3, ,"],
        ["1, 2", "3, 4, "],
        ["1, 2", " "],
        [" ", "1, 2"],
        ["1, 2", "3 4"],
        ["1, 2", "3, 'a' 'b'"],
        ["1, 2", ""],
    ],
    ids=" / ".join,
)
@pytest.mark.parametrize("known", [False, True])
def test_wrong_rows_are_an_error_as_they_are_to_the_database(
    raw: Any, shim: Any, rows: list[str], known: bool
) -> None:
    if known:
        shim.execute(filled(INSERT, ["20, 1", "21, 2"], NOT_AT_ALL))
        shim.execute(filled(INSERT, ["?, ?", "?, ?"], NOT_AT_ALL), (30, 1, 31, 2))
    before = stock(shim)
    text = filled(INSERT, rows, NOT_AT_ALL)
    with pytest.raises(sqlite3.OperationalError):
        raw.execute(text, values(text))
    with pytest.raises((sqlite3.OperationalError, UnsupportedStatement)):
        shim.execute(text, values(text))
    assert stock(shim) == before


@pytest.mark.parametrize("given", [(), (1,), (1, 2, 3, 4, 5, 6)])
def test_a_wrong_count_of_values_is_told_in_the_callers_numbers(
    shim: Any, given: tuple[int, ...]
) -> None:
    for last, count in (("?, ?", 4), ("1, ?", 3)):
        text = filled(INSERT, ["?, ?", last], NOT_AT_ALL)
        with pytest.raises(ProgrammingError, match=f"has {count} placeholders"):
            shim.execute(text, given)
    assert len(stock(shim)) == 2


def test_a_null_character_is_the_drivers_error(raw: Any, shim: Any) -> None:
    text = filled(INSERT, ["3, 'a'", "4, '\0'"], NOT_AT_ALL)
    with pytest.raises(Exception) as expected:  # noqa: PT011
        raw.execute(text)
    with pytest.raises(type(expected.value), match=str(expected.value)):
        shim.execute(text)


def test_a_placeholder_that_becomes_a_number_takes_no_value_of_ours(shim: Any) -> None:
    """``%s3`` is ``?3`` once it is translated: whose value would that be?"""
    text = f"{PAD}INSERT INTO stock (a, b) VALUES (%s3, %s1), (%s2, %s)"
    with pytest.raises(UnsupportedStatement):
        shim.cursor(Translating).execute(text, (5, 6, 8, 9))
    assert len(stock(shim)) == 2
