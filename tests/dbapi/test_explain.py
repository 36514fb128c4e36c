"""explain() tells what would be sent, and runs nothing."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

import kysera_dbapi
from kysera_dbapi import Explanation, Plugin
from kysera_dbapi.binding import Bind
from kysera_dbapi.condition import condition
from kysera_dbapi.edits import Draft, Value
from kysera_dbapi.errors import ContextMissing
from kysera_dbapi.plugins import SoftDelete
from tests.dialects import shop

IDS = "SELECT id FROM orders"
DELETE = "DELETE FROM orders WHERE id = ?"


def nobody() -> object:
    """A value that there is not."""
    raise ContextMissing("no user", code="context-missing")


class Editors(Plugin):
    """Filters orders, and notes who changes them."""

    name = "editors"
    priority = 1000
    editor = Bind("editor", nobody)

    def protected(self, catalogue: Any) -> list[str]:
        """The orders."""
        return ["main.orders"]

    def intercept(self, statement: Draft) -> None:
        """Every reference; of an UPDATE the target too."""
        statement.plugin = self.name
        for reference in statement.references:
            worthy = condition("total > 0", statement.dialect)
            statement.filter(reference, worthy, reason="of some worth")
        if statement.kind == "update":
            statement.assign("comment", Value(self.editor), reason="who it was")


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(shop.connect()) as made:
        yield made


def shown(explanation: Explanation) -> str:
    """What rich makes of it, without colours."""
    console = Console(record=True, width=160, file=StringIO())
    console.print(explanation)
    return console.export_text()


def test_without_a_connection() -> None:
    explained = kysera_dbapi.explain(IDS, plugins=[SoftDelete(["orders"])])
    assert explained.original == IDS
    assert explained.sql == f'{IDS} WHERE orders."deleted_at" IS NULL'
    assert explained.plugins == ("soft_delete",)
    edit = explained.edits[0]
    assert edit.plugin == "soft_delete"
    assert "orders" in edit.action
    assert edit.reason == "deleted rows are hidden"
    assert (explained.refused, explained.code) == ("", "")


def test_what_no_plugin_touches_stays_as_it_is() -> None:
    for plugins in ([], [SoftDelete(["orders"])]):
        explained = kysera_dbapi.explain("SELECT 1 -- x", plugins=plugins)
        assert (explained.sql, explained.edits) == ("SELECT 1 -- x", ())
        assert str(explained) == "SELECT 1 -- x"


@pytest.mark.parametrize("text", [None, b"SELECT 1", 3])
def test_what_is_no_text(text: Any) -> None:
    with closing(kysera_dbapi.connect("sqlite://")) as connection:
        for call in (
            lambda: kysera_dbapi.explain(text),
            lambda: connection.explain(text),
            lambda: connection.execute(text),
            lambda: connection.executemany(text, []),
        ):
            with pytest.raises(TypeError, match=f"be str, not {type(text).__name__}"):
                call()


def test_a_dialect_that_is_unknown() -> None:
    with pytest.raises(kysera_dbapi.ConfigurationError) as caught:
        kysera_dbapi.explain(IDS, dialect="nothing")
    assert caught.value.code == "unknown-dialect"


def test_the_edits_of_several_plugins_are_in_order() -> None:
    plugins = [SoftDelete(["orders"]), Editors()]
    explained = kysera_dbapi.explain(IDS, plugins=plugins)
    assert explained.plugins == ("editors", "soft_delete")
    lines = str(explained).splitlines()
    assert lines[0] == explained.sql
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "-- editors",
        "-- soft_delete",
    ]


def test_it_sends_what_execute_sends(connection: Any) -> None:
    for sql in (IDS, DELETE, "SELECT * FROM log", "UPDATE orders SET total = 2"):
        sent: list[str] = []
        explained = connection.explain(sql)
        raw = connection.unwrap()
        raw.execute("BEGIN")
        raw.set_trace_callback(sent.append)
        connection.execute(sql, (1,) if "?" in sql else ())
        raw.set_trace_callback(None)
        raw.execute("ROLLBACK")
        start = explained.sql.partition("?")[0]
        assert any(text.startswith(start) for text in sent), sent


@pytest.mark.parametrize("mode", ["normal", "strict", "report"])
@pytest.mark.parametrize("sql", [IDS, DELETE, "DROP TABLE orders", "SELECT * FROM x"])
def test_nothing_is_run(mode: Any, sql: str) -> None:
    with closing(shop.connect(mode=mode)) as connection:
        seen: list[str] = []
        connection.unwrap().set_trace_callback(seen.append)
        connection.explain(sql)
        connection.unwrap().set_trace_callback(None)
        assert seen == []
        assert not connection.in_transaction


def test_it_needs_no_context() -> None:
    sql = "UPDATE orders SET total = 1"
    explained = kysera_dbapi.explain(sql, plugins=[Editors()])
    assert explained.sql.startswith("UPDATE orders SET total = 1, comment = ?")
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.executescript(shop.SCHEMA)
        wrapped = kysera_dbapi.wrap(raw, plugins=[Editors()])
        assert wrapped.explain(sql) == explained
        with pytest.raises(ContextMissing):
            wrapped.execute(sql)


def test_it_goes_by_the_scope(connection: Any) -> None:
    with kysera_dbapi.including_deleted():
        assert connection.explain(IDS).sql == IDS
    with kysera_dbapi.bypass("soft_delete", reason="a test"):
        assert connection.explain(DELETE).sql == DELETE


def test_it_keeps_no_plan(connection: Any) -> None:
    before = len(connection._self_session.plans)
    connection.explain("SELECT total FROM orders")
    assert len(connection._self_session.plans) == before


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("DROP TABLE orders", "protected-ddl"),
        ("SELEC 1", "statement-kind"),
        ("SELECT * FROM everything", "undeclared-view"),
        ("SELECT load_extension('x')", "dangerous-function"),
        ("UPDATE orders SET deleted_at = NULL", "raw-deletion-update"),
    ],
)
def test_a_refusal_is_explained(connection: Any, sql: str, code: str) -> None:
    explained = connection.explain(sql)
    with pytest.raises(kysera_dbapi.UnsupportedStatement) as caught:
        connection.execute(sql)
    assert explained == Explanation(sql, "", (), str(caught.value), code)
    assert str(explained) == f"-- refused: {caught.value} ({code})"
    assert "nothing" in shown(explained)
    assert code in shown(explained)


def test_several_statements_are_an_error(connection: Any) -> None:
    with pytest.raises(sqlite3.ProgrammingError):
        connection.explain("SELECT 1; SELECT * FROM orders")


def test_report_mode_shows_both() -> None:
    with closing(shop.connect(mode="report")) as connection:
        explained = connection.explain("SELECT load_extension('x'), id FROM orders")
        assert "IS NULL" in explained.sql
        assert explained.code == "dangerous-function"
        assert "-- would be refused: the function load_extension" in str(explained)
        explained = connection.explain("DROP TABLE orders")
        assert (explained.sql, explained.code) == ("DROP TABLE orders", "protected-ddl")


def test_rich_shows_it_side_by_side() -> None:
    plugin = SoftDelete(["bold red"])
    explained = kysera_dbapi.explain("select id from [bold red]", plugins=[plugin])
    text = shown(explained)
    assert "written" in text
    assert "sent" in text
    assert text.count("[bold red]") >= 2
    assert "IS NULL" in text
    assert "soft_delete: filter bold red" in text
