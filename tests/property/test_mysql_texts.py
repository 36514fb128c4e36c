"""Laws of texts on MySQL and MariaDB: lexing under every sql_mode, and values."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from typing import Any

import pymysql
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from kysera_dialects.mysql import MySQLDialect, dialect_of

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete
from kysera_dbapi.shape import Lexer
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import Server
from tests.property.strategies import LAW, PAD
from tests.servers import database

MANY = settings(LAW, max_examples=200)
#: Each is some round trips.
FEW = settings(LAW, max_examples=60)

READING = sorted(MySQLDialect.reading - {"SIMULTANEOUS_ASSIGNMENT"})
LEXERS = [
    Lexer(dialect_of(version, ",".join(chosen), 0).lexical, format_style=style)
    for version in ("9.7.4", "10.11.19-MariaDB")
    for some in product((True, False), repeat=len(READING))
    for chosen in [[mode for mode, on in zip(READING, some, strict=True) if on]]
    for style in (False, True)
]
_PIECES = (
    *"'\"`[]()?:@$%-+*/\\;,.=<>|&~! \n\t\x00\ud800e0x1é名#",
    *"-- --\n /* */ /*! /*!50000 /*!99999 /*M! /*+ '' \"\" `` \\' \\\" \\\\".split(" "),
    *"%s %(a)s %% IN VALUES NULL in( values( orders N'' _utf8'a' x'41' b'1'".split(),
    *"1.5e-3 .5 0x1F 1a 1e 'text' \"name\" `name` 1, 'a', (1, 2), t.1e5 @a @@b".split(),
)
soups = st.lists(st.sampled_from(_PIECES), max_size=30).map("".join)


@MANY
@given(soups, st.sampled_from(LEXERS))
def test_the_tokens_of_a_text_are_the_text(text: str, lexer: Lexer) -> None:
    tokens = list(lexer.lex(text))
    assert "".join(t.text for t in tokens) == text
    assert [t.start for t in tokens] == [0, *(t.end for t in tokens)][: len(tokens)]


@MANY
@given(soups, st.sampled_from(LEXERS))
def test_a_shape_and_the_lexer_know_the_same_literals(text: str, lexer: Lexer) -> None:
    tokens = list(lexer.lex(text))
    assume(all(t.kind != "broken" for t in tokens))  # it is refused
    found = [t for t in tokens if t.kind in ("string", "number")]
    shape = lexer.shape(text, fold=False)
    assert shape.given() == tuple(t.text for t in found)
    assert shape.spans() == [(t.start, t.end) for t in found]
    assert shape.text() == text


@MANY
@given(soups, st.sampled_from(LEXERS))
def test_the_pieces_of_a_folded_text_are_the_text(text: str, lexer: Lexer) -> None:
    shape = lexer.shape(PAD + text)
    pieces = zip(shape.runs, shape.literals, strict=True)
    assert "".join(run + literal for run, literal in pieces) == PAD + text


SCHEMA = (
    "CREATE TABLE orders (id int PRIMARY KEY, total varchar(20), deleted_at datetime)",
    "CREATE TABLE log (id int PRIMARY KEY, total varchar(20))",
    "INSERT INTO orders VALUES (1, '10', NULL), (2, '20', now()), (3, '?', NULL)",
    "INSERT INTO log VALUES (1, '10'), (2, '%s'), (3, '3')",
)
#: Each ``{}`` is a literal or a placeholder, ``I`` a list of them.
TEMPLATES = (
    "SELECT {}, id, {} FROM orders WHERE id <> {}",
    "SELECT id FROM orders WHERE total IN (I) OR id IN (I)",
    "SELECT o.id, l.id FROM log l LEFT JOIN orders o ON o.id = {} AND l.total = {}",
    "SELECT (SELECT max(total) FROM orders WHERE id IN (I)), {} FROM log WHERE id = {}",
    "SELECT id FROM orders WHERE total LIKE {} OR concat({}, '%%') = '%%' LIMIT 2",
    "UPDATE orders SET total = {} WHERE id IN (I)",
    "DELETE FROM orders WHERE id IN (I) OR total = {}",
    "INSERT INTO log (id, total) VALUES (11, {}), (12, {})",
    "INSERT INTO log SELECT id + 10, {} FROM orders WHERE total <> {}",
)
LITERALS = (
    *("1", "3", "-1", "1.5", ".5", "1e0", "0x31", "x'31'", "NULL", "''", "'10'", "'a'"),
    *("'it''s'", "'?'", "'%%s'", "'%%'", "'a\\\\b'", "'\\''", "'-- '", "'/*'", "'#'"),
    *("N'a'", "_utf8mb4'10'", "b'1'", "'a' 'b'", "+2", "(1)", "1 /* , ' */", "@x"),
)
VALUES = (1, 3, 0, -1, 1.5, "10", "a", "it's", "%s", "\\", "\\' OR 1 -- ", '"', None)


@st.composite
def filled(draw: st.DrawFn) -> tuple[str, tuple[Any, ...]]:
    """A statement, and the values that it is given."""
    values: list[Any] = []

    def one() -> str:
        if draw(st.booleans()):
            values.append(draw(st.sampled_from(VALUES)))
            return "%s"
        return draw(st.sampled_from(LITERALS))

    text = draw(st.sampled_from(("", PAD)))
    template = draw(st.sampled_from(TEMPLATES)).replace("(I)", "(\0)")
    for piece in template.replace("{}", "\1"):
        if piece == "\0":
            text += ", ".join(one() for _ in range(draw(st.integers(1, 5))))
        else:
            text += one() if piece == "\1" else piece
    # the driver formats what gets values alone
    return (text, tuple(values)) if values else (text.replace("%%", "%"), ())


@pytest.fixture(scope="module")
def sides(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Any]]:
    """The shim on all rows, and the raw driver on those that are not deleted."""
    with database(request.param) as url, ExitStack() as stack:
        server = Server(url, stack)
        copy = server.connect(database=server.other("copy"), autocommit=False)
        for connection in (server.raw, copy):
            for statement in SCHEMA:
                rows(connection, statement)
        rows(copy, "DELETE FROM orders WHERE deleted_at IS NOT NULL")
        copy.commit()
        server.raw.autocommit(False)
        yield kysera_dbapi.wrap(server.raw, plugins=[SoftDelete(["orders"])]), copy


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what wants both sides on each server."""
    from tests.servers import parameters

    if "sides" in metafunc.fixturenames:
        found = parameters("mysql")
        metafunc.parametrize("sides", found, indirect=True, scope="module")


def outcome(connection: Any, sql: str, values: tuple[Any, ...]) -> tuple[object, ...]:
    """Rows and count, or the error's number; and what can be seen afterwards."""
    try:
        with connection.cursor() as cursor:
            count = cursor.execute(sql, values or None)
            result: object = (sorted(map(repr, cursor.fetchall())), count)
    except pymysql.Error as error:
        result = error.args[0]
    seen = [
        rows(connection, f"SELECT id, total FROM {table} ORDER BY id")
        for table in ("orders", "log")
    ]
    connection.rollback()
    return (result, *seen)


@FEW
@given(made=filled(), mode=st.sampled_from(["", "ANSI_QUOTES", "PIPES_AS_CONCAT"]))
def test_values_arrive_where_the_text_wants_them(
    sides: tuple[Any, Any], made: tuple[str, tuple[Any, ...]], mode: str
) -> None:
    for side in sides:
        rows(side, f"SET sql_mode = '{mode}'")
    got, due = (outcome(side, *made) for side in sides)
    assert got == due
