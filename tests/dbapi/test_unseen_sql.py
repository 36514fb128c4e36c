"""No SQL reaches SQLite that the shim has not planned or written itself."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.registry import get_dialect
from kysera_dbapi.session import Session
from kysera_dbapi.shape import Lexer
from kysera_dbapi.sqlite3_session import SQLite3Session
from tests.dbapi.letters import IDS, SCHEMA, plugin, plugin_before

#: What the driver sends by itself, and SQLite for ``serialize`` and ``deserialize``.
DRIVER = re.compile(
    "BEGIN( |DEFERRED|IMMEDIATE|EXCLUSIVE)*|COMMIT|ROLLBACK"
    "|PRAGMA \"main\".page_count|ATTACH x AS 'main'"
)
_LEXER = Lexer(get_dialect("sqlite").lexical)


class Watch:
    """Notes what reaches SQLite, and what the shim has sent there."""

    def __init__(self) -> None:
        self.traced: list[str] = []
        self.sent: set[str] = set()

    def unseen(self) -> list[str]:
        """The texts that reached SQLite without the shim."""
        known = [pattern(text) for text in self.sent]
        return [
            text
            for text in self.traced
            if not DRIVER.fullmatch(text)
            and not text.startswith("--")  # of a trigger
            and not any(p.fullmatch(text.strip()) for p in known)
        ]


def pattern(text: str) -> re.Pattern[str]:
    """What SQLite shows of a text: it writes the values in its placeholders."""
    lexemes = _LEXER.lex(text.strip().rstrip("; "))
    parts = [".*" if t.kind == "placeholder" else re.escape(t.text) for t in lexemes]
    return re.compile("".join(parts) + r"\s*;?", re.DOTALL)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Notes what the sessions of this test plan and send."""
    noted = Watch()
    plan, execute = Session.plan, SQLite3Session.execute

    def noting_plan(self: Any, text: str, **options: Any) -> Any:
        found = plan(self, text, **options)
        qmark = found.sql.replace("%s", "?").replace("%%", "%")
        noted.sent |= {found.sql, qmark, re.sub(r"%\((\w+)\)s", r":\1", qmark)}
        return found

    def noting_execute(self: Any, sql: str, *parameters: Any) -> Any:
        noted.sent.add(sql)
        return execute(self, sql, *parameters)

    monkeypatch.setattr(Session, "plan", noting_plan)
    monkeypatch.setattr(SQLite3Session, "execute", noting_execute)
    return noted


@pytest.fixture(params=[True, False], ids=["hooked", "direct"])
def connection(request: pytest.FixtureRequest, watch: Watch) -> Iterator[Any]:
    """A wrapped connection that is watched, with a plugin that has hooks or without."""
    raw = sqlite3.connect(":memory:", factory=Shop)
    raw.executescript(SCHEMA)
    raw.execute(
        "CREATE TRIGGER t AFTER INSERT ON log BEGIN UPDATE log SET body = 'x'; END"
    )
    raw.set_trace_callback(watch.traced.append)
    plugins = [plugin(), *([Looking()] if request.param else [])]
    with closing(kysera_dbapi.wrap(raw, plugins=plugins)) as made:
        yield made


class Looking(kysera_dbapi.Plugin):
    """Sees everything and does nothing."""

    name = "looking"

    def before_execute(self, event: Any) -> None:
        """See it."""


class Own(sqlite3.Cursor):
    """A cursor class that goes by ``super()``."""

    def rows(self, sql: str) -> list[Any]:
        """Past what the shim has above it."""
        return super().execute(sql).fetchall()

    def script(self, script: str) -> None:
        """Past what the shim has above it."""
        super().executescript(script)

    def many(self, sql: str, rows: Any) -> None:
        """Past what the shim has above it."""
        super().executemany(sql, rows)


class Formatted(sqlite3.Cursor):
    """A cursor class that knows ``%s``."""

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Translate the placeholders."""
        return super().execute(sql.replace("%s", "?"), parameters)


class Shop(sqlite3.Connection):
    """A connection class with methods of its own."""

    def ids(self) -> list[Any]:
        """By every way."""
        found = self.execute(IDS).fetchall() + super().execute(IDS).fetchall()
        super().executemany("DELETE FROM letters WHERE id = ?", [(9,)])
        super().executescript("SELECT * FROM letters; SELECT * FROM pages")
        return found + self.cursor().execute(IDS).fetchall()


def own(wrapped: Any) -> Any:
    """A cursor factory."""
    return wrapped.cursor(Own)


def blobs(c: Any) -> None:
    """Open values of rows that are there, and of one that is not."""
    for key in (1, 2, 9):
        with suppress(sqlite3.Error):
            c.blobopen("letters", "body", key, readonly=True).close()


def transactions(c: Any) -> None:
    """Begin and end in every way."""
    for sql in ("BEGIN", "SAVEPOINT a", "DELETE FROM letters", "ROLLBACK TO a", "END"):
        c.execute(sql)
    with c:
        c.execute("DELETE FROM letters WHERE id = 1")
    with suppress(ZeroDivisionError), c:
        c.execute("CREATE TABLE more (id)")
        raise ZeroDivisionError
    c.rollback()
    c.isolation_level = None
    c.execute("DELETE FROM letters WHERE id = 3")


def errors(c: Any) -> None:
    """Fail in every way."""
    for sql in (
        "SELECT * FROM nowhere",
        "SELECT nothing_of_it FROM letters",
        "SELEC * FROM letters",
        "DROP TABLE letters",
        "INSERT INTO letters VALUES (2, 'twice', NULL)",
        "SELECT ? FROM letters",
        "SELECT 1; SELECT * FROM letters",
        "ATTACH ':memory:' AS more",
        "VACUUM INTO '/tmp/nowhere/at/all'",
        "PRAGMA writable_schema = 1",
    ):
        with suppress(sqlite3.Error):
            c.execute(sql)
        with suppress(sqlite3.Error):
            c.executescript(f"SELECT 1; {sql}; SELECT * FROM letters")


def copies(c: Any) -> None:
    """Ask for what is refused, and take it under bypass."""
    with closing(sqlite3.connect(":memory:")) as target:
        for call in (lambda: c.backup(target), c.serialize, lambda: c.deserialize(b"")):
            with suppress(sqlite3.Error):
                call()
        with kysera_dbapi.bypass("soft_delete", reason="test"):
            c.backup(target)
            c.deserialize(c.serialize())
            c.execute(IDS).fetchall()


def verbs(c: Any) -> None:
    """The plugin's own."""
    soft_delete = next(p for p in c._self_session.plugins if p.name == "soft_delete")
    soft_delete.restore(c, "letters", 2)
    soft_delete.hard_delete(c, "letters", 2)


def callbacks(c: Any) -> None:
    """Functions that ask the connection themselves."""

    def count_of(_: int) -> int:
        return len(c.execute(IDS).fetchall())

    def asking(cursor: Any, row: Any) -> Any:
        return cursor.connection.execute(IDS).fetchone

    c.create_function("count_of", 1, count_of)
    c.execute("SELECT count_of(id) FROM letters").fetchall()
    c.row_factory = asking
    c.execute(IDS).fetchall()


WORK: dict[str, Callable[[Any], Any]] = {
    "execute": lambda c: c.execute(IDS).execute("SELECT ?", ("a'b",)).fetchall(),
    "literals": lambda c: [
        c.execute(f"SELECT {n}, 'x' FROM letters") for n in range(5)
    ],
    "cursor": lambda c: c.cursor().execute(IDS).fetchmany(2),
    "executemany": lambda c: c.executemany("INSERT INTO log VALUES (?, ?)", [(7, "?")]),
    "many deleted": lambda c: c.executemany(
        "DELETE FROM letters WHERE id = ?", [(1,), (3,)]
    ),
    "executescript": lambda c: c.executescript(
        "INSERT INTO log VALUES (3, 'a'); DELETE FROM letters; CREATE TABLE more (id)"
    ),
    "own cursor": lambda c: c.cursor(Own).rows(IDS),
    "own script": lambda c: c.cursor(Own).script("SELECT * FROM letters; SELECT 1"),
    "own many": lambda c: c.cursor(Own).many("DELETE FROM letters WHERE id=?", [(1,)]),
    "formatted": lambda c: c.cursor(Formatted).execute(
        "DELETE FROM letters WHERE id = %s", (1,)
    ),
    "callable": lambda c: c.cursor(own).rows(IDS),
    "own connection": lambda c: c.ids(),
    "iterdump": lambda c: list(c.iterdump()),
    "explain": lambda c: c.explain(IDS),
    "refresh": lambda c: c.refresh(),
    "call": lambda c: c(IDS),
    "including": kysera_dbapi.including_deleted()(lambda c: c.execute(IDS).fetchall()),
    "blobs": blobs,
    "transactions": transactions,
    "errors": errors,
    "copies": copies,
    "verbs": verbs,
    "callbacks": callbacks,
}


@pytest.mark.parametrize("work", WORK)
def test_every_text_was_seen(work: str, watch: Watch, connection: Any) -> None:
    WORK[work](connection)
    with suppress(sqlite3.ProgrammingError):
        connection.execute("SELECT 'the end'").fetchall()
    assert "SELECT 'the end'" in watch.traced
    assert watch.unseen() == []


@pytest.mark.parametrize(
    "text", ["SELECT id FROM letters", "SELECT 1", "DELETE FROM pages WHERE id = 1"]
)
def test_a_text_that_goes_round_the_shim_is_noticed(
    text: str, watch: Watch, connection: Any
) -> None:
    connection.execute(IDS)
    connection.unwrap().execute(text)
    assert watch.unseen() == [text]


def test_a_class_that_was_there_first_is_seen_from_its_beginning(watch: Watch) -> None:
    class Tracing(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.set_trace_callback(watch.traced.append)
            self.executescript(SCHEMA)
            self.found = self.execute(IDS).fetchall()

    kysera_dbapi.install("sqlite3", plugins=[plugin_before()])
    try:
        makers: list[Callable[[str], Any]] = [
            Tracing,
            lambda p: sqlite3.connect(p, factory=Tracing),
        ]
        for make in makers:
            with closing(make(":memory:")) as connection:
                connection.execute(IDS).fetchall()
    finally:
        kysera_dbapi.uninstall("sqlite3")
    assert sum('"deleted_at" IS NULL' in text for text in watch.traced) == 4
    assert watch.unseen() == []
