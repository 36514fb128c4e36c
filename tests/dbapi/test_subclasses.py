"""What a program's own cursor and connection classes send is planned, too."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import errors
from tests.dbapi.letters import HIDDEN, IDS, LIVE, SCHEMA, letters, plugin_before


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(letters()) as made:
        yield made


# -- cursors of a program's own -------------------------------------------------------


class Own(sqlite3.Cursor):
    """A cursor class that goes by ``super()``, and remembers what it was given."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self.given = connection
        self.texts: list[str] = []

    def execute(self, sql: Any, *parameters: Any) -> Any:
        """Take a note."""
        self.texts.append(sql)
        return super().execute(sql, *parameters)

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        """Past its own ``execute``."""
        super().execute(sql, *parameters)
        return super().fetchall()

    def twice(self, sql: str) -> list[Any]:
        """By its own ``execute``."""
        return [*self.execute(sql), *self.execute(sql)]

    def many(self, sql: str, rows: Any) -> int:
        """Past every ``executemany`` above."""
        super().executemany(sql, rows)
        return self.rowcount

    def script(self, script: str) -> None:
        """Past every ``executescript`` above."""
        super().executescript(script)


class Formatted(sqlite3.Cursor):
    """A cursor class that knows ``%s``, as Django's."""

    def execute(self, sql: str, parameters: Any = None) -> Any:
        """Translate the placeholders."""
        if parameters is None:
            return super().execute(sql)
        if hasattr(parameters, "keys"):
            return super().execute(sql % {n: f":{n}" for n in parameters}, parameters)
        return super().execute(sql.replace("%s", "?").replace("%%", "%"), parameters)

    def executemany(self, sql: str, rows: Any) -> Any:
        """Translate the placeholders."""
        return super().executemany(sql.replace("%s", "?").replace("%%", "%"), rows)


class Hiding(sqlite3.Cursor):
    """A cursor class that sends more than it was asked for."""

    def execute(self, sql: str, *parameters: Any) -> Any:
        """Look at everything first."""
        self.seen = super().execute("SELECT body FROM letters").fetchall()
        return super().execute(sql, *parameters)


def test_what_a_cursor_class_sends_by_super_is_planned(connection: Any) -> None:
    cursor = connection.cursor(Own)
    assert cursor.rows(IDS) == LIVE
    assert cursor.texts == []
    assert cursor.twice(IDS) == LIVE * 2
    assert len(cursor.texts) == 2
    assert cursor.rows("SELECT id FROM letters WHERE id = ?", (HIDDEN,)) == []
    assert cursor.many("DELETE FROM letters WHERE id = ?", [(1,), (HIDDEN,)]) == 1
    cursor.script("DELETE FROM letters WHERE id = 3; SELECT 1")
    assert len(connection.unwrap().execute(IDS).fetchall()) == 3
    assert cursor.given is connection


def test_a_cursor_class_does_not_send_other_texts_unseen(connection: Any) -> None:
    cursor = connection.cursor(factory=Hiding).execute(IDS)
    assert cursor.fetchall() == LIVE
    assert cursor.seen == [("one",), ("three",)]


@pytest.mark.parametrize(
    ("sql", "parameters", "found"),
    [
        ("SELECT id FROM letters WHERE id >= %s ORDER BY id", (1,), LIVE),
        ("SELECT id FROM letters WHERE id = %(n)s", {"n": HIDDEN}, []),
        ("SELECT '100%%' FROM letters WHERE id = %s", (1,), [("100%",)]),
        ("SELECT '%s' FROM letters WHERE id = 1", None, [("%s",)]),
    ],
)
def test_a_cursor_class_may_translate_placeholders(
    sql: str, parameters: Any, found: Any, connection: Any
) -> None:
    assert connection.cursor(Formatted).execute(sql, parameters).fetchall() == found


def test_a_translated_deletion_may_have_named_values(connection: Any) -> None:
    cursor = connection.cursor(Formatted)
    cursor.execute("DELETE FROM pages WHERE id = %(n)s", {"n": 1})
    assert cursor.rowcount == 1
    cursor.execute("DELETE FROM letters WHERE id = %(n)s", {"n": 3})
    assert connection.execute("SELECT id FROM pages").fetchall() == [(2,)]


def test_a_translated_deletion_takes_the_children_along(connection: Any) -> None:
    cursor = connection.cursor(Formatted)
    cursor.execute("DELETE FROM letters WHERE id = %s", (1,))
    assert cursor.rowcount == 1
    cursor.executemany("DELETE FROM letters WHERE id = %s", [(3,), (HIDDEN,)])
    assert cursor.rowcount == 1
    assert connection.execute("SELECT * FROM pages").fetchall() == []
    assert len(connection.unwrap().execute("SELECT * FROM pages").fetchall()) == 4


def test_a_callable_is_given_the_wrapped_connection(connection: Any) -> None:
    given: list[Any] = []

    def make(wrapped: Any) -> Any:
        given.append(wrapped)
        return wrapped.cursor(Own)

    cursor = connection.cursor(make)
    assert isinstance(cursor, Own)
    assert cursor.rows(IDS) == LIVE
    assert given == [connection]
    assert given[0] is connection


def nothing(*_: Any) -> None:
    """Makes no cursor."""


def cursor_of_wrapped(wrapped: Any) -> sqlite3.Cursor:
    """What the driver does not take for a connection."""
    return sqlite3.Cursor(wrapped)


def none_wanted() -> None:
    """Takes no connection."""


def test_a_callable_may_not_make_a_cursor_past_the_plugins(connection: Any) -> None:
    raw = connection.unwrap()

    def past(_: Any) -> sqlite3.Cursor:
        return sqlite3.Cursor(raw)

    with pytest.raises(errors.ConfigurationError, match="past the plugins"):
        connection.cursor(past)
    wrongs: list[Any] = [cursor_of_wrapped, none_wanted, nothing, None, 3]
    for wrong in wrongs:
        with pytest.raises(TypeError):
            connection.cursor(wrong)


# -- connections of a program's own ---------------------------------------------------


class Shop(sqlite3.Connection):
    """A connection class of a program's, as they are written."""

    limit = 10

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.executescript(SCHEMA)
        self.first = self.execute(IDS)
        self.found = [*self.cursor().execute(IDS)]
        self.counted = 0
        self.me = self

    def ids(self) -> list[Any]:
        """By its own ``execute``."""
        rows: list[Any] = self.execute(IDS).fetchall()
        return rows

    def execute(self, sql: str, *parameters: Any) -> Any:
        """Count."""
        self.counted = getattr(self, "counted", 0) + 1
        return super().execute(sql, *parameters)

    def past(self) -> list[Any]:
        """Past its own ``execute``."""
        return [*super().execute(IDS), *super().cursor().execute(IDS)]

    @property
    def size(self) -> int:
        """The number of letters."""
        return len(self.ids())

    @size.setter
    def size(self, value: int) -> None:
        self.wanted = value

    @classmethod
    def kind(cls) -> str:
        """The name of the class."""
        return cls.__name__


class Slotted(sqlite3.Connection):
    """One with slots."""

    __slots__ = ("note",)
    note: str

    def noted(self) -> str:
        """What was noted."""
        return self.note


@pytest.fixture
def shop() -> Iterator[Any]:
    made = kysera_dbapi.connect(
        sqlite3, ":memory:", factory=Shop, plugins=[plugin_before()]
    )
    with closing(made):
        yield made


def test_what_a_connection_class_sends_is_planned(shop: Any) -> None:
    assert shop.ids() == LIVE
    assert shop.past() == LIVE * 2
    assert shop.size == 2
    assert [*shop.execute(IDS)] == LIVE
    assert isinstance(shop, Shop)
    assert shop.kind() == "Shop"
    assert shop.limit == 10


def test_what_a_connection_class_sends_at_first_is_planned(shop: Any) -> None:
    assert shop.found == LIVE
    assert shop.first.fetchall() == LIVE
    assert shop.first.connection is shop
    assert shop.me is shop


@pytest.mark.filterwarnings("ignore:Passing more than 1:DeprecationWarning")
def test_objects_of_a_connection_class_keep_their_attributes(shop: Any) -> None:
    before = shop.counted
    shop.execute("SELECT 1")
    assert shop.counted == before + 1
    shop.size = 5
    assert shop.wanted == 5
    del shop.wanted
    assert not hasattr(shop, "wanted")
    assert {"counted", "size", "ids"} <= {*dir(shop)}
    with closing(
        kysera_dbapi.connect(sqlite3, ":memory:", 5.0, 0, None, True, Slotted)
    ) as slotted:
        slotted.note = "x"
        assert slotted.noted() == slotted.note == "x"


def test_what_a_connection_class_keeps_does_not_lead_past_the_plugins() -> None:
    class Keeping(sqlite3.Connection):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.mine = sqlite3.Cursor(self)
            self.run = self.execute

    with closing(
        kysera_dbapi.connect(
            sqlite3, ":memory:", factory=Keeping, plugins=[plugin_before()]
        )
    ) as keeping:
        for name in ("mine", "run"):
            with pytest.raises(errors.UnsupportedStatement, match="past the plugins"):
                getattr(keeping, name)


class Letters:
    """A part of a program's connection, which its ``__init__`` makes."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def ids(self) -> list[Any]:
        """In one way, and in others."""
        with self.connection as same:
            found = same.execute(IDS).fetchall()
        assert self.connection.cursor().execute(IDS).fetchall() == found
        return [*found]


class Parted(sqlite3.Connection):
    """One that gives itself to others as it is made."""

    parts: list[Any]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.executescript(SCHEMA)
        self.parts = [Letters(self), self, lambda: self.execute(IDS).fetchall()]


class SlottedParts(Parted):
    """The same, with slots."""

    __slots__ = ("more",)


@pytest.mark.parametrize("cls", [Parted, SlottedParts])
def test_what_a_connection_class_gives_itself_to_is_planned(cls: Any) -> None:
    made: Any = kysera_dbapi.connect(
        sqlite3, ":memory:", factory=cls, plugins=[plugin_before()]
    )
    part, raw, call = made.parts
    assert part.ids() == raw.execute(IDS).fetchall() == call() == LIVE
    with pytest.raises(errors.UnsupportedStatement):
        raw.serialize()
    session = made._self_session
    del made
    with pytest.raises(errors.UnsupportedStatement, match="gone") as caught:
        part.ids()
    assert isinstance(caught.value, sqlite3.NotSupportedError)
    raw.close()
    assert session._raw is raw


def test_a_connection_class_may_make_attributes_up() -> None:
    class Making(sqlite3.Connection):
        def __getattr__(self, name: str) -> Any:
            if not name.startswith("find_"):
                raise AttributeError(name)
            return lambda: self.execute(f"SELECT {name[5:]} FROM letters").fetchall()

    with closing(
        kysera_dbapi.connect(
            sqlite3, ":memory:", factory=Making, plugins=[plugin_before()]
        )
    ) as making:
        making.executescript(SCHEMA)
        assert making.find_id() == LIVE
        assert not hasattr(making, "novelty")
        with pytest.raises(AttributeError):
            _ = making.__novelty__


def test_calls_past_super_are_no_way_round(shop: Any) -> None:
    with pytest.raises(TypeError):
        sqlite3.Connection.execute(shop, IDS)
    with pytest.raises(TypeError):
        sqlite3.Cursor(shop)


def test_the_raw_connection_of_a_program_s_class_is_raw(shop: Any) -> None:
    raw = shop.unwrap()
    assert isinstance(raw, Shop)
    assert len(raw.ids()) == 3
    assert len(raw.past()) == 6


def test_an_open_connection_of_a_program_s_class_can_be_wrapped() -> None:
    with closing(Shop(":memory:")) as raw:
        wrapped: Any = kysera_dbapi.wrap(raw, plugins=[plugin_before()])
        assert wrapped.ids() == LIVE
        assert wrapped.past() == LIVE * 2
        assert wrapped.unwrap() is raw
        assert len(raw.ids()) == 3


def test_a_connection_class_may_commit_in_its_own_way() -> None:
    calls: list[str] = []

    class Noting(sqlite3.Connection):
        def commit(self) -> None:
            calls.append("commit")
            super().commit()

        def close(self) -> None:
            calls.append("close")
            super().close()

    made = kysera_dbapi.connect(sqlite3, ":memory:", factory=Noting)
    made.commit()
    made.close()
    assert calls == ["commit", "close"]
