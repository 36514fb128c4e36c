"""The verbs of soft delete: restore, hard_delete, purge."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi.plugins import SoftDelete


class Nowhere(tzinfo):
    """A zone that does not say how far it is from UTC."""

    def utcoffset(self, moment: datetime | None, /) -> None:
        """Nothing: https://docs.python.org/3/library/datetime.html#datetime.tzinfo"""

    tzname = dst = utcoffset


SCHEMA = """
CREATE TABLE parents (
    id INTEGER PRIMARY KEY, name, area REFERENCES areas (id), deleted_at);
CREATE UNIQUE INDEX parents_name ON parents (name) WHERE deleted_at IS NULL;
CREATE TABLE areas (id INTEGER PRIMARY KEY, deleted_at);
CREATE TABLE kids (
    id INTEGER PRIMARY KEY, parent REFERENCES parents (id), deleted_at);
CREATE TABLE toys (
    kid REFERENCES kids (id), no INTEGER, gone INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (kid, no)) WITHOUT ROWID;
CREATE TABLE logs (id INTEGER PRIMARY KEY, parent REFERENCES parents (id));
INSERT INTO areas VALUES (1, NULL), (2, 'before');
INSERT INTO parents VALUES (1, 'a', 1, NULL), (2, 'b', NULL, NULL),
    (3, 'c', 1, '2020-01-01 00:00:00'), (4, 'a', NULL, '2020-01-01 00:00:00');
INSERT INTO kids VALUES (1, 1, NULL), (2, 1, NULL), (3, 2, NULL),
    (4, 3, '2020-01-01 00:00:00'), (5, 3, '2019-01-01 00:00:00');
INSERT INTO toys VALUES (1, 1, 0), (1, 2, 1), (4, 1, 1);
"""
KEYS: dict[str, Any] = {
    "parents.area": "restrict",
    "kids.parent": "cascade",
    "toys.kid": "ignore",
    "logs.parent": "restrict",
}
TABLES: dict[str, Any] = {
    "areas": {},
    "parents": {},
    "kids": {},
    "toys": {"column": "gone", "flag": True},
}
TIMES = ("parents", "kids", "areas")


class Shop:
    """A wrapped connection with its plugin."""

    def __init__(self, schema: str = SCHEMA, *, level: str | None = None, **more: Any):
        raw = sqlite3.connect(":memory:")
        raw.executescript(schema)
        raw.isolation_level = level  # type: ignore[assignment]
        self.raw = raw
        self.plugin = SoftDelete(TABLES, foreign_keys={**KEYS, **more.pop("keys", {})})
        self.connection = kysera_dbapi.wrap(raw, plugins=[self.plugin, *more.values()])

    def restore(self, *args: Any, **options: Any) -> None:
        self.plugin.restore(self.connection, *args, **options)

    def hard_delete(self, *args: Any) -> None:
        self.plugin.hard_delete(self.connection, *args)

    def purge(self, table: str, older_than: Any) -> int:
        return self.plugin.purge(self.connection, table, older_than=older_than)

    def ids(self, table: str) -> list[Any]:
        """The keys of all rows, live or deleted."""
        key = "kid || '.' || no" if table == "toys" else "id"
        return [r[0] for r in self.raw.execute(f"SELECT {key} FROM {table} ORDER BY 1")]

    def live(self, table: str) -> list[Any]:
        return [r[0] for r in self.connection.execute(f"SELECT * FROM {table}")]


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    with closing(made.connection):
        yield made


def refusal(run: Callable[[], object]) -> str:
    """The code of the error, which is ours and, but for configuration, the driver's."""
    with pytest.raises(kysera_dbapi.Error) as caught:
        run()
    return caught.value.code


# -- restore


def test_a_row_comes_back(shop: Shop) -> None:
    shop.restore("parents", 3)
    assert shop.live("parents") == [1, 2, 3]
    assert shop.live("kids") == [1, 2, 3]


@pytest.mark.parametrize("key", ["3", 3.0, (3,)])
def test_a_key_is_compared_as_the_database_does(shop: Shop, key: object) -> None:
    shop.restore("PARENTS", key)
    assert 3 in shop.live("parents")


def test_rows_of_composite_keys_and_flags_come_back(shop: Shop) -> None:
    shop.restore("toys", (1, 2))
    sql = "SELECT no FROM toys WHERE kid = 1"
    assert shop.connection.execute(sql).fetchall() == [(1,), (2,)]


def test_what_was_deleted_together_comes_back_together(shop: Shop) -> None:
    shop.restore("parents", 3, cascade=True)
    assert shop.live("parents") == [1, 2, 3]
    assert shop.live("kids") == [1, 2, 3, 4]  # 5 had been deleted before


@pytest.mark.parametrize("clock", ["application", "database"])
def test_a_deletion_and_its_restoration_change_nothing(clock: Any) -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    tables = [t for t in TABLES if t != "toys"]
    plugin = SoftDelete(tables, foreign_keys=KEYS, clock=clock)
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        before = list(raw.iterdump())
        connection.execute("DELETE FROM parents WHERE id = 1")
        assert list(raw.iterdump()) != before
        plugin.restore(connection, "parents", 1, cascade=True)
        assert list(raw.iterdump()) == before


def test_flags_do_not_tell_what_was_deleted_together() -> None:
    shop = Shop(keys={"toys.kid": "cascade"})
    with closing(shop.connection):
        assert refusal(lambda: shop.restore("parents", 3, cascade=True)) == (
            "configuration"
        )
        shop.restore("parents", 3)
        assert shop.live("parents") == [1, 2, 3]


@pytest.mark.parametrize(
    ("table", "key", "code"),
    [
        ("parents", 99, "row-not-found"),
        ("parents", None, "row-not-found"),
        ("parents", 1, "not-deleted"),
        ("toys", (1, 1), "not-deleted"),
        ("toys", 1, "configuration"),
        ("parents", (1, 2), "configuration"),
        ("logs", 1, "configuration"),
        ("nothing", 1, "configuration"),
        (None, 1, "configuration"),
        ("parents", 4, "tombstone-conflict"),
    ],
)
def test_what_cannot_be_restored(shop: Shop, table: Any, key: Any, code: str) -> None:
    before = list(shop.raw.iterdump())
    assert refusal(lambda: shop.restore(table, key)) == code
    assert list(shop.raw.iterdump()) == before


def test_a_live_row_with_the_key_is_an_error_of_both_kinds(shop: Shop) -> None:
    with pytest.raises(
        sqlite3.IntegrityError, match="a live row has its key"
    ) as caught:
        shop.restore("parents", 4)
    assert isinstance(caught.value, kysera_dbapi.TombstoneConflict)
    assert "'a'" not in str(caught.value)
    shop.connection.execute("DELETE FROM parents WHERE id = 1")
    shop.restore("parents", 4)


def test_no_row_is_live_whose_parent_is_deleted(shop: Shop) -> None:
    assert refusal(lambda: shop.restore("kids", 4)) == "deleted-parent"
    shop.restore("parents", 3)
    shop.restore("kids", 4)
    assert shop.live("kids") == [1, 2, 3, 4]


def test_a_restoration_is_all_or_nothing(shop: Shop) -> None:
    shop.raw.execute("UPDATE kids SET parent = 3, deleted_at = '2020-01-01 00:00:00'")
    shop.raw.execute(
        "CREATE TRIGGER no BEFORE UPDATE ON kids WHEN old.id = 3 "
        "BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    before = list(shop.raw.iterdump())
    with pytest.raises(sqlite3.IntegrityError, match="no"):
        shop.restore("parents", 3, cascade=True)
    assert list(shop.raw.iterdump()) == before
    assert not shop.raw.in_transaction


@pytest.mark.parametrize("level", ["", "IMMEDIATE"])
def test_verbs_are_part_of_the_callers_transaction(level: str) -> None:
    shop = Shop(level=level)
    with closing(shop.connection):
        shop.connection.execute("DELETE FROM kids WHERE id = 1")
        shop.restore("parents", 3)
        shop.hard_delete("toys", (4, 1))
        shop.connection.rollback()
        assert shop.live("parents") == [1, 2]
        assert shop.ids("toys") == ["1.1", "1.2", "4.1"]
        shop.restore("parents", 3)
        shop.connection.commit()
        shop.connection.rollback()
        assert shop.live("parents") == [1, 2, 3]


@pytest.mark.parametrize(
    "block",
    [kysera_dbapi.including_deleted, kysera_dbapi.only_deleted, lambda: _bypass()],
)
def test_verbs_do_the_same_in_every_block(shop: Shop, block: Any) -> None:
    with block():
        shop.restore("parents", 3)
        assert refusal(lambda: shop.restore("parents", 3)) == "not-deleted"
    assert shop.live("parents") == [1, 2, 3]


def _bypass() -> Any:
    return kysera_dbapi.bypass("soft_delete", reason="a test")


def test_verbs_obey_other_plugins(shop: Shop) -> None:
    class OneArea(kysera_dbapi.Plugin):
        name = "one_area"

        def protected(self, catalogue: Any) -> Any:
            return ["main.parents"]

        def intercept(self, statement: Any) -> None:
            statement.plugin = self.name
            for reference in statement.references:
                if reference.table.name == "parents" and reference.role == "source":
                    statement.filter(reference, "name = 'c'", reason="theirs")

    shop = Shop(other=OneArea())
    with closing(shop.connection):
        assert refusal(lambda: shop.restore("parents", 4)) == "row-not-found"
        assert refusal(lambda: shop.hard_delete("parents", 2)) == "row-not-found"
        assert shop.purge("parents", timedelta(0)) == 1
        assert shop.ids("parents") == [1, 2, 4]


def test_the_connection_must_have_the_plugin(shop: Shop) -> None:
    other = SoftDelete(["parents"], foreign_keys=KEYS)
    for connection in (shop.raw, None, shop.connection):
        with pytest.raises(kysera_dbapi.ConfigurationError, match="with this plugin"):
            other.restore(connection, "parents", 3)


def test_row_and_text_factories_do_not_disturb(shop: Shop) -> None:
    shop.raw.row_factory = lambda cursor, row: {"x": row}
    shop.raw.text_factory = bytes
    shop.restore("parents", 3, cascade=True)
    shop.hard_delete("toys", (4, 1))
    assert shop.purge("kids", datetime(2019, 6, 1, tzinfo=UTC)) == 1
    shop.raw.row_factory = None
    assert shop.ids("kids") == [1, 2, 3, 4]


# -- hard_delete


@pytest.mark.parametrize("enforced", [False, True])
def test_a_row_goes_for_good_with_its_children(*, enforced: bool) -> None:
    shop = Shop(keys={"toys.kid": "cascade"})
    with closing(shop.connection):
        shop.raw.execute(f"PRAGMA foreign_keys = {enforced}")
        shop.hard_delete("parents", 3)
        assert shop.ids("parents") == [1, 2, 4]
        assert (shop.ids("kids"), shop.ids("toys")) == ([1, 2, 3], ["1.1", "1.2"])
        shop.hard_delete("parents", 1)
        assert (shop.ids("kids"), shop.ids("toys")) == ([3], [])


def test_a_restricted_child_keeps_the_row(shop: Shop) -> None:
    assert refusal(lambda: shop.hard_delete("areas", 1)) == "tombstone-restrict"
    shop.raw.execute("INSERT INTO logs VALUES (1, 3)")
    assert refusal(lambda: shop.hard_delete("parents", 3)) == "tombstone-restrict"
    assert shop.ids("kids") == [1, 2, 3, 4, 5]
    shop.hard_delete("areas", 2)
    assert refusal(lambda: shop.hard_delete("areas", 2)) == "row-not-found"


def test_what_is_ignored_is_left_to_the_database(shop: Shop) -> None:
    shop.raw.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        shop.hard_delete("kids", 1)
    shop.raw.execute("PRAGMA foreign_keys = OFF")
    shop.hard_delete("kids", 1)
    assert shop.ids("toys") == ["1.1", "1.2", "4.1"]


# -- purge

NOON = datetime(2020, 5, 5, 12, tzinfo=UTC)
BEFORE = [
    "2020-05-05 11:59:59",
    "2020-05-05 11:59:59.999",
    "2020-05-05T11:59:59.998765Z",
    "2020-05-05T11:59:59Z",
    "2020-05-05 11:59:59.5+00:00",
    "2020-05-05 13:59:00+02:00",
    "2020-05-05T07:59-04:00",
    "2020-05-05",
    "2020-05-04 23:00:00",
]
AFTER = [
    "2020-05-05 12:00:00",
    "2020-05-05 12:00:00.000000",
    "2020-05-05 12:00:00+00:00",
    "2020-05-05T12:00:01Z",
    "2020-05-05 11:30:00-01:00",
    "2020-05-05T13:00:00.5+00:30",
    "2020-05-06",
]


def deleted_at(shop: Shop, *times: object) -> None:
    """Make kids that were deleted then, from 100 on."""
    rows = [(100 + i, time) for i, time in enumerate(times)]
    shop.raw.execute("DELETE FROM kids WHERE deleted_at NOT NULL")
    shop.raw.executemany("INSERT INTO kids VALUES (?, NULL, ?)", rows)


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_purge_compares_moments_not_texts(shop: Shop, zone: Any) -> None:
    deleted_at(shop, *BEFORE, *AFTER)
    assert shop.purge("kids", NOON.astimezone(zone)) == len(BEFORE)
    left = [key - 100 - len(BEFORE) for key in shop.ids("kids") if key >= 100]
    assert left == list(range(len(AFTER)))


@pytest.mark.parametrize("clock", ["application", "database"])
def test_what_both_clocks_write_is_purged(clock: Any) -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    plugin = SoftDelete(["areas"], foreign_keys={"parents.area": "ignore"}, clock=clock)
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        raw.execute("DELETE FROM areas WHERE id = 2")
        connection.execute("DELETE FROM areas")
        day = timedelta(days=1)
        assert plugin.purge(connection, "areas", older_than=day) == 0
        later = datetime.now(UTC) + timedelta(seconds=2)
        assert plugin.purge(connection, "areas", older_than=later) == 1
        assert plugin.purge(connection, "areas", older_than=later) == 0


@pytest.mark.parametrize(
    "time",
    ["before", "", 0, 1, 1_588_680_000, 2458975.0, b"2020-05-05", "now", "12:00"],
)
def test_a_time_that_cannot_be_read_is_not_guessed(shop: Shop, time: object) -> None:
    deleted_at(shop, "2019-01-01 00:00:00", time)
    assert refusal(lambda: shop.purge("kids", NOON)) == "unreadable-time"
    assert shop.ids("kids") == [1, 2, 3, 100, 101]


@pytest.mark.parametrize(
    "older_than",
    [
        datetime(2020, 5, 5),
        datetime(2020, 5, 5, tzinfo=Nowhere()),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=2))),
        "2020-05-05",
        30,
        None,
        timedelta(days=-1),
        timedelta.max,
    ],
)
def test_an_age_must_be_clear(shop: Shop, older_than: Any) -> None:
    assert refusal(lambda: shop.purge("kids", older_than)) == "configuration"


def test_a_flag_tells_no_age(shop: Shop) -> None:
    assert refusal(lambda: shop.purge("toys", timedelta(0))) == "configuration"


def test_purge_takes_the_children_along(shop: Shop) -> None:
    assert shop.purge("parents", NOON) == 2
    assert shop.ids("parents") == [1, 2]
    assert shop.ids("kids") == [1, 2, 3]


def test_purge_takes_no_live_row(shop: Shop) -> None:
    shop.raw.execute("INSERT INTO kids VALUES (9, 3, NULL)")
    assert refusal(lambda: shop.purge("parents", NOON)) == "tombstone-restrict"
    assert shop.ids("parents") == [1, 2, 3, 4]
    shop.connection.execute("DELETE FROM kids WHERE id = 9")
    assert shop.purge("parents", NOON) == 2
    assert shop.ids("kids") == [1, 2, 3]


def test_the_clock_may_be_given() -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    zone = timezone(timedelta(hours=2))
    moment = datetime(2026, 1, 1, 1, 30, tzinfo=zone)
    plugin = SoftDelete(
        ["areas"], foreign_keys={"parents.area": "ignore"}, clock=lambda: moment
    )
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        connection.execute("DELETE FROM areas WHERE id = 1")
        found = raw.execute("SELECT deleted_at FROM areas WHERE id = 1").fetchone()
        assert found == ("2025-12-31 23:30:00.000000",)


@pytest.mark.parametrize(
    "moment",
    [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=Nowhere()), None, "2026-01-01"],
)
def test_a_clock_without_a_zone_deletes_nothing(moment: Any) -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(SCHEMA)
    keys: Any = {"parents.area": "ignore"}
    plugin = SoftDelete(["areas"], foreign_keys=keys, clock=lambda: moment)
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        with pytest.raises(kysera_dbapi.ConfigurationError, match="time zone"):
            connection.execute("DELETE FROM areas")
        assert connection.execute("SELECT count(*) FROM areas").fetchone() == (1,)


def test_the_time_suits_sqlite3s_own_converter() -> None:
    raw = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES)
    raw.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, deleted_at TIMESTAMP)")
    sqlite3.register_converter(
        "TIMESTAMP", lambda b: datetime.fromisoformat(b.decode())
    )
    raw.execute("INSERT INTO t VALUES (1, NULL)")
    plugin = SoftDelete(["t"], clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    with closing(kysera_dbapi.wrap(raw, plugins=[plugin])) as connection:
        connection.execute("DELETE FROM t")
        with kysera_dbapi.including_deleted():
            found = connection.execute("SELECT deleted_at FROM t").fetchone()[0]
        assert found == datetime(2026, 1, 1)
        plugin.restore(connection, "t", 1)
        assert connection.execute("SELECT * FROM t").fetchall() == [(1, None)]
