"""Full-text search on MySQL and MariaDB: hidden rows decide nothing of it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest

import kysera_dbapi
from kysera_dbapi import UnsupportedStatement
from kysera_dbapi.plugins import RowLevelSecurity, tenant_isolation
from tests.dbapi.notes import rows
from tests.dialects.mysql_server import arguments
from tests.servers import run

#: Most rows that hold alpha are hidden ones.
VISIBLE = (
    (1, 7, "alpha common words here"),
    (2, 7, "beta things about zebra"),
    (3, 7, "gamma delta quiet"),
    (4, 7, "common omega lighthouse"),
)
HIDDEN = tuple(
    (n, 8, f"alpha {word}")
    for n, word in enumerate(("zebra", "omega zebra", "delta", "lighthouse"), 10)
)
RIGHT = (
    "SELECT id FROM docs WHERE MATCH (body) AGAINST ('+alpha' IN BOOLEAN MODE)",
    "SELECT id FROM docs WHERE MATCH (body) AGAINST ('zebra delta' IN BOOLEAN MODE)",
    "SELECT id FROM docs WHERE id > 1 AND (NOT MATCH (body) AGAINST ('+omega' IN "
    "BOOLEAN MODE) OR id = 4)",
    "SELECT count(*) FROM docs WHERE MATCH (body) AGAINST ('alpha' IN BOOLEAN MODE)",
)
#: Right where no word is left out for being common.
BARE = (
    "SELECT id FROM docs WHERE MATCH (body) AGAINST ('alpha')",
    "SELECT id FROM docs WHERE MATCH (body) AGAINST ('alpha' IN NATURAL LANGUAGE MODE)",
)
EXPANDED = (
    "SELECT id FROM docs WHERE MATCH (body) AGAINST ('alpha' WITH QUERY EXPANSION)",
    "SELECT id FROM docs WHERE MATCH (body) AGAINST ('alpha' IN NATURAL LANGUAGE MODE "
    "WITH QUERY EXPANSION)",
)
RELEVANT = (
    "SELECT id, MATCH (body) AGAINST ('alpha' IN BOOLEAN MODE) FROM docs",
    "SELECT id FROM docs WHERE MATCH (body) AGAINST ('alpha' IN BOOLEAN MODE) > 0.1",
    "SELECT id FROM docs ORDER BY MATCH (body) AGAINST ('alpha' IN BOOLEAN MODE)",
    "SELECT id FROM docs d WHERE IF(MATCH (body) AGAINST ('alpha' IN BOOLEAN MODE) > "
    "0.1, 1, 0)",
)


@pytest.fixture(params=["InnoDB", "MyISAM"])
def both(request: pytest.FixtureRequest, mysql_url: str) -> Iterator[tuple[Any, Any]]:
    """A table with hidden rows, and in another database one without."""
    name = f"{arguments(mysql_url)['database']}_copy"
    run(mysql_url, [f"CREATE DATABASE {name}"])
    try:
        with (
            closing(pymysql.connect(**arguments(mysql_url))) as raw,
            closing(pymysql.connect(**arguments(mysql_url))) as copy,
        ):
            rows(copy, f"USE {name}")
            for made, kept in ((raw, (*VISIBLE, *HIDDEN)), (copy, VISIBLE)):
                rows(
                    made,
                    "CREATE TABLE docs (id int PRIMARY KEY, tenant_id int, body text, "
                    f"FULLTEXT (body)) ENGINE = {request.param}",
                )
                with made.cursor() as cursor:
                    cursor.executemany("INSERT INTO docs VALUES (%s, %s, %s)", kept)
            yield raw, copy
    finally:
        run(mysql_url, [f"DROP DATABASE {name}"])


def wrapped(raw: Any, mode: Any) -> Any:
    plugins = [RowLevelSecurity(tenant_isolation("tenant_id", ["docs"]))]
    made: Any = kysera_dbapi.wrap(raw, plugins=plugins, mode=mode)
    made.context = {"tenant_id": 7}
    return made


def found(connection: Any, sql: str) -> list[Any]:
    return sorted(rows(connection, sql))


@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_what_a_search_finds_is_filtered(both: tuple[Any, Any], mode: str) -> None:
    raw, copy = both
    connection = wrapped(raw, mode)
    for sql in RIGHT:
        assert found(connection, sql) == found(copy, sql), sql
        assert found(raw, sql) != found(copy, sql), sql


@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_no_hidden_row_makes_a_word_common(both: tuple[Any, Any], mode: str) -> None:
    raw, copy = both
    connection = wrapped(raw, mode)
    for sql in BARE:
        try:
            assert found(connection, sql) == found(copy, sql) == [(1,)]
        except UnsupportedStatement as error:
            assert "BOOLEAN" in str(error)  # noqa: PT017
            filtered = f"{sql} AND tenant_id = 7"
            assert found(raw, filtered) != found(copy, sql)  # and this is why


@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_no_words_of_hidden_rows_are_searched_for(
    both: tuple[Any, Any], mode: str
) -> None:
    raw, copy = both
    for sql in EXPANDED:
        with pytest.raises(UnsupportedStatement, match="EXPANSION"):
            rows(wrapped(raw, mode), sql)
        assert found(raw, f"{sql} AND tenant_id = 7") != found(copy, sql)  # why


def test_strict_mode_tells_no_relevance(both: tuple[Any, Any]) -> None:
    raw, copy = both
    for sql in RELEVANT:
        with pytest.raises(UnsupportedStatement, match="WHERE"):
            rows(wrapped(raw, "strict"), sql)
        assert len(rows(wrapped(raw, "normal"), sql)) <= len(VISIBLE)
    innodb = "InnoDB" in str(rows(raw, "SHOW CREATE TABLE docs"))
    filtered = f"{RELEVANT[0]} WHERE tenant_id = 7"
    assert (found(raw, filtered) != found(copy, filtered)) == innodb
