"""What a session becomes behind the shim's back, on MySQL and MariaDB."""

import warnings
from itertools import count
from typing import Any

import pytest

import kysera_dbapi
from tests.dbapi.notes import OURS, QUERY, rows

#: Names where strings are read by another mode, and the other way round.
ANSI = 'SELECT "id", body FROM "notes" ORDER BY id'
STRINGS = 'SELECT id, body FROM notes WHERE body <> "\\" OR 1 -- " ORDER BY id'
KNOWN = 'SELECT max("id") FROM notes'


_NEW = count()


def visible(connection: Any) -> int:
    """How many rows are, of the current database; the text is a new one."""
    sql = f"SELECT count(*) AS `n{next(_NEW)}` FROM notes"
    return int(rows(connection, sql)[0][0])


def test_another_mode_is_noticed_by_a_new_text(mysql_notes: Any) -> None:
    assert rows(mysql_notes, KNOWN) == [("id",)]
    mysql_notes.unwrap().query("SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
    assert rows(mysql_notes, ANSI) == OURS
    assert rows(mysql_notes, KNOWN) == [(2,)]
    mysql_notes.unwrap().query("SET sql_mode = ''")
    assert rows(mysql_notes, STRINGS) == OURS
    assert rows(mysql_notes, KNOWN) == [("id",)]


def test_refresh_notices_it_for_known_texts(mysql_notes: Any) -> None:
    assert rows(mysql_notes, KNOWN) == [("id",)]
    mysql_notes.unwrap().query("SET sql_mode = 'ANSI_QUOTES'")
    mysql_notes.refresh()
    assert rows(mysql_notes, KNOWN) == [(2,)]


@pytest.mark.parametrize("way", ["select_db", "query"])
def test_another_database_is_noticed(
    mysql_notes: Any, raw_mysql_notes: Any, way: str
) -> None:
    def use(name: str) -> None:
        text = f"USE {name}" if way == "query" else name
        getattr(mysql_notes.unwrap(), way)(text)

    ((home,),) = rows(raw_mysql_notes, "SELECT DATABASE()")
    rows(raw_mysql_notes, f"CREATE DATABASE {home}_b")
    try:
        rows(raw_mysql_notes, f"CREATE TABLE {home}_b.notes AS SELECT * FROM notes")
        assert visible(mysql_notes) == 2
        use(f"{home}_b")
        assert visible(mysql_notes) == 5
        found = rows(mysql_notes, f"SELECT id, body FROM {home}.notes ORDER BY id")
        assert found == OURS
        use(home)
        assert visible(mysql_notes) == 2
    finally:
        rows(raw_mysql_notes, f"DROP DATABASE {home}_b")


def test_another_character_set_is_noticed(mysql_notes: Any) -> None:
    for text in ("SET NAMES latin1", "SET collation_connection = latin1_bin"):
        mysql_notes.unwrap().query(text)
        with pytest.raises(kysera_dbapi.ConfigurationError, match="latin1"):
            visible(mysql_notes)
        with pytest.raises(kysera_dbapi.ConfigurationError, match="latin1"):
            rows(mysql_notes, QUERY)
        mysql_notes.unwrap().query("SET NAMES utf8mb4")
        assert rows(mysql_notes, QUERY) == OURS


def test_a_session_that_is_opened_anew_is_read_anew(
    mysql_notes: Any, raw_mysql_notes: Any
) -> None:
    """Its mode and its database are those that it began with."""
    rows(mysql_notes, "SET sql_mode = 'ANSI_QUOTES'")
    assert rows(mysql_notes, KNOWN) == [(2,)]
    rows(mysql_notes, "USE mysql")
    rows(raw_mysql_notes, f"KILL {mysql_notes.thread_id()}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mysql_notes.ping(reconnect=True)
    assert rows(mysql_notes, KNOWN) == [("id",)]
    assert rows(mysql_notes, QUERY) == OURS
    assert visible(mysql_notes) == 2
