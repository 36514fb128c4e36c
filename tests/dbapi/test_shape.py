"""Shapes: what makes two texts the same statement, and which lists are cut short."""

import pytest

from kysera_dbapi.lists import FOLDED
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.shape import Lexer, Shape

LEXER = Lexer(get_dialect("sqlite").lexical)
FORMAT = Lexer(get_dialect("sqlite").lexical, format_style=True)
#: Lists fold in long texts alone.
PAD = f"/*{'-' * 2000}*/ "


def shape(text: str, lexer: Lexer = LEXER) -> Shape:
    return lexer.shape(PAD + text)


def cut(text: str) -> str:
    """The text that is planned for it."""
    return shape(text).text().removeprefix(PAD)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 1", "SELECT 23.5e-7"),
        ("SELECT 'a'", "SELECT 'it''s'"),
        ("SELECT 1.", "SELECT .5"),
    ],
)
def test_texts_that_differ_in_literals_have_one_shape(one: str, other: str) -> None:
    assert LEXER.shape(one).key == LEXER.shape(other).key
    assert LEXER.shape(one).literals != LEXER.shape(other).literals


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 1", "SELECT '1'"),
        ("SELECT x'00'", "SELECT x'01'"),
        ("SELECT 0x1F", "SELECT 0x1E"),
        ("SELECT 0x1F", "SELECT 1"),
        ('SELECT "a"', 'SELECT "b"'),
        ("SELECT a1", "SELECT a2"),
        ("SELECT ?1", "SELECT ?2"),
        ("SELECT 1 -- 2", "SELECT 1 -- 3"),
        ("SELECT 1", "SELECT  1"),
        ("SELECT 'a''b'", "SELECT 'a' 'b'"),
    ],
)
def test_texts_that_differ_otherwise_have_two(one: str, other: str) -> None:
    assert LEXER.shape(one).key != LEXER.shape(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT 1 IN (1)", "SELECT 1 IN ('b', NULL, -2.5e+3, +.5, 3., 1.e5, ')')"),
        ("SELECT 1 NOT in (1)", "SELECT 1 NOT in ( \n2 , 'x''y'\t, '' )"),
        ("SELECT 1 IN (1)", "SELECT 1 IN (x'00',X'29',0x1F, 0XaB,0x0)"),
        ("VALUES (1, 2)", "VALUES (3, 'a(b'), (5, '),('),(null,''),(x'',0x1)"),
        ("INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(1),\n (2) , (3)"),
        ("SELECT 1 IN (1) LIMIT 5", "SELECT 1 IN (1, 2) LIMIT 6"),
    ],
)
def test_long_lists_are_one_shape_whatever_their_length(one: str, other: str) -> None:
    assert shape(one).key == shape(other).key
    assert shape(one).folded
    assert cut(one).count(FOLDED) == cut(other).count(FOLDED)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 IN (1, total)",
        "SELECT 1 IN (SELECT 1)",
        "SELECT 1 IN ('orders'.'total')",
        "SELECT 1 IN ('orders' \n . 'total', 2)",
        "SELECT 1 IN (1, 'orders'.e5)",
        "SELECT 1 IN (1, 'orders'.e5, 2)",
        'SELECT 1 IN ("total")',
        "SELECT 1 IN (x 'orders')",
        "SELECT 1 IN (x'0', x)",
        "SELECT 1 IN (x1)",
        "SELECT 1 IN (0x1Fx)",
        "SELECT 1 IN (10x1F)",
        "SELECT 1 IN (.0x1F)",
        "SELECT 1 IN (nullx'00')",
        "SELECT 1 IN (:a)",
        "SELECT 1 IN (?2)",
        "SELECT 1 IN (?, ??)",
        "SELECT 1 IN (nullx)",
        "SELECT 1 IN (null1)",
        "SELECT 1 IN (1, e5)",
        "SELECT 1 IN ('a' e5)",
        "SELECT 1 IN (1e)",
        "SELECT 1 IN (1, -total)",
        "SELECT 1 IN (1, --2\n3)",
        "SELECT 1 IN (1, /**/ 3)",
        "SELECT 1 IN ((1), 2)",
        "SELECT 1 IN (1, 2",
        "SELECT 1 IN ()",
        "SELECT 1 AS x_in (1)",
        'SELECT "IN" (1)',
        "SELECT 'IN' (1)",
        "SELECT [VALUES] (1)",
        "INSERT INTO (1)",
        "VALUES (abs(1))",
        "VALUES (total, 1), (2, 3)",
        "VALUES ('orders'.'total')",
        "VALUES ()",
    ],
)
def test_a_list_that_could_hold_more_stays_whole(text: str) -> None:
    assert not shape(text).folded
    assert cut(text) == text


@pytest.mark.parametrize(
    ("text", "planned"),
    [
        ("SELECT 1 IN (1, 2)", f"SELECT 1 IN ({FOLDED})"),
        ("VALUES (1, ')'), (2, 3)", f"VALUES ({FOLDED}, {FOLDED})"),
        ("VALUES (1), (abs(2))", f"VALUES ({FOLDED}), (abs(2))"),
        ("SELECT a IN (?, ?) AND b IN (3)", f"SELECT a IN ({FOLDED}) AND b IN ("),
        ("SELECT 1 IN (total), 2 IN (1, 2)", f"SELECT 1 IN (total), 2 IN ({FOLDED})"),
    ],
)
def test_a_list_is_cut_to_one_row_of_stand_ins(text: str, planned: str) -> None:
    assert cut(text).startswith(planned)


@pytest.mark.parametrize("text", ["SELECT 1 IN (%s7)", "VALUES (%s), (%s7)"])
def test_a_placeholder_that_may_become_a_number_stays(text: str) -> None:
    """``%s7`` is ``?7`` once a cursor has translated it."""
    assert "%s7" in shape(text, FORMAT).text()


def test_a_short_text_keeps_its_lists() -> None:
    assert LEXER.shape("SELECT 1 IN (1, 2)").text() == "SELECT 1 IN (1, 2)"
    assert not LEXER.shape("SELECT 1 IN (1, 2)").folded


def test_folding_can_be_left_out() -> None:
    text = PAD + "SELECT 1 IN (1, 2)"
    assert LEXER.shape(text, fold=False).text() == text


def test_a_shape_knows_where_its_literals_and_lists_stand() -> None:
    found = shape("SELECT 5 IN (1, 2), 'a'")
    text = found.text()
    assert [text[slice(*span)] for span in found.spans()] == ["5", FOLDED, "'a'"]
    assert found.given() == ("5", "1, 2", "'a'")


@pytest.mark.parametrize(
    ("text", "lexer", "counts"),
    [
        ("VALUES (?, ?), (?, ?)", LEXER, (4,)),
        ("SELECT 1 IN (?, '?', 'it''s ?', ?)", LEXER, (-1, 2)),
        ("SELECT 1 IN (?, '\"?', '\\?', ?)", LEXER, (-1, 2)),
        ("SELECT 1 IN (1, 2)", LEXER, (-1, 0)),
        ("SELECT 1 IN (%s, 's', %s)", FORMAT, (-1, 2)),
        # the driver would format what is in the string
        ("SELECT 1 IN (%s, '%s', %s)", FORMAT, (-1, -1)),
        ("VALUES (%s,%s)", FORMAT, (2,)),
    ],
)
def test_the_placeholders_of_a_list_are_counted(
    text: str, lexer: Lexer, counts: tuple[int, ...]
) -> None:
    assert shape(text, lexer).folds == counts


def test_whether_a_list_has_placeholders_is_part_of_the_shape() -> None:
    none, one, more = (
        shape(f"SELECT 1 IN ({listed})").key for listed in ("1, 2", "1, ?", "?, ?, ?")
    )
    assert none != one == more


def test_a_text_of_very_many_literals_is_its_own_shape() -> None:
    text = "SELECT " + "+".join(["1"] * 150_000)
    assert LEXER.shape(text).given() == ()
    assert LEXER.shape(text).text() == text


def test_the_head_of_a_text_has_so_many_tokens() -> None:
    assert LEXER.head("SELECT 1, 2", 3) == "SELECT 1"
    assert LEXER.head("SELECT 1, 2", 6) == "SELECT 1, 2"
    assert LEXER.head("'a string of one token'", 3) == "'a string of one token'"
