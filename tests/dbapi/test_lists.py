"""Long lists: where their rows end, whatever the strings in them hold."""

import pytest

from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.lists import FOLDED, Lists
from kysera_dbapi.registry import get_dialect

SQLITE = get_dialect("sqlite").lexical.string
#: As databases have them that know more than one kind of string.
BACKSLASHES = r"""'(?:[^'\\]|\\.|'')*+'|"(?:[^"\\]|\\.|"")*+\""""
DOLLARS = r"'(?:[^']|'')*+'|[eE]'(?:[^'\\]|\\.|'')*+'|\$\$(?:[^$]|\$(?!\$))*+\$\$"

#: The rules for strings; and rows, with their widths and placeholders.
ROWS = [
    (SQLITE, [("(1, ?)", 2, 1)]),
    (SQLITE, [("(1)", 1, 0), ("( -2.5e+3\n, NULL )", 2, 0), ("(?,?)", 2, 2)]),
    (SQLITE, [("('a)', ?)", 2, 1), ("('),(', 2)", 2, 0), ("(')')", 1, 0)]),
    (SQLITE, [("('it''s ?)', ?)", 2, 1), ("('''', '')", 2, 0), ("(''',''')", 1, 0)]),
    (SQLITE, [("('a\"b)', ?)", 2, 1), ("('?\")', 1)", 2, 0), ("('$$)', '\\')", 2, 0)]),
    (SQLITE, [("(x'29', ?, 0x1F)", 3, 1), ("(')?', X'')", 2, 0)]),
    (
        BACKSLASHES,
        [("('a\\',)', ?)", 2, 1), ('("\\")?\'", ?)', 2, 1), ("('\\\\')", 1, 0)],
    ),
    (BACKSLASHES, [('("it\'s)", ?)', 2, 1), ('("\'", 1)', 2, 0)]),
    (BACKSLASHES, [('("a"",?)", ?)', 2, 1), ("('\"')", 1, 0)]),
    (DOLLARS, [("($$?)'$$, ?)", 2, 1), ("($$$ $$, 'a')", 2, 0), ("(E'\\')')", 1, 0)]),
]


@pytest.mark.parametrize(("string", "rows"), ROWS)
@pytest.mark.parametrize("comma", [",", ", ", " ,\n"])
def test_every_row_is_extended_before_its_closing_parenthesis(
    string: str, rows: list[tuple[str, int, int]], comma: str
) -> None:
    lists = Lists(string, "?")
    listed = comma.join(row for row, _, _ in rows)
    extended = comma.join(f"{row[:-1]}, ?9)" for row, _, _ in rows)
    assert lists.extended(listed, ", ?9") == extended


@pytest.mark.parametrize(("string", "rows"), ROWS)
def test_placeholders_are_counted_by_row(
    string: str, rows: list[tuple[str, int, int]]
) -> None:
    lists = Lists(string, "?")
    listed = ", ".join(row for row, _, _ in rows)
    assert lists.by_row(listed) == tuple(count for _, _, count in rows)
    assert lists.count(listed) == sum(count for _, _, count in rows)


@pytest.mark.parametrize(("string", "rows"), ROWS)
def test_the_first_row_stands_for_all(
    string: str, rows: list[tuple[str, int, int]]
) -> None:
    for first in range(len(rows)):
        listed = ", ".join(row for row, _, _ in rows[first:])
        stand_in = ", ".join([FOLDED] * rows[first][1])
        assert Lists(string, "?").stand_in(listed) == f"({stand_in})"


def test_the_elements_of_in_have_one_stand_in() -> None:
    assert Lists(SQLITE, "?").stand_in("1, ')', ?") == FOLDED


def test_placeholders_of_another_kind_are_not_counted() -> None:
    assert Lists(SQLITE, "%s").by_row("(%s, '%s'), (1, '?')") == (1, 0)


@pytest.mark.parametrize("rows", ["(1), ('a)", '(1, "a)'])
def test_rows_that_cannot_be_told_apart_are_refused(rows: str) -> None:
    with pytest.raises(UnsupportedStatement) as caught:
        Lists(SQLITE, "?").extended(rows, ", ?9")
    assert caught.value.code == "unproved-rewrite"
