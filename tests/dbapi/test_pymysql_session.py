"""What changes the meaning of texts on MySQL: modes, databases, character sets."""

import warnings
from contextlib import closing
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT

import kysera_dbapi
from tests.dbapi.notes import MYSQL, OURS, QUERY, plugins, rows
from tests.dialects.mysql_server import arguments
from tests.servers import run


@pytest.fixture
def connection(mysql_notes: Any) -> Any:
    return mysql_notes


@pytest.fixture
def raw(raw_mysql_notes: Any) -> Any:
    return raw_mysql_notes


# -- several statements ---------------------------------------------------------------


def test_several_statements_in_one_text(mysql_url: str, raw: Any) -> None:
    made = kysera_dbapi.connect(
        mysql_url,
        plugins=plugins(),
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
    )
    with closing(made), kysera_dbapi.context(tenant_id=7), made.cursor() as cursor:
        text = (
            "INSERT INTO notes (body) VALUES ('100%;'); SELECT id FROM notes;"
            "DELETE FROM notes WHERE id = 100;"
        )
        assert cursor.execute(text) == 1
        assert (cursor.rowcount, cursor.description) == (1, None)
        assert cursor.nextset()
        assert list(cursor.fetchall()) == [(1,), (2,), (100,)]
        assert cursor.nextset()
        assert (cursor.rowcount, cursor.description) == (1, None)
        assert not cursor.nextset()
        cursor.execute("SELECT 1; SELECT 2")
        cursor.execute("SELECT 3")
        assert cursor.fetchone() == (3,)
        assert not cursor.nextset()
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            cursor.execute("SELECT id FROM notes; HANDLER notes OPEN")
    assert rows(raw, "SELECT count(*) FROM notes") == [(6,)]


def test_several_statements_are_refused_where_the_server_would(connection: Any) -> None:
    with pytest.raises(kysera_dbapi.ProgrammingError) as caught:
        rows(connection, "SELECT 1; SELECT id FROM notes")
    assert isinstance(caught.value, pymysql.err.ProgrammingError)


def test_procedures(connection: Any, raw: Any, mysql_url: str) -> None:
    rows(raw, "CREATE PROCEDURE leaking(x int) SELECT body FROM notes")
    with connection.cursor() as cursor:
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            cursor.callproc("leaking", (3,))
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            cursor.execute("CALL leaking(1)")
        with pytest.raises(kysera_dbapi.UnsupportedStatement, match="what it runs"):
            cursor.execute("CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END")
        with pytest.raises(pymysql.err.OperationalError) as caught:
            cursor.callproc("none_such", (3,))
        assert caught.value.args[0] == 1305
    with closing(kysera_dbapi.connect(mysql_url)) as made, made.cursor() as cursor:
        assert cursor.callproc("leaking", (3,)) == (3,)
        assert len(cursor.fetchall()) == 5
        assert cursor.nextset()
        assert not cursor.nextset()


# -- what changes the meaning of texts ------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("ANSI_QUOTES", 'SELECT "id", body FROM "notes" ORDER BY id'),
        ("NO_BACKSLASH_ESCAPES", "SELECT id, body FROM notes WHERE body <> '\\'"),
        ("PIPES_AS_CONCAT", "SELECT id, body || '' FROM notes ORDER BY id"),
    ],
)
def test_the_modes_are_followed(
    connection: Any, mysql_url: str, raw: Any, mode: str, text: str
) -> None:
    rows(connection, f"SET sql_mode = '{mode}'")
    assert rows(connection, text) == OURS
    assert rows(connection, QUERY) == OURS
    init = f"SET sql_mode = '{mode}'"
    given: list[Any] = [{"sql_mode": mode}, {"init_command": init}]
    for options in given:
        made = kysera_dbapi.connect(mysql_url, plugins=plugins(), **options)
        with closing(made):
            assert rows(made, text) == OURS


def test_another_database(connection: Any, raw: Any, mysql_url: str) -> None:
    name = f"{arguments(mysql_url)['database']}_b"
    home = arguments(mysql_url)["database"]
    rows(raw, f"CREATE DATABASE {name}")
    try:
        rows(raw, f"CREATE TABLE {name}.notes AS SELECT id, body FROM {home}.notes")
        rows(raw, f"CREATE VIEW {name}.v AS SELECT id, body FROM {home}.notes")
        assert len(rows(connection, f"SELECT * FROM {name}.notes")) == 5
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            rows(connection, f"SELECT * FROM {name}.v")
        for use, back in (
            (lambda: rows(connection, f"USE {name}"), f"USE {home}"),
            (lambda: connection.select_db(name), f"USE `{home}`"),
        ):
            use()
            assert len(rows(connection, "SELECT * FROM notes")) == 5
            text = f"SELECT id, body FROM {home}.notes ORDER BY id"
            assert rows(connection, text) == OURS
            with pytest.raises(kysera_dbapi.UnsupportedStatement):
                rows(connection, "SELECT * FROM v")
            rows(connection, back)
            assert rows(connection, QUERY) == OURS
    finally:
        rows(raw, f"DROP DATABASE {name}")


def test_character_sets(connection: Any, mysql_url: str, raw: Any) -> None:
    connection.set_character_set("utf8mb4", "utf8mb4_bin")
    assert rows(connection, QUERY) == OURS
    for charset in ("gbk", "sjis", "big5", "latin1"):
        with pytest.raises(kysera_dbapi.ConfigurationError):
            connection.set_character_set(charset)
        with pytest.raises(kysera_dbapi.ConfigurationError):
            kysera_dbapi.connect(mysql_url, plugins=plugins(), charset=charset)
    assert rows(connection, QUERY) == OURS
    with closing(kysera_dbapi.connect(mysql_url, charset="latin1")) as made:
        assert rows(made, "SELECT 1") == [(1,)]


ANSI = 'SELECT "id", body FROM "notes" ORDER BY id'
FOLLOWED = (
    "SET sql_mode = 'ANSI_QUOTES'",
    "SET @@sql_mode := 'ansi_quotes'",
    "SET SESSION sql_mode = 'ANSI'",
    'SET LOCAL `sql_mode` = "ANSI_QUOTES"',
    "SET @@local.sql_mode = ANSI_QUOTES",
    "SET sql_mode = 4",
    "SET SQL_MODE = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
    "SET sql_mode = (SELECT REPLACE('ANSI_QUOTE', 'E', 'ES'))",
    "SET @old = @@sql_mode, sql_mode = 'ANSI_QUOTES'",
    "SET sql_mode = 'ANSI_QUOTES', wait_timeout = 1000",
    "/*!40101 SET SQL_MODE='ANSI_QUOTES' */",
)
NOT_FOLLOWED = (
    "SET GLOBAL sql_mode = @@GLOBAL.sql_mode",
    "SET @@GLOBAL.sql_mode = @@GLOBAL.sql_mode",
    "SET sql_mode = 'ANSI_QUOTES', @a = EXP(999)",
    "SET sql_mode = (SELECT body FROM notes WHERE id = 4)",
    "SET sql_mode = 'ANSI_QUOTES', autocommit = 0",
    "SET STATEMENT sql_mode = 'ANSI_QUOTES' FOR SELECT \"id\" FROM notes",
    "SELECT /*+ SET_VAR(sql_mode = 'ANSI_QUOTES') */ \"id\" FROM notes",
    "SET sql_mode = 'ORACLE'",
)


def test_every_way_to_set_the_mode_is_followed(connection: Any) -> None:
    (before,) = rows(connection, "SELECT @@sql_mode")[0]
    strings = 'SELECT id, body FROM notes WHERE body <> "\\" OR 1 -- " ORDER BY id'
    for text in FOLLOWED:
        rows(connection, text)
        assert rows(connection, ANSI) == OURS, text
        assert rows(connection, QUERY) == OURS, text
        rows(connection, "SET @then = %s", (before,))
        rows(connection, "SET sql_mode = @then")
        assert rows(connection, "SELECT @@sql_mode") == [(before,)]
        assert rows(connection, strings) == OURS
    rows(connection, "SET sql_mode = 'ANSI_QUOTES'")
    rows(connection, "SET sql_mode = DEFAULT")
    assert rows(connection, 'SELECT "id" FROM notes') == [("id",), ("id",)]


def test_other_ways_to_set_the_mode_are_refused(connection: Any) -> None:
    before = rows(connection, "SELECT @@sql_mode")
    for text in NOT_FOLLOWED:
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            rows(connection, text)
        assert rows(connection.unwrap(), "SELECT @@sql_mode") == before, text


def test_a_mode_that_is_another_language_is_an_error(connection: Any) -> None:
    if "MariaDB" not in connection.get_server_info():
        pytest.skip("MySQL has none")
    for text in ("SET sql_mode = CONCAT('ORA', 'CLE')", QUERY):
        with pytest.raises(kysera_dbapi.ConfigurationError):
            rows(connection, text)
    rows(connection.unwrap(), "SET sql_mode = ''")
    assert rows(connection, QUERY) == OURS


SETS_OF_LETTERS = (
    "SET NAMES {}",
    "SET NAMES '{}' COLLATE {}_bin",
    "SET CHARACTER SET {}",
    "SET CHARSET {}",
    "SET character_set_client = {}",
    "SET @@session.character_set_client = '{}'",
    "SET LOCAL character_set_results = {}",
    "SET character_set_connection = {}",
    "SET @a = 1, NAMES {}",
    "SET NAMES utf8mb4, character_set_client = {}",
    "/*!40101 SET NAMES {} */",
    "/*!40101 SET character_set_client = @a */",
    "set /* x */ names {}",
)


@pytest.mark.parametrize("charset", ["gbk", "sjis", "big5"])
def test_every_way_to_another_character_set_is_closed(
    connection: Any, mysql_url: str, tmp_path: Any, charset: str
) -> None:
    """A byte of a letter may be a backslash or a backtick there."""
    for text in SETS_OF_LETTERS:
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            rows(connection, text.format(charset, charset))
    for method in (connection.set_character_set, connection.set_charset):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(kysera_dbapi.ConfigurationError):
                method(charset)
    file = tmp_path / "my.cnf"
    file.write_text(f"[client]\ndefault-character-set = {charset}\n")
    given: list[Any] = [
        {"charset": charset},
        {"init_command": f"SET NAMES {charset}"},
        {"init_command": f"SET character_set_client = {charset}"},
        {"read_default_file": str(file)},
    ]
    for options in given:
        with pytest.raises(kysera_dbapi.ConfigurationError):
            kysera_dbapi.connect(mysql_url, plugins=plugins(), **options)
    assert rows(connection, "SELECT @@character_set_client") == [("utf8mb4",)]
    assert rows(connection, QUERY) == OURS


def test_a_connection_that_is_opened_later(mysql_url: str, raw: Any) -> None:
    options: Any = {"defer_connect": True, "autocommit": True}
    made = kysera_dbapi.connect(mysql_url, plugins=plugins(), **options)
    with kysera_dbapi.context(tenant_id=7):
        with pytest.raises(pymysql.err.InterfaceError):
            rows(made, QUERY)
        made.connect()
        assert rows(made, QUERY) == OURS
        made.unwrap()._force_close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.ping(reconnect=True)
        assert rows(made, QUERY) == OURS
        assert len(rows(made, "SELECT id FROM notes WHERE body LIKE '%'")) == 2
        made.close()


@pytest.mark.parametrize("way", ["connect", "ping"])
def test_a_connection_that_is_closed_and_opened_again(
    mysql_url: str, raw: Any, way: str
) -> None:
    made = kysera_dbapi.connect(mysql_url, plugins=plugins(), autocommit=True)
    with closing(made), kysera_dbapi.context(tenant_id=7):
        for _ in range(2):
            assert rows(made, QUERY) == OURS
            made.close()
            with pytest.raises(pymysql.err.InterfaceError):
                rows(made, QUERY)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made.connect() if way == "connect" else made.ping(reconnect=True)
            assert rows(made, QUERY) == OURS
            assert len(rows(made, "SELECT id FROM notes WHERE body LIKE '%'")) == 2
            with pytest.raises(kysera_dbapi.PolicyViolation):
                rows(made, "UPDATE notes SET tenant_id = 8")


def test_conversions_of_the_program_are_not_those_of_the_shim(
    mysql_url: str, raw: Any
) -> None:
    given: list[Any] = [{"use_unicode": False}, {"conv": {}}]
    for options in given:
        made = kysera_dbapi.connect(
            mysql_url, plugins=plugins(), autocommit=True, **options
        )
        with closing(made), kysera_dbapi.context(tenant_id=7):
            assert len(rows(made, QUERY)) == 2
            found, same = rows(made, QUERY)[0][1], rows_as(mysql_url, options)
            assert type(found) is type(same)


def rows_as(url: str, options: Any) -> Any:
    """What the driver makes of a text."""
    with closing(pymysql.connect(**{**arguments(url), **options})) as raw:
        return rows(raw, "SELECT body FROM notes")[0][0]


def test_tables_made_later_are_known(connection: Any) -> None:
    rows(connection, "CREATE TABLE later (id int)")
    assert rows(connection, "SELECT * FROM later") == []


@pytest.mark.parametrize(
    "setting",
    ["sql_select_limit = 1", "sql_mode = 'ORACLE'", "character_set_client = 'gbk'"],
)
def test_settings_that_would_hide_something(mysql_url: str, setting: str) -> None:
    run(mysql_url, MYSQL)
    init: Any = {"init_command": f"SET SESSION {setting}"}
    with pytest.raises((kysera_dbapi.ConfigurationError, pymysql.err.OperationalError)):
        kysera_dbapi.connect(mysql_url, plugins=plugins(), **init)


def test_views_that_were_made_without_quotes(connection: Any, raw: Any) -> None:
    rows(raw, "SET sql_quote_show_create = 0")
    rows(raw, "CREATE VIEW v AS SELECT id, body FROM notes")
    with pytest.raises(kysera_dbapi.UnsupportedStatement):
        rows(connection, "SELECT * FROM v")
