"""Keys that deleted rows hold, on MySQL and MariaDB: the cure in the error's text."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi import TombstoneConflict
from kysera_dbapi.plugins import SoftDelete
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import arguments
from tests.servers import run

TABLE = """CREATE TABLE people (
    id int AUTO_INCREMENT PRIMARY KEY, email varchar(20), area int DEFAULT 1,
    mark {}, UNIQUE KEY `the email` (email, area)
)"""
AGAIN = "INSERT INTO people (email) VALUES ('gone')"
MARKS = {
    "datetime": SoftDelete(tables=["people"], column="mark"),
    "bool NOT NULL DEFAULT 0": SoftDelete(tables={"people": {"column": "mark", "flag": True}}),
    "bool": SoftDelete(tables={"people": {"column": "mark", "flag": True}}),
}


@pytest.fixture(params=MARKS)
def people(request: pytest.FixtureRequest, mysql_url: str) -> Iterator[Any]:
    """People of whom one is deleted."""
    run(mysql_url, [TABLE.format(request.param)])
    plugins = [MARKS[request.param]]
    made = kysera_dbapi.connect(mysql_url, plugins=plugins, autocommit=True)
    with closing(made):
        rows(made, "INSERT INTO people (email) VALUES ('here'), ('gone')")
        rows(made, "DELETE FROM people WHERE email = 'gone'")
        yield made


def cure(people: Any) -> None:
    with pytest.raises(TombstoneConflict) as caught:
        rows(people, AGAIN)
    assert isinstance(caught.value, pymysql.IntegrityError)
    with kysera_dbapi.bypass("soft_delete", reason="the cure"):
        rows(people, caught.value.args[-1].partition("unique: ")[2])


def test_the_cure_works_and_live_rows_are_unique(people: Any, mysql_url: str) -> None:
    cure(people)
    rows(people, AGAIN)
    with pytest.raises(pymysql.IntegrityError) as caught:
        rows(people, AGAIN)
    assert not isinstance(caught.value, TombstoneConflict)
    assert rows(people, "SELECT * FROM people WHERE email = 'gone'") == [
        (4, "gone", 1, rows(people, "SELECT max(mark) FROM people")[0][0])
    ]
    rows(people, "DELETE FROM people WHERE email = 'gone'")
    rows(people, AGAIN)
    with closing(pymysql.connect(**arguments(mysql_url))) as raw:
        asked = "SELECT count(*), count(live) FROM people WHERE email = 'gone'"
        assert rows(raw, asked) == [(3, 1)]


def test_an_upsert_meets_live_rows_alone(people: Any) -> None:
    upsert = f"{AGAIN} ON DUPLICATE KEY UPDATE area = 2"
    with pytest.raises(TombstoneConflict):
        rows(people, upsert)
    cure(people)
    rows(people, upsert)
    assert rows(people, "SELECT email, area FROM people WHERE email = 'gone'") == [
        ("gone", 1)
    ]
    rows(people, upsert)
    assert rows(people, "SELECT email, area FROM people ORDER BY email") == [
        ("gone", 2),
        ("here", 1),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "IF(mark IS NULL, 1, NULL)",
        "CASE WHEN (mark IS NULL) THEN 'x' END",
        "CASE WHEN mark IS NULL THEN 1 ELSE NULL END",
    ],
)
def test_a_column_that_is_null_in_deleted_rows_is_known(
    mysql_url: str, expression: str
) -> None:
    assert not issubclass(conflict(mysql_url, expression), TombstoneConflict)


@pytest.mark.parametrize(
    "expression",
    [
        "IF(mark IS NULL, 1, 2)",
        "IF(mark IS NOT NULL, 1, NULL)",
        "IF(mark IS NULL OR id > 0, 1, NULL)",
        "IFNULL(mark IS NULL, NULL)",
        "CASE WHEN mark IS NULL THEN 1 WHEN area = 1 THEN 1 END",
    ],
)
def test_any_other_column_leaves_the_key_one_of_all_rows(
    mysql_url: str, expression: str
) -> None:
    expression = expression.replace("id > 0", "area = 1")
    assert issubclass(conflict(mysql_url, expression), TombstoneConflict)


def conflict(mysql_url: str, expression: str) -> type[BaseException]:
    """What a second live row of an address raises, or one of a deleted row's."""
    key = f"one varchar(9) AS ({expression}), UNIQUE KEY k (email, one)"
    columns = f"id int PRIMARY KEY, email varchar(20), area int, mark datetime, {key}"
    run(mysql_url, [f"CREATE TABLE people ({columns})"])
    plugins = [MARKS["datetime"]]
    with closing(
        kysera_dbapi.connect(mysql_url, plugins=plugins, autocommit=True)
    ) as made:
        rows(made, "INSERT INTO people (id, email, area) VALUES (1, 'here', 1)")
        with pytest.raises(pymysql.IntegrityError) as caught:
            rows(made, "INSERT INTO people (id, email, area) VALUES (2, 'here', 1)")
    return type(caught.value)
