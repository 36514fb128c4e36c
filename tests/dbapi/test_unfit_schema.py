"""A schema that a plugin finds wrong: statements are refused until it is mended."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError
from kysera_dbapi.plugin import Host, Plugin
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from tests.servers import connect, found

SCHEMA = (
    "CREATE TABLE orders (id integer PRIMARY KEY, tenant_id integer, total integer)",
    "CREATE TABLE log (id integer, total integer)",
    "CREATE TABLE parents (id integer PRIMARY KEY, deleted_at date)",
    "INSERT INTO orders VALUES (1, 7, 10), (2, 8, 9000), (3, 7, 30)",
    "INSERT INTO log VALUES (1, 5)",
    "INSERT INTO parents VALUES (1, NULL), (2, NULL)",
)
VIEW = "CREATE VIEW shown AS SELECT id, tenant_id, total FROM orders"
FILL = "UPDATE shown SET tenant_id = CASE id WHEN 2 THEN 8 ELSE 7 END"
KNOWN = "SELECT id FROM shown ORDER BY id"
NEW = "SELECT max(id) FROM shown AS never_seen"
ALL, OURS = [(1,), (2,), (3,)], [(1,), (3,)]


@dataclass(frozen=True)
class Relation:
    """What is protected beside the table, how it is spoilt and mended."""

    make: tuple[str, ...]
    spoil: tuple[str, ...]
    mend: tuple[str, ...]
    code: str


#: Spoilt, it shows the rows of others as those of tenant 7.
DECLARED = Relation(
    (VIEW,),
    (
        "DROP VIEW shown",
        "CREATE VIEW shown AS SELECT id, 7 AS tenant_id, total FROM orders",
    ),
    ("DROP VIEW shown", VIEW),
    "declared-view",
)
#: Spoilt, it does not tell whose its rows are.
TABLE = Relation(
    ("CREATE TABLE shown AS SELECT id, tenant_id, total FROM orders",),
    ("ALTER TABLE shown DROP COLUMN tenant_id",),
    ("ALTER TABLE shown ADD COLUMN tenant_id integer", FILL),
    "policy",
)


class Place:
    """A database, by a raw connection and by wrapped ones."""

    def __init__(self, kind: str, where: Any, stack: ExitStack) -> None:
        self.kind, self._where, self._stack = kind, where, stack
        if kind == "sqlite":
            raw: Any = sqlite3.connect(where, isolation_level=None)
            self._raw = stack.enter_context(closing(raw))
        else:
            self._raw = stack.enter_context(connect(where))
        self.relation = TABLE if kind in ("mariadb", "mysql") else DECLARED
        self.make(*SCHEMA, *self.relation.make)

    def spoil(self) -> None:
        self.make(*self.relation.spoil)

    def mend(self) -> None:
        self.make(*self.relation.mend)

    def refuses(self, work: Callable[[], Any], code: str = "") -> None:
        """It is refused with the error that says what to do, however often."""
        for _ in range(2):
            with pytest.raises(ConfigurationError) as caught:
                work()
            assert caught.value.code == (code or self.relation.code)

    def make(self, *statements: str) -> None:
        """By another connection, past the shim."""
        for statement in statements:
            cursor = self._raw.cursor()
            cursor.execute(statement)
            cursor.close()

    def wrapped(self, *more: Plugin, **options: Any) -> Any:
        plugins = [RowLevelSecurity(tenant_isolation("tenant_id", ["orders", "shown"]))]
        if self.kind == "sqlite":
            made = kysera_dbapi.connect(
                sqlite3,
                self._where,
                isolation_level=None,
                plugins=[*plugins, *more],
                **options,
            )
        else:
            made = kysera_dbapi.connect(
                self._where, autocommit=True, plugins=[*plugins, *more], **options
            )
        return self._stack.enter_context(closing(made))


@pytest.fixture(params=["sqlite", "postgresql", "mariadb", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    kind: str = request.param
    with ExitStack() as stack, kysera_dbapi.context(tenant_id=7):
        where: Any = tmp_path / "shop.db"
        if kind != "sqlite":
            server = next((s for s in found().servers if s.kind == kind), None)
            if server is None:
                pytest.skip(f"no {kind}: {found().missing[kind]}")
            one = request.getfixturevalue("databases")(server).one()
            where = stack.enter_context(one)
        yield Place(kind, where, stack)


def rows(connection: Any, sql: str, *args: Any) -> list[Any]:
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql, *args)
        return list(cursor.fetchall())


def ready(connection: Any) -> Any:
    """Known statements are found by their text again."""
    session = connection.plugin_host
    return session.direct and session.plans


@pytest.mark.parametrize(("first", "mode"), [(NEW, "normal"), ("refresh", "strict")])
def test_known_statements_do_not_go_on(place: Place, first: str, mode: Any) -> None:
    connection = place.wrapped(mode=mode)
    assert rows(connection, KNOWN) == OURS
    place.spoil()
    if first == "refresh":
        place.refuses(connection.refresh)
    else:
        place.refuses(lambda: rows(connection, first))
    place.refuses(lambda: rows(connection, KNOWN))
    place.refuses(lambda: rows(connection, "SELECT id FROM shown WHERE id > 0"))
    place.refuses(lambda: rows(connection, "SELECT id FROM orders"))
    place.refuses(connection.verify)
    place.mend()
    assert rows(connection, KNOWN) == OURS
    assert rows(connection, NEW) == [(3,)]
    assert rows(connection, "SELECT id FROM orders ORDER BY id") == OURS


def test_afterwards_it_is_as_fast_as_before(place: Place) -> None:
    connection = place.wrapped()
    assert rows(connection, KNOWN) == OURS
    assert ready(connection)
    place.spoil()
    place.refuses(connection.refresh)
    assert not ready(connection)
    place.mend()
    connection.refresh()
    assert rows(connection, KNOWN) == OURS
    assert ready(connection)


def test_every_way_in_is_closed(place: Place) -> None:
    connection = place.wrapped()
    update = "UPDATE orders SET total = total + 1"
    marks = {"sqlite": "?"}.get(place.kind, "%s")
    many = f"UPDATE orders SET total = total + 1 WHERE id > {marks}"
    for text in (KNOWN, update):
        with closing(connection.cursor()) as cursor:
            cursor.execute(text)
    cursor = connection.cursor()
    cursor.executemany(many, [(0,)])
    place.spoil()
    place.refuses(connection.refresh)
    place.refuses(lambda: cursor.execute(update))
    place.refuses(lambda: cursor.executemany(many, [(0,)]))
    place.refuses(lambda: cursor.execute(f"{KNOWN}; {KNOWN}"))
    if place.kind == "sqlite":
        place.refuses(lambda: connection.execute(KNOWN))
        place.refuses(lambda: connection.executescript(update))
        place.refuses(lambda: list(connection.iterdump()))
    elif place.kind == "postgresql":
        place.refuses(lambda: connection.execute(KNOWN))
        place.refuses(lambda: cursor.stream(KNOWN))
        place.refuses(lambda: cursor.copy("COPY shown TO STDOUT").__enter__())
        place.refuses(lambda: cursor.copy(f"COPY ({KNOWN}) TO STDOUT").__enter__())
    else:
        place.refuses(lambda: connection.query(KNOWN))
        place.refuses(lambda: cursor.callproc("nothing"))
    cursor.close()
    place.mend()
    assert rows(connection, "SELECT sum(total) FROM orders") == [(44,)]


def test_transactions_can_be_ended(place: Place) -> None:
    connection = place.wrapped()
    rows(connection, KNOWN)
    cursor = connection.cursor()
    cursor.execute("BEGIN")
    cursor.execute("UPDATE log SET total = 6")
    cursor.execute("SAVEPOINT one")
    cursor.execute("UPDATE log SET total = 7")
    if place.kind == "postgresql":
        place.spoil()
        place.refuses(connection.refresh)
    else:  # it waits for the transaction, or is not seen in it
        connection.plugin_host._doubted = frozenset({"rls"})
        connection.plugin_host.invalidate()
    for text in ("ROLLBACK TO one", "RELEASE SAVEPOINT one", "COMMIT", "BEGIN"):
        cursor.execute(text)
    if place.kind != "postgresql":
        place.spoil()
    place.refuses(lambda: cursor.execute(KNOWN))
    place.refuses(lambda: cursor.execute("SELECT 1; COMMIT"))
    connection.rollback()
    cursor.execute("ROLLBACK" if place.kind == "mysql" else "BEGIN")
    connection.commit()
    cursor.close()
    place.mend()
    assert rows(connection, "SELECT total FROM log") == [(6,)]


def test_who_is_bypassed_has_no_say(place: Place) -> None:
    connection = place.wrapped()
    rows(connection, KNOWN)
    place.spoil()
    place.refuses(connection.refresh)
    with kysera_dbapi.bypass("rls", reason="a look at it"):
        assert rows(connection, KNOWN) == ALL
        assert rows(connection, "SELECT id FROM orders ORDER BY id") == ALL
    place.refuses(lambda: rows(connection, KNOWN))
    place.refuses(lambda: rows(connection, "SELECT id FROM orders"))
    place.refuses(connection.refresh)
    with kysera_dbapi.bypass("rls", reason="mend it"):
        for text in place.relation.mend:
            with closing(connection.cursor()) as cursor:
                cursor.execute(text)
    assert rows(connection, KNOWN) == OURS
    assert ready(connection)


def test_a_table_that_lost_its_tenant(place: Place) -> None:
    connection = place.wrapped()
    text = "SELECT id FROM log"
    assert rows(connection, text) == [(1,)]
    view = place.relation is DECLARED
    if view:
        place.make("DROP VIEW shown")
    place.make("ALTER TABLE orders DROP COLUMN tenant_id")
    place.refuses(connection.refresh, "policy")
    place.refuses(lambda: rows(connection, text), "policy")
    place.make("ALTER TABLE orders ADD COLUMN tenant_id integer")
    place.make("UPDATE orders SET tenant_id = id + 5")
    if view:
        place.refuses(lambda: rows(connection, text), "policy")
        place.make(VIEW)
    assert rows(connection, "SELECT id FROM orders") == [(2,)]
    assert rows(connection, text) == [(1,)]


class Watching(Plugin):
    """A third party's, that has its own demand."""

    name, version = "watching", "1"

    def on_catalogue(self, host: Host) -> None:
        if host.catalogue.named("forbidden") is not None:
            raise ValueError("there is a table 'forbidden'; drop it")


def test_a_plugin_of_a_third_party(place: Place) -> None:
    connection = place.wrapped(Watching())
    text = "SELECT id FROM log"
    assert rows(connection, text) == [(1,)]
    place.make("CREATE TABLE forbidden (id integer)")
    for work in (connection.refresh, lambda: rows(connection, text)):
        for _ in range(2):
            with pytest.raises(ValueError, match="drop it"):
                work()
    place.make("DROP TABLE forbidden")
    assert rows(connection, text) == [(1,)]


def test_a_change_of_its_own_that_is_refused_closes_nothing(place: Place) -> None:
    """It is undone, or was never sent."""
    connection = place.wrapped()
    assert rows(connection, KNOWN) == OURS
    with closing(connection.cursor()) as cursor, pytest.raises(kysera_dbapi.Error):
        cursor.execute("ALTER TABLE orders RENAME TO older")
    assert rows(connection, KNOWN) == OURS
    assert rows(connection, "SELECT id FROM orders ORDER BY id") == OURS
    assert connection.explain(NEW).code == ""
    assert ready(connection)


def test_soft_delete_says_what_is_wrong(place: Place) -> None:
    connection = place.wrapped(SoftDelete(["parents"]))
    text = "DELETE FROM parents WHERE id = 1"
    with closing(connection.cursor()) as cursor:
        cursor.execute(text)
    place.make(
        "CREATE TABLE children (parent integer, FOREIGN KEY (parent) "
        "REFERENCES parents (id))"
    )
    place.refuses(connection.refresh, "undeclared-foreign-key")
    place.refuses(lambda: rows(connection, text), "undeclared-foreign-key")
    place.make("DROP TABLE children")
    assert rows(connection, "SELECT id FROM parents") == [(2,)]
