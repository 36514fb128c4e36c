"""The stamps of single tables on MySQL and MariaDB, and what a text may call."""

from collections.abc import Iterator
from contextlib import ExitStack

import pymysql
import pytest
from kysera_dialects import mysql_catalogue, mysql_functions

from kysera_dbapi.catalogue import Column, Table
from kysera_dbapi.shape import Lexer
from kysera_dbapi.source import read
from tests.dialects.mysql_server import DIALECT, Server

#: Unknown functions: of one's own, they would be called.
UNKNOWN = (1305, 1630)
MADE = (
    "CREATE TABLE up (id int PRIMARY KEY) ENGINE=InnoDB",
    "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, a varchar(20), b int, up int, "
    "c char(3) CHARACTER SET latin1) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
)
CHANGES = (
    "ALTER TABLE t ADD COLUMN more int",
    "ALTER TABLE t MODIFY more int FIRST",
    "ALTER TABLE t RENAME COLUMN more TO less",
    "ALTER TABLE t DROP COLUMN less",
    "ALTER TABLE t MODIFY a varchar(21)",
    "ALTER TABLE t MODIFY a text",
    "ALTER TABLE t MODIFY a varchar(21)",
    "ALTER TABLE t MODIFY a varchar(21) NOT NULL",
    "ALTER TABLE t MODIFY a varchar(21) COLLATE utf8mb4_bin",
    "ALTER TABLE t MODIFY a varchar(21) COLLATE utf8mb4_unicode_ci",
    "ALTER TABLE t MODIFY a varchar(21) CHARACTER SET utf8mb3 COLLATE utf8mb3_bin",
    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    "ALTER TABLE t MODIFY c varbinary(3)",
    "ALTER TABLE t ALTER COLUMN b SET DEFAULT 1",
    "ALTER TABLE t ALTER COLUMN b SET DEFAULT 2",
    "ALTER TABLE t ALTER COLUMN b DROP DEFAULT",
    "ALTER TABLE t MODIFY b int unsigned",
    "ALTER TABLE t MODIFY b datetime",
    "ALTER TABLE t MODIFY b datetime ON UPDATE CURRENT_TIMESTAMP",
    "ALTER TABLE t MODIFY b int",
    "ALTER TABLE t ADD COLUMN g int AS (b) VIRTUAL",
    "ALTER TABLE t MODIFY g int AS (b + 1) VIRTUAL",
    "ALTER TABLE t MODIFY g int AS (IF(b IS NULL, 1, NULL)) VIRTUAL",
    "ALTER TABLE t ADD COLUMN h int INVISIBLE",
    "ALTER TABLE t MODIFY h int",
    "ALTER TABLE t ADD UNIQUE KEY k (b)",
    "ALTER TABLE t DROP KEY k, ADD UNIQUE KEY k (b, g)",
    "ALTER TABLE t DROP KEY k, ADD UNIQUE KEY k (g, b)",
    "ALTER TABLE t DROP KEY k, ADD UNIQUE KEY k (a(3))",
    "ALTER TABLE t DROP KEY k, ADD UNIQUE KEY k (a(4))",
    "ALTER TABLE t DROP KEY k, ADD UNIQUE KEY l (a(4))",
    "ALTER TABLE t DROP KEY l, ADD KEY l (a(4))",
    "ALTER TABLE t MODIFY id int, DROP PRIMARY KEY",
    "ALTER TABLE t ADD PRIMARY KEY (id, b)",
    "ALTER TABLE t MODIFY id int AUTO_INCREMENT",
    "ALTER TABLE t ENGINE=MyISAM",
    "ALTER TABLE t ADD COLUMN `AUTO_INCREMENT=5` int",
    "ALTER TABLE t RENAME COLUMN `AUTO_INCREMENT=5` TO `AUTO_INCREMENT=6`",
    "ALTER TABLE t ADD COLUMN `\n) AUTO_INCREMENT=5` int",
    "ALTER TABLE t RENAME COLUMN `\n) AUTO_INCREMENT=5` TO `\n) AUTO_INCREMENT=6`",
    "ALTER TABLE t COMMENT '\n) ENGINE=InnoDB AUTO_INCREMENT=7', ADD COLUMN i int",
    "DROP TABLE t",
)


@pytest.fixture
def server(mysql_url: str) -> Iterator[Server]:
    with ExitStack() as stack:
        made = Server(mysql_url, stack)
        made.run(*MADE)
        yield made


def stamp(server: Server) -> object:
    """That of t, as it is recorded; None if there is no such table, but a view."""
    ((known,),) = server.rows(
        "SELECT count(*) FROM information_schema.columns "
        "WHERE table_schema = %s AND table_name = 't'",
        [server.database],
    )
    table = Table(server.database, "t", columns=(Column("one"),) * known)
    try:
        found = mysql_catalogue.table_stamps(DIALECT, server.rows, [table])
    except pymysql.Error:
        return None
    return found and found[table.key]


def test_what_changes_a_table_changes_its_stamp(server: Server) -> None:
    for change in CHANGES:
        before = stamp(server)
        server.run(change)
        assert stamp(server) != before, change


def test_no_stamp_of_a_view_or_a_table_of_other_columns(server: Server) -> None:
    server.run("CREATE VIEW v AS SELECT 1 AS id")
    database = server.database
    for table in (
        Table(database, "v", columns=(Column("id"),)),
        Table(database, "t", columns=(Column("id"),)),
    ):
        assert mysql_catalogue.table_stamps(DIALECT, server.rows, [table]) is None


def test_no_stamp_of_a_table_of_which_columns_are_hidden(server: Server) -> None:
    """What the user may see of it may come to be more."""
    user = f"u{server.database[-20:]}"
    server.run(
        f"CREATE USER {user}@'127.0.0.1'",
        f"GRANT SELECT (id), DELETE ON {{db}}.t TO {user}@'127.0.0.1'",
    )
    root = server.raw
    try:
        server.raw = server.connect(user=user)
        table = server.table("t")
        assert [column.name for column in table.columns] == ["id"]
        assert server.rows("SHOW CREATE TABLE t")
        assert mysql_catalogue.table_stamps(DIALECT, server.rows, [table]) is None
    finally:
        server.raw = root
        server.run(f"DROP USER {user}@'127.0.0.1'")


def test_names_exchanged_change_both(server: Server) -> None:
    before = stamp(server)
    server.run("RENAME TABLE t TO aside, up TO t, aside TO up")
    assert stamp(server) != before


def test_a_temporary_table_in_its_place_changes_the_stamp(server: Server) -> None:
    before = stamp(server)
    server.run("CREATE TEMPORARY TABLE t LIKE up")
    assert stamp(server) != before


def test_rows_change_no_stamp(server: Server) -> None:
    before = stamp(server)
    server.run("INSERT INTO t (a) VALUES ('x'), ('y')", "ANALYZE TABLE t")
    server.run("ALTER TABLE t AUTO_INCREMENT = 1000")
    assert stamp(server) == before


def test_a_table_is_as_it_is_now_amid_a_snapshot(server: Server) -> None:
    server.run("SET autocommit = 0", "SELECT * FROM up")
    before = stamp(server)
    with server.connect().cursor() as other:
        other.execute("ALTER TABLE t ADD COLUMN more int")
    assert stamp(server) != before


@pytest.mark.parametrize("mode", ["ANSI", "NO_FIELD_OPTIONS", "NO_KEY_OPTIONS"])
def test_no_stamp_where_the_server_does_not_say_all(server: Server, mode: str) -> None:
    if mode != "ANSI" and not server.mariadb:
        pytest.skip("it is a mode of MariaDB")
    server.run(f"SET sql_mode = '{mode}'")
    assert mysql_catalogue.table_stamps(DIALECT, server.rows, []) is None


def test_settings_are_part_of_the_stamps(server: Server) -> None:
    seen: list[object] = []
    for change in ("DO 1", "SET sql_mode = 'ANSI_QUOTES'", "USE mysql"):
        server.run(change)
        seen.append(mysql_catalogue.table_stamps(DIALECT, server.rows, []))
    assert len(set(map(str, seen))) == len(seen)


# -- what a text may call -------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "native"),
    [
        (
            "SELECT count(*), Max( a ) FROM t WHERE (a) IN (1) AND EXISTS (SELECT 1)",
            1,
        ),
        ("SELECT a FROM t USE INDEX (k) LEFT JOIN u USING (a) ORDER BY (a)", 1),
        ("SELECT CAST(a AS CHAR(3)), IF (a, 1, 2), LEFT (a, 1) FROM t", 1),
        ("WITH x AS (SELECT 1) SELECT * FROM x WHERE a = (SELECT 2)", 1),
        ("SELECT f(a) FROM t", 0),
        ("SELECT count (*) FROM t", 0),  # one's own, without IGNORE_SPACE
        ("SELECT count/**/(*) FROM t", 0),
        ("SELECT d.count(a) FROM t", 0),
        ("SELECT d . left(a, 1) FROM t", 0),
        ("SELECT `count`(a) FROM t", 0),
        ("SELECT `if`(a) FROM t", 0),
        ("SELECT count(*) /*! , f(a) */ FROM t", 0),
        ("SELECT a FROM t WHERE a = ANY (SELECT 1)", 0),
        ("SELECT \u212aind(1), l\u0131ke(1)", 0),
    ],
)
def test_what_is_called_is_told(text: str, native: int) -> None:
    source = read(text, DIALECT, Lexer(DIALECT.lexical))
    assert all(map(mysql_functions.is_native, source.invoked)) is bool(native)


def test_nobodys_own_function_is_called_by_a_native_name(server: Server) -> None:
    """As one without that function is told that there is none."""
    blanks = [(name, "") for name in sorted(mysql_functions.NATIVE)]
    blanks += [(word, b) for word in sorted(mysql_functions.SYNTAX) for b in ("", " ")]
    called = {
        name
        for name, blank in blanks
        for given in ("", "1", "1, 1", "1, 1, 1")
        if number(server, f"SELECT {name}{blank}({given})") in UNKNOWN
    }
    assert called == set()
    assert number(server, "SELECT none_such(1)") in UNKNOWN


def number(server: Server, text: str) -> int:
    """That of the error of a statement; 0 without one."""
    try:
        server.rows(text)
    except pymysql.Error as error:
        return int(error.args[0])
    return 0
