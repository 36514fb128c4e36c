"""The servers that were found are real, and those that were not are missed."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest

from tests.servers import (
    FAMILIES,
    KINDS,
    PROGRAMS,
    Server,
    answers,
    connect,
    database,
    found,
    run,
)

ROOT = Path(__file__).parents[1]
NOBODY = "127.0.0.1:1"

TABLE = "CREATE TABLE t (id integer PRIMARY KEY, name varchar(20))"
INSERT = "INSERT INTO t VALUES (%s, %s)"
ROWS = [(1, "Zoë"), (2, None), (3, "日本")]


def round_trip(connection: Any) -> None:
    """Write rows and read them back."""
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.executemany(INSERT, ROWS)
        cursor.execute("SELECT id, name FROM t ORDER BY id")
        assert list(cursor.fetchall()) == ROWS
        assert [column[0] for column in cursor.description] == ["id", "name"]


def test_postgresql_round_trip(postgresql_url: str) -> None:
    with connect(postgresql_url) as connection:
        assert isinstance(connection, psycopg.Connection)
        round_trip(connection)


def test_mysql_round_trip(mysql_url: str) -> None:
    with connect(mysql_url) as connection:
        assert isinstance(connection, pymysql.connections.Connection)
        round_trip(connection)


def all_servers() -> list[Any]:
    return [pytest.param(s, id=s.kind) for s in found().servers]


@pytest.mark.parametrize("server", all_servers())
def test_each_database_is_new(server: Server) -> None:
    with database(server) as first, database(server) as second:
        run(first, [TABLE])
        run(second, [TABLE])


@pytest.mark.parametrize("server", all_servers())
def test_a_database_goes_away_under_an_open_transaction(server: Server) -> None:
    with ExitStack() as after:
        with database(server) as url:
            run(url, [TABLE])
            cursor = after.enter_context(connect(url)).cursor()
            cursor.execute("BEGIN")
            cursor.execute("SELECT * FROM t")
            assert answers(url)
        assert not answers(url)


def test_each_kind_is_found_or_missing() -> None:
    kinds = {server.kind for server in found().servers}
    assert (kinds | set(found().missing)) - set(PROGRAMS) == set(KINDS)
    assert not kinds & set(found().missing)


def collect(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """What a pytest run in this environment says of its servers."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KYSERA_TEST_")}
    nowhere = {"DOCKER_HOST": f"tcp://{NOBODY}"}
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "--collect-only", __file__],
        cwd=ROOT,
        env=kept | nowhere | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_named_server_that_does_not_answer_is_an_error(family: str) -> None:
    variable = f"KYSERA_TEST_{family.upper()}"
    done = collect({variable: f"{family}://someone:secret@{NOBODY}/test"})
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"{variable}: {family} at {NOBODY}" in done.stderr
    assert "secret" not in done.stderr


def test_a_demanded_kind_that_is_missing_is_an_error() -> None:
    server = next((s for s in found().servers if s.kind == "mariadb"), None)
    if server is None:
        pytest.skip("needs a MariaDB to be the only server named")
    named = {"KYSERA_TEST_MYSQL": server.url()}
    done = collect(named | {"KYSERA_TEST_REQUIRE": "mariadb"})
    assert done.returncode == pytest.ExitCode.OK, done.stderr
    assert "!!! NO MYSQL: not in KYSERA_TEST_MYSQL !!!" in done.stdout
    done = collect(named | {"KYSERA_TEST_REQUIRE": "mariadb,mysql"})
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "no mysql: not in KYSERA_TEST_MYSQL" in done.stderr


def test_a_demand_for_an_unknown_kind_is_an_error() -> None:
    done = collect({"KYSERA_TEST_REQUIRE": "oracle"})
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"expected some of {', '.join([*KINDS, *PROGRAMS])}, got" in done.stderr
