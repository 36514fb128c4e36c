"""Drivers are what the protocols say; type checkers read this file too."""

import sqlite3
from contextlib import closing

from kysera_dbapi.protocols import DriverModule, RawConnection, RawCursor
from tests.servers import connect


def exceptions(driver: DriverModule) -> list[type[Exception]]:
    """The roots of a driver's errors."""
    return [driver.Error, driver.Warning]


def first(connection: RawConnection, sql: str) -> object:
    """The first row of a query, by what the protocols promise."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        assert cursor.description is not None
        assert cursor.arraysize >= 1
        return cursor.fetchone()


def test_sqlite3() -> None:
    assert exceptions(sqlite3) == [sqlite3.Error, sqlite3.Warning]
    with closing(sqlite3.connect(":memory:")) as connection:
        assert isinstance(connection, RawConnection)
        assert isinstance(connection.cursor(), RawCursor)
        assert first(connection, "SELECT 1 AS one") == (1,)


def test_psycopg(postgresql_url: str) -> None:
    import psycopg

    assert exceptions(psycopg) == [psycopg.Error, psycopg.Warning]
    with psycopg.connect(postgresql_url) as connection:
        assert isinstance(connection, RawConnection)
        assert isinstance(connection.cursor(), RawCursor)
        assert first(connection, "SELECT 1 AS one") == (1,)


def test_pymysql(mysql_url: str) -> None:
    with connect(mysql_url) as connection:
        assert isinstance(connection, RawConnection)
        assert isinstance(connection.cursor(), RawCursor)
        assert first(connection, "SELECT 1 AS one") == (1,)


def test_what_is_no_connection_is_told_apart() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        assert not isinstance(connection, RawCursor)
        assert not isinstance(connection.cursor(), RawConnection)
