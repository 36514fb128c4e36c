"""Laws of rows that get values of plugins: by one of them all are planned."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kysera_dialects.sqlite import SQLiteDialect

import kysera_dbapi
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.pipeline import Pipeline
from kysera_dbapi.plugins import RowLevelSecurity, Timestamps, tenant_isolation
from kysera_dbapi.shape import Lexer, Shape
from tests.property.strategies import LAW, PAD

SCHEMA = """
CREATE TABLE stock (
    id INTEGER PRIMARY KEY, tenant_id, created_at, updated_at, a, b,
    UNIQUE (tenant_id, a));
CREATE TABLE log (a, b);
"""
NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: ``V`` are rows, ``P`` rows that nothing is added to, ``I`` a list, ``?`` a value.
TEMPLATES = [
    "INSERT INTO stock (a, b) VALUES V",
    "INSERT INTO stock (a, b) VALUES V RETURNING id, ?",
    "INSERT OR IGNORE INTO stock (a, b) VALUES V;",
    "REPLACE INTO stock (a) VALUES V UNION ALL VALUES V UNION SELECT ? FROM log",
    "INSERT INTO stock (a, b) VALUES V ON CONFLICT (tenant_id, a) DO UPDATE SET b = ? "
    "WHERE stock.b NOT IN (I) AND stock.a > ?",
    "WITH c AS (VALUES P) INSERT INTO stock (a, b) SELECT ?, * FROM c WHERE ? IN (I) "
    "UNION ALL VALUES V",
    "WITH c AS (VALUES P) INSERT INTO stock (a, b) VALUES V ON CONFLICT DO NOTHING "
    "RETURNING (SELECT count(*) FROM c WHERE column1 = ?)",
    "INSERT INTO stock (a, b) SELECT * FROM (VALUES P) WHERE column2 <> ?",
    "EXPLAIN INSERT INTO stock (a, b) VALUES V",
]
PLAIN = (
    *("1", "2.5", "-3", "+4", "5e-1", "0x1F", "NULL", "x'29'", "''", "'text'"),
    *("')'", "'),('", "'it''s )'", "''''", "'\")'", "'\\'", "'(?'", "'$$)'", "'--'"),
)
#: With them rows are planned as they are.
OTHERS = ("abs(-5)", "(6)", "7 /* ) */", "1 + 1", "datetime('now')")
COMMAS = (", ", ",", " ,\n ", ",\t")


class Unnumbered(SQLiteDialect):
    """As most databases: each placeholder takes a value of its own."""

    numbers_placeholders: ClassVar[bool] = False


class Whole(Lexer):
    """It leaves lists as they are."""

    def shape(self, text: str, *, fold: bool = True) -> Shape:
        """The shape of the whole text."""
        return super().shape(text, fold=False)


@st.composite
def rows(draw: st.DrawFn, mark: str, *, one: bool = False) -> str:
    """Rows, or one list of elements."""
    pools: list[Sequence[str]] = [PLAIN, (mark,), (*PLAIN[:3], mark), (*PLAIN, mark)]
    pool = draw(st.sampled_from([*pools, *pools, (*PLAIN, *OTHERS, mark)]))
    comma = draw(st.sampled_from(COMMAS))
    width = draw(st.integers(1, 3))
    listed = st.lists(st.sampled_from(pool), min_size=width, max_size=width)
    if one:
        return comma.join(draw(listed))
    found = draw(st.lists(listed, min_size=1, max_size=5))
    if draw(st.integers(0, 9)) == 0:
        found[-1] = found[-1] + ["8"]
    return comma.join(f"({comma.join(row)})" for row in found)


@st.composite
def filled(draw: st.DrawFn, mark: str = "?") -> str:
    """A statement with rows."""
    text = PAD
    for word in draw(st.sampled_from(TEMPLATES)).split(" "):
        bare = word.rstrip(";)").lstrip("(")
        listed = {"V": rows(mark), "P": rows(mark), "I": rows(mark, one=True)}
        found = draw(listed[bare]) if bare in listed else mark if bare == "?" else bare
        text += " " + word.replace(bare, found, 1)
    return text


def plugins() -> Sequence[kysera_dbapi.Plugin]:
    security = RowLevelSecurity(tenant_isolation("tenant_id", ["stock"]))
    return security, Timestamps(["stock"], clock=lambda: NOW)


def stock() -> sqlite3.Connection:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    return raw


@pytest.fixture(scope="module")
def pipelines() -> Iterator[dict[type[Dialect], tuple[Pipeline, Pipeline]]]:
    """For each dialect one that folds rows, and one that does not."""
    with closing(kysera_dbapi.wrap(stock(), plugins=plugins())) as connection:
        session = connection._self_session
        made: dict[type[Dialect], tuple[Pipeline, Pipeline]] = {}
        for dialect in (SQLiteDialect, Unnumbered):
            folding, whole = (
                Pipeline(dialect(), session.plugins, session.catalogue) for _ in "ab"
            )
            lexical = dialect.lexical
            whole.lexers = Whole(lexical), Whole(lexical, format_style=True)
            made[dialect] = folding, whole
        yield made


def sent(pipeline: Pipeline, text: str, *, format_style: bool) -> str:
    """What is sent, with each value in the place of its placeholder."""
    plan = pipeline.plan(text, frozenset(), format_style=format_style)
    lexer = pipeline.lexers[format_style]
    given: Any = tuple(f"value {i}" for i in range(len(places(lexer, text))))
    if plan.program is not None:
        own = tuple(bind.label for bind in plan.binds)
        given = plan.program.binding.bind(given, own)
    found = iter(places(lexer, plan.sql))
    return "".join(
        f"<{given[next(found)]}>" if t.kind == "placeholder" else t.text
        for t in lexer.lex(plan.sql)
    )


def places(lexer: Lexer, text: str) -> list[int]:
    """Which value each placeholder takes."""
    found: list[int] = []
    count = 0
    for lexeme in lexer.lex(text):
        if lexeme.kind == "placeholder":
            number = lexeme.text[1:]
            found.append(int(number) - 1 if number.isdigit() else count)
            count = max(count, found[-1] + 1)
    return found


@LAW
@given(filled(), st.sampled_from([SQLiteDialect, Unnumbered]))
def test_what_is_sent_is_what_is_planned_whole(
    pipelines: Any, text: str, dialect: type[Dialect]
) -> None:
    folding, whole = pipelines[dialect]
    expected = sent(whole, text, format_style=False)
    assert sent(folding, text, format_style=False) == expected


@LAW
@given(filled("%s"), st.sampled_from([SQLiteDialect, Unnumbered]))
def test_so_it_is_in_format_style(
    pipelines: Any, text: str, dialect: type[Dialect]
) -> None:
    folding, whole = pipelines[dialect]
    expected = sent(whole, text, format_style=True)
    assert sent(folding, text, format_style=True) == expected


def test_most_of_these_are_planned_by_one_row(pipelines: Any) -> None:
    """Or the laws would tell little."""
    folding, _ = pipelines[SQLiteDialect]
    found: list[bool] = []

    @LAW
    @given(filled())
    def look(text: str) -> None:
        folding.plan(text, frozenset())
        shape = folding.lexers[0].shape(text)
        known = folding.shapes.items[shape.key, frozenset(), False]
        found.append(shape.folded and known is not None)

    look()
    assert sum(found) > len(found) * 0.7
