"""The keys and the columns of a catalogue, whatever their names."""

import sqlite3
from contextlib import closing
from itertools import product

import pytest

import kysera_dbapi
from kysera_dbapi.catalogue import Catalogue, Column, Table, key_of, parts_of
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from kysera_dbapi.registry import get_dialect

NAMES = ["a", "b.c", "a.b", '"', '"a', '"a"', 'a".', '"a".b', ".", "a.", "é", "a b"]


def test_no_two_tables_have_one_key() -> None:
    pairs = list(product(NAMES, NAMES))
    assert len({key_of(*pair) for pair in pairs}) == len(pairs)
    assert [parts_of(key_of(*pair)) for pair in pairs] == pairs


def test_a_key_is_the_plain_name_where_that_is_clear() -> None:
    assert Table("main", "orders").key == "main.orders"
    assert Table("main", "my.orders").key == "main.my.orders"
    assert Table("my.main", "orders").key == '"my.main".orders'


def test_a_column_is_found_by_its_exact_name() -> None:
    table = Table("public", "t", columns=(Column("A", "int"), Column("a", "text")))
    assert [table.column(n) and table.column(n).type for n in "Aa"] == ["int", "text"]  # type: ignore[union-attr]
    assert table.column("b") is None


def test_a_column_of_sqlite_is_found_by_its_folded_name() -> None:
    raw = sqlite3.connect(":memory:")
    raw.execute("CREATE TABLE t (Tenant_ID, É)")
    catalogue = get_dialect("sqlite").read_catalogue(
        lambda *args: raw.execute(*args).fetchall()
    )
    raw.close()
    table = catalogue.tables["main.t"]
    column = table.column("tenant_id")
    assert column is not None
    assert column.name == "Tenant_ID"
    assert table.column("É") is not None
    assert table.column("é") is None


def test_a_table_of_an_attached_database_with_a_dot_in_its_name() -> None:
    """``"main.a".b`` is not ``main."a.b"``: each is hidden or not by itself."""
    raw = sqlite3.connect(":memory:")
    raw.executescript(
        """
        ATTACH ':memory:' AS "main.a";
        CREATE TABLE main."a.b" (id INTEGER PRIMARY KEY, deleted_at);
        CREATE TABLE "main.a".b (id INTEGER PRIMARY KEY, deleted_at);
        INSERT INTO main."a.b" VALUES (1, NULL), (2, 'gone');
        INSERT INTO "main.a".b VALUES (3, NULL), (4, 'gone');
        """
    )
    plugins = [SoftDelete(tables=["a.b"])]
    with closing(kysera_dbapi.wrap(raw, plugins=plugins)) as connection:
        catalogue = connection.plugin_host.catalogue
        assert {"main.a.b", '"main.a".b'} <= set(catalogue.tables)
        rows = connection.execute('SELECT id FROM main."a.b"').fetchall()
        assert rows == [(1,)]
        rows = connection.execute('SELECT id FROM "main.a".b').fetchall()
        assert rows == [(3,), (4,)]


@pytest.mark.parametrize("column", ["tenant_id", "TENANT_ID", "Tenant_Id"])
def test_a_setting_finds_a_column_of_sqlite_in_any_case(column: str) -> None:
    raw = sqlite3.connect(":memory:")
    raw.executescript(
        """
        CREATE TABLE notes (id INTEGER PRIMARY KEY, Tenant_ID, Deleted_At);
        INSERT INTO notes VALUES (1, 7, NULL), (2, 8, NULL), (3, 7, 'gone');
        """
    )
    plugins = [
        RowLevelSecurity(tenant_isolation(column, tables=["notes"])),
        SoftDelete(tables=["notes"], column="DELETED_AT"),
    ]
    with (
        closing(kysera_dbapi.wrap(raw, plugins=plugins)) as connection,
        kysera_dbapi.context(**{column: 7}),
    ):
        connection.execute("INSERT INTO notes (id) VALUES (4)")
        connection.execute("INSERT INTO notes VALUES (5, 7, NULL)")
        rows = connection.execute("SELECT id, tenant_id FROM notes").fetchall()
    assert rows == [(1, 7), (4, 7), (5, 7)]


def test_a_name_of_three_parts_starts_with_the_database() -> None:
    table = Table("public", "orders")
    catalogue = Catalogue({table.key: table}, path=("public",), database="shop")
    assert catalogue.resolve(["shop", "public", "orders"]) is table
    assert catalogue.resolve(["other", "public", "orders"]) is None
    assert catalogue.resolve(["x", "shop", "public", "orders"]) is None
    assert Catalogue({table.key: table}).resolve(["", "public", "orders"]) is None


@pytest.mark.parametrize("made", ["main.orders", "MAIN.Orders"])
def test_a_table_made_later_takes_no_protection_away(made: str) -> None:
    raw = sqlite3.connect(":memory:", isolation_level=None)
    raw.executescript(
        "CREATE TABLE orders (id INTEGER, deleted_at TEXT);"
        "INSERT INTO orders VALUES (1, NULL), (2, 'ghost');"
    )
    with closing(
        kysera_dbapi.wrap(raw, plugins=[SoftDelete(["main.orders"])])
    ) as made_:
        with pytest.raises(kysera_dbapi.ConfigurationError) as caught:
            made_.execute(f'CREATE TABLE "{made}" (id INTEGER, deleted_at TEXT)')
        assert caught.value.code == "ambiguous-table"
        assert made_.execute("SELECT id FROM main.orders").fetchall() == [(1,)]
        raw.execute(f'CREATE TABLE "{made}" (id INTEGER, deleted_at TEXT)')
        with pytest.raises(kysera_dbapi.ConfigurationError):
            made_.execute("SELECT id, 'a new shape' FROM main.orders")
