"""Laws of texts: what is lexed, folded, planned and left alone."""

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kysera_dbapi import sqlite3 as driver
from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.pipeline import Pipeline
from kysera_dbapi.plan import Plan
from kysera_dbapi.plugins import SoftDelete
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.shape import Lexer
from tests.oracle.draft import Statement
from tests.oracle.world import World, soft_delete
from tests.property.strategies import (
    LAW,
    PAD,
    lexer,
    literals,
    soups,
    statements,
)

NOTHING: frozenset[str] = frozenset()
BYPASS = frozenset({"bypass:soft_delete"})
#: Thousands of SQLite's own steps that a query may take.
STEPS = 200
FORMAT = Lexer(get_dialect("sqlite").lexical, format_style=True)

any_text = soups | statements().map(lambda s: s.sql)


@pytest.fixture(scope="module")
def catalogue(world: World) -> Catalogue:
    connection = driver.wrap(world.full, plugins=[soft_delete()])
    found: Catalogue = connection._self_session.catalogue
    return found


def pipeline(catalogue: Catalogue, plugin: Any = None) -> Pipeline:
    """One that has planned nothing yet."""
    return Pipeline(get_dialect("sqlite"), [plugin or soft_delete()], catalogue)


def planned(pipeline: Pipeline, text: str) -> Plan | None:
    """The plan, None if the statement is refused."""
    try:
        return pipeline.plan(text, NOTHING)
    except UnsupportedStatement:
        return None


@LAW
@given(any_text, st.sampled_from([lexer, FORMAT]))
def test_the_tokens_of_a_text_are_the_text(text: str, lexer: Lexer) -> None:
    assert "".join(t.text for t in lexer.lex(text)) == text
    ends = [0, *(t.end for t in lexer.lex(text))]
    assert [t.start for t in lexer.lex(text)] == ends[:-1]


@LAW
@given(any_text, st.sampled_from([lexer, FORMAT]))
def test_a_shape_and_the_lexer_know_the_same_literals(text: str, lexer: Lexer) -> None:
    found = [t for t in lexer.lex(text) if t.kind in ("string", "number")]
    shape = lexer.shape(text, fold=False)
    assert shape.given() == tuple(t.text for t in found)
    assert shape.spans() == [(t.start, t.end) for t in found]
    assert shape.text() == text


@LAW
@given(any_text, st.sampled_from([lexer, FORMAT]))
def test_the_pieces_of_a_folded_text_are_the_text(text: str, lexer: Lexer) -> None:
    shape = lexer.shape(PAD + text)
    pieces = zip(shape.runs, shape.literals, strict=True)
    assert "".join(run + literal for run, literal in pieces) == PAD + text
    assert len(shape.folds) == len(shape.given())


@LAW
@given(any_text)
def test_a_folded_list_holds_no_name(text: str) -> None:
    shape = lexer.shape(PAD + text)
    lists = [x for x, n in zip(shape.given(), shape.folds, strict=True) if n >= 0]
    for lexeme in (t for listed in lists for t in lexer.lex(listed)):
        plain = ("blank", "string", "blob", "number", "placeholder")
        assert lexeme.kind in plain or (
            lexeme.text in (",", "(", ")", "+", "-", ".")
            or lexeme.text.upper() == "NULL"
        )


@LAW
@given(st.data(), statements())
def test_texts_of_one_shape_have_equal_plans(
    catalogue: Catalogue, data: st.DataObject, statement: Statement
) -> None:
    text, other = statement.sql, data.draw(literals(statement.sql))
    assert lexer.shape(text, fold=False).key == lexer.shape(other, fold=False).key
    first = pipeline(catalogue)
    planned(first, text)
    afresh = planned(pipeline(catalogue), other)
    known = first.known(other, NOTHING)
    if known is not None:
        assert afresh is not None, "refused by itself, known by the other"
        assert comparable(known) == comparable(afresh)


def comparable(plan: Plan) -> tuple[object, ...]:
    program = plan.program
    return (
        plan.sql,
        plan.image_sql,
        plan.kind,
        plan.effect,
        plan.relations,
        plan.target,
        plan.alone,
        plan.bind is None,
        plan.edits,
        len(plan.companions),
        len(plan.binds),
        program and program.binding.sources,
    )


@LAW
@given(statements())
def test_what_no_plugin_touches_is_sent_as_it_is(
    catalogue: Catalogue, statement: Statement
) -> None:
    protected = SoftDelete(["nowhere"])
    for plugin, scope in ((protected, NOTHING), (soft_delete(), BYPASS)):
        text = statement.sql
        plan = pipeline(catalogue, plugin).plan(text, scope)
        assert plan.sql is text


@LAW
@given(statements())
def test_a_final_text_is_sent_as_it_is_under_bypass(
    catalogue: Catalogue, statement: Statement
) -> None:
    plan = planned(pipeline(catalogue), statement.sql)
    if plan is not None:
        again = pipeline(catalogue).plan(plan.sql, BYPASS)
        assert again.sql == plan.sql


@LAW
@given(statements("query"))
def test_a_final_text_planned_again_gives_the_same_rows(
    world: World, catalogue: Catalogue, statement: Statement
) -> None:
    plan = planned(pipeline(catalogue), statement.sql)
    again = plan and planned(pipeline(catalogue), plan.sql)
    if plan is None or again is None:
        return
    found = [rows(world, p.sql, statement) for p in (plan, again)]
    if sqlite3.OperationalError not in found:  # stopped
        assert found[0] == found[1]
    assert len(again.edits) == len(plan.edits)


def rows(world: World, sql: str, statement: Statement) -> object:
    """The rows, the class of the error, or nothing for what takes too long."""
    looks = iter(range(STEPS))
    world.full.set_progress_handler(lambda: next(looks, None) is None, 1000)
    try:
        return sorted(map(repr, world.full.execute(sql, statement.params)))
    except sqlite3.Error as error:
        return type(error)
    finally:
        world.full.set_progress_handler(None, 0)
