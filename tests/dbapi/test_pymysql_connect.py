"""Connecting to MySQL: URLs, the driver's module, connections that are open."""

from contextlib import closing
from typing import Any
from urllib.parse import quote

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi import pymysql as shim
from tests.dbapi.notes import OURS, QUERY, plugins, rows
from tests.dialects.mysql_server import arguments
from tests.servers import run


def test_every_way_to_connect(mysql_url: str, raw_mysql_notes: Any) -> None:
    _, _, rest = mysql_url.partition("://")
    given = arguments(mysql_url)
    opened = pymysql.connect(**given)
    made = [
        kysera_dbapi.connect(f"mysql://{rest}", plugins=plugins()),
        kysera_dbapi.connect(f"mysql+pymysql://{rest}", plugins=plugins()),
        kysera_dbapi.connect(f"mariadb://{rest}?charset=utf8mb4", plugins=plugins()),
        kysera_dbapi.connect(pymysql, plugins=plugins(), **given),
        kysera_dbapi.wrap(opened, plugins=plugins()),
    ]
    with kysera_dbapi.context(tenant_id=7):
        for connection in made:
            with closing(connection):
                assert rows(connection, QUERY) == OURS


def test_what_a_url_says(mysql_url: str) -> None:
    user, password = "us er", "p@ss:w/rd#%?"
    name = f"{user}'@'127.0.0.1"
    run(mysql_url, [f"CREATE USER '{name}' IDENTIFIED BY '{password}'"])
    try:
        run(
            mysql_url,
            [f"GRANT ALL ON {arguments(mysql_url)['database']}.* TO '{name}'"],
        )
        login = f"{quote(user)}:{quote(password, safe='')}"
        _, _, place = mysql_url.rpartition("@")
        url = f"mysql://{login}@{place}?autocommit=true&connect_timeout=7&sql_mode=ANSI"
        with closing(kysera_dbapi.connect(url)) as made:
            assert rows(made, "SELECT current_user()") == [(f"{user}@127.0.0.1",)]
            assert made.get_autocommit()
            assert made.unwrap().connect_timeout == 7
            assert "ANSI_QUOTES" in rows(made, "SELECT @@sql_mode")[0][0]
    finally:
        run(mysql_url, [f"DROP USER '{name}'"])


@pytest.mark.parametrize(
    "rest",
    [
        "root:secret@127.0.0.1:port/x",
        "root:secret@127.0.0.1:1:2/x",
        "root:secret@[::1/x",
        "root:secret@127.0.0.1/x#fragment",
        "root:secret@127.0.0.1/x?novelty=1",
        "root:secret@127.0.0.1/x?connect_timeout=soon",
        "root:secret@127.0.0.1/x?charset=a&charset=b",
        "root:secret@127.0.0.1/x?charset",
    ],
)
def test_a_bad_url_is_an_error(rest: str) -> None:
    with pytest.raises(kysera_dbapi.ConfigurationError) as caught:
        kysera_dbapi.connect(f"mysql://{rest}")
    assert caught.value.code == "bad-url"
    assert "secret" not in str(caught.value)


def test_what_cannot_be_wrapped(mysql_url: str) -> None:
    with closing(kysera_dbapi.connect(mysql_url)) as made:
        with pytest.raises(kysera_dbapi.ConfigurationError) as caught:
            shim.wrap(made)
        assert caught.value.code == "already-wrapped"
    with pytest.raises(pymysql.err.OperationalError):
        kysera_dbapi.connect(pymysql, host="127.0.0.1", port=1, connect_timeout=1)


def test_a_table_that_is_missing_closes_the_connection(mysql_url: str) -> None:
    with pytest.raises(kysera_dbapi.ConfigurationError):
        kysera_dbapi.connect(mysql_url, plugins=plugins())


def test_a_program_s_own_connection_class(mysql_url: str, raw_mysql_notes: Any) -> None:
    driver: Any = pymysql.connections.Connection

    class Own(driver):  # type: ignore[misc]
        said = 0

        def query(self: Any, *args: Any, **options: Any) -> Any:
            self.said += 1
            return driver.query(self, *args, **options)

        def leak(self: Any) -> Any:
            return driver.query(self, "SELECT * FROM notes")

    raw = Own(**arguments(mysql_url))
    with (
        closing(kysera_dbapi.wrap(raw, plugins=plugins())) as made,
        kysera_dbapi.context(tenant_id=7),
    ):
        connection: Any = made
        assert isinstance(connection, Own)
        assert rows(connection, QUERY) == OURS
        assert raw.said > 1
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            connection.leak()
