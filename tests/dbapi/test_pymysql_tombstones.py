"""Keys that deleted rows hold, on MySQL and MariaDB: the cure in the error's text."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi import TombstoneConflict
from kysera_dbapi.plugins import SoftDelete
from kysera_dbapi.plugins.soft_delete.mark import Mark
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import DIALECT, Server, arguments
from tests.servers import run

TABLE = """CREATE TABLE people (
    id int AUTO_INCREMENT PRIMARY KEY, email varchar(20), area int DEFAULT 1,
    mark {}, UNIQUE KEY `the email` (email, area)
)"""
AGAIN = "INSERT INTO people (email) VALUES ('gone')"
FLAGGED: Any = {"people": {"column": "mark", "flag": True}}
MARKS = {
    "datetime": SoftDelete(tables=["people"], column="mark"),
    "bool NOT NULL DEFAULT 0": SoftDelete(tables=FLAGGED),
    "bool": SoftDelete(tables=FLAGGED),
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


KNOWN = (
    "IF(mark IS NULL, 1, NULL)",
    "CASE WHEN (mark IS NULL) THEN 2 END",
    "CASE WHEN mark IS NULL THEN 1 ELSE NULL END",
)
OTHERS = (
    "IF(mark IS NULL, 1, 2)",
    "IF(mark IS NULL, NULL, 1)",
    "IF(mark IS NOT NULL, 1, NULL)",
    "IF(mark IS NULL OR area = 1, 1, NULL)",
    "IF(mark IS NULL, area, NULL)",
    "IFNULL(mark IS NULL, NULL)",
    "CASE WHEN mark IS NULL THEN 1 WHEN area = 1 THEN 1 END",
    "CASE mark IS NULL WHEN 0 THEN 1 END",
)


def test_a_column_that_is_null_in_deleted_rows_is_known(mysql_url: str) -> None:
    columns = [
        f"c{i} varchar(9) AS ({one}), UNIQUE KEY k{i} (email, c{i})"
        for i, one in enumerate((*KNOWN, *OTHERS))
    ]
    with ExitStack() as stack:
        table = Server(mysql_url, stack).table(
            "people",
            "CREATE TABLE people (id int PRIMARY KEY, email varchar(20), area int, "
            f"mark datetime, {', '.join(columns)})",
        )
    mark = Mark.of(table, "mark", DIALECT, flag=False)
    left_out = [k.name for k in table.unique_keys if mark.leaves_out(k, DIALECT)]
    assert sorted(left_out) == [f"k{i}" for i in range(len(KNOWN))]
    assert {k.columns for k in table.unique_keys if k.partial} == {("email",)}
