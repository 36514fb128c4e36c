"""Declared views of MySQL and MariaDB: how they are stored, made and written to."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import ConfigurationError
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation
from tests.dialects.mysql_server import Server

SCHEMA = (
    "CREATE TABLE notes (id int PRIMARY KEY, tenant_id int, body varchar(40), "
    "place point, gone datetime)",
    "CREATE TABLE tags (id int PRIMARY KEY, tenant_id int, gone datetime)",
    "CREATE TABLE log (id int PRIMARY KEY, note int)",
    "INSERT INTO notes VALUES (1, 7, 'ours', point(1, 1), NULL), "
    "(2, 8, 'theirs', point(2, 2), NULL), (3, 7, 'gone', point(3, 3), now()), "
    "(4, 7, 'more', point(4, 4), NULL), (5, 8, 'ours', point(5, 5), NULL)",
    "INSERT INTO tags VALUES (1, 7, NULL), (2, 8, NULL)",
    "INSERT INTO log VALUES (1, 1), (2, 2), (3, 5)",
)
HIDDEN = "DELETE FROM notes WHERE tenant_id <> 7 OR gone IS NOT NULL"
COLUMNS = "id, tenant_id, body, gone"


@pytest.fixture
def server(mysql_url: str) -> Iterator[Server]:
    with ExitStack() as stack:
        made = Server(mysql_url, stack)
        made.run("SET sql_mode = ''", *SCHEMA)
        yield made


def plugins(*tables: str) -> list[Any]:
    return [
        RowLevelSecurity(tenant_isolation("tenant_id", tables)),
        SoftDelete(tables, column="gone"),
    ]


def wrapped(server: Server, *tables: str, **options: Any) -> Any:
    raw = server.connect(**options)
    made: Any = kysera_dbapi.wrap(raw, plugins=plugins("notes", "tags", *tables))
    made.context = {"tenant_id": 7}
    return made


def rows(connection: Any, sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return sorted(cursor.fetchall(), key=repr)


def without_hidden(server: Server, sql: str) -> list[Any]:
    """What a query gives where the hidden rows do not exist."""
    server.run("START TRANSACTION", HIDDEN)
    try:
        return sorted(server.rows(sql), key=repr)
    finally:
        server.run("ROLLBACK")


QUERIES = (
    "SELECT * FROM v",
    "SELECT count(*), max(id) FROM v",
    "SELECT l.id, v.body FROM log l LEFT JOIN v ON v.id = l.note",
    "SELECT id FROM log l WHERE EXISTS (SELECT 1 FROM v WHERE v.id = l.note)",
    "SELECT a.id FROM v a JOIN v b USING (tenant_id) WHERE b.body LIKE 'm%'",
)


@pytest.mark.parametrize(
    ("algorithm", "security", "check"),
    [
        ("UNDEFINED", "DEFINER", ""),
        ("MERGE", "INVOKER", "WITH CASCADED CHECK OPTION"),
        ("MERGE", "DEFINER", "WITH LOCAL CHECK OPTION"),
        ("TEMPTABLE", "DEFINER", ""),
        ("TEMPTABLE", "INVOKER", ""),
    ],
)
def test_the_options_of_a_view(
    server: Server, algorithm: str, security: str, check: str
) -> None:
    server.run(
        f"CREATE ALGORITHM = {algorithm} SQL SECURITY {security} VIEW v AS "
        f"SELECT {COLUMNS} FROM notes WHERE id < 9 {check}"
    )
    connection = wrapped(server, "v")
    for query in QUERIES:
        assert rows(connection, query) == without_hidden(server, query), query
    assert rows(connection, QUERIES[0]) != rows(server.raw, QUERIES[0])
    for sql in WRITES:
        with pytest.raises(kysera_dbapi.UnsupportedStatement):
            rows(connection, sql)


#: Each of them is one that an updatable view takes.
WRITES = (
    "INSERT INTO v VALUES (9, 7, 'x', NULL)",
    "INSERT v SET id = 9, tenant_id = 7",
    "INSERT INTO v (id) SELECT 9",
    "INSERT INTO v VALUES (1, 7, 'x', NULL) ON DUPLICATE KEY UPDATE body = 'x'",
    "REPLACE INTO v VALUES (2, 7, 'x', NULL)",
    "UPDATE v SET body = 'x'",
    "UPDATE v JOIN log ON log.note = v.id SET v.body = 'x'",
    "UPDATE log JOIN v ON log.note = v.id SET body = 'x'",
    "UPDATE log, v AS w SET w.body = 'x' WHERE log.note = w.id",
    "DELETE FROM v WHERE id = 1",
    "DELETE FROM v USING v JOIN log ON log.note = v.id",
    "DELETE v FROM v JOIN log ON log.note = v.id",
    "TRUNCATE TABLE v",
    "LOAD DATA LOCAL INFILE '/dev/null' INTO TABLE v",
)


def test_the_writes_are_ones_that_the_view_takes(server: Server) -> None:
    server.run(f"CREATE VIEW v AS SELECT {COLUMNS} FROM notes")
    for sql in WRITES[:12]:
        server.run("START TRANSACTION")
        before = server.rows("SELECT * FROM notes ORDER BY id")
        server.run(sql)
        assert server.rows("SELECT * FROM notes ORDER BY id") != before, sql
        server.run("ROLLBACK")


def test_a_write_may_read_a_declared_view(server: Server) -> None:
    server.run(f"CREATE VIEW v AS SELECT {COLUMNS} FROM notes")
    connection = wrapped(server, "v")
    rows(connection, "INSERT INTO log SELECT id + 100, id FROM v")
    rows(connection, "UPDATE log JOIN v ON v.id = log.note SET log.note = 0")
    rows(connection, "DELETE log FROM log LEFT JOIN v ON v.id = log.note + 1")
    assert server.rows("SELECT * FROM log") == []
    rows(connection, "INSERT INTO log SELECT id + 100, id FROM v")
    rows(connection, "DELETE FROM log WHERE note IN (SELECT id FROM v WHERE id > 1)")
    assert server.rows("SELECT * FROM log") == [(101, 1)]


# -- as they are stored ---------------------------------------------------------------

MODES = ("", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT,IGNORE_SPACE")


@pytest.mark.parametrize(("made", "quoting"), list(product(MODES, (0, 1))))
def test_a_view_is_read_in_all_modes(server: Server, made: str, quoting: int) -> None:
    server.run(
        f"SET sql_mode = '{made}', sql_quote_show_create = {quoting}",
        "CREATE VIEW v AS SELECT n.*, 'it''s \\\\' AS x, '\"`/*' AS y, "
        "'é -- \\\\'' AS z' AS `a``b c` FROM notes AS n WHERE NOT n.id = 17 "
        "AND n.body <> 'a'' OR ''\\\\'",
    )
    for mode in MODES:
        connection = wrapped(server, "v", sql_mode=mode)
        query = "SELECT id, x, y FROM v"
        assert rows(connection, query) == without_hidden(server, query)
        assert len(rows(connection, query)) == 2


def test_names_of_all_kinds(server: Server) -> None:
    server.run(
        "CREATE VIEW `select` AS SELECT `as`.tenant_id, `as`.gone, `as`.id AS `as`, "
        "`as`.body AS `from ``x``.y` FROM notes AS `as`",
    )
    connection = wrapped(server, "select")
    query = "SELECT `as`, `from ``x``.y` FROM `select`"
    assert rows(connection, query) == [(1, "ours"), (4, "more")]


def test_a_view_of_another_database(server: Server) -> None:
    other = server.other("b")
    server.run(
        f"CREATE TABLE {other}.notes (id int, tenant_id int, gone datetime)",
        f"INSERT INTO {other}.notes VALUES (1, 7, NULL), (2, 7, NULL), (2, 8, NULL)",
        f"CREATE VIEW {other}.v AS SELECT {COLUMNS} FROM {{db}}.notes",
        f"CREATE VIEW {other}.w AS SELECT {{db}}.notes.*, {other}.notes.id AS other "
        f"FROM {{db}}.notes JOIN {other}.notes ON {{db}}.notes.id = {other}.notes.id",
        f"CREATE VIEW {other}.x AS SELECT {other}.notes.id, "
        f"{other}.notes.tenant_id, {{db}}.notes.gone "
        f"FROM {{db}}.notes JOIN {other}.notes ON {{db}}.notes.id = {other}.notes.id",
    )
    connection = wrapped(server, f"{other}.v", f"{other}.w")
    for name in ("v", "w"):
        query = f"SELECT id FROM {other}.{name}"
        assert rows(connection, query) == without_hidden(server, query)
        assert rows(connection, query) != rows(server.raw, query)
    with pytest.raises(ConfigurationError) as caught:
        wrapped(server, f"{other}.x")
    assert caught.value.code == "declared-view"


def test_views_of_views_of_another_database(server: Server) -> None:
    other = server.other("b")
    server.run(
        f"CREATE VIEW {other}.one AS SELECT {COLUMNS} FROM {{db}}.notes",
        f"CREATE VIEW v AS SELECT t.*, l.note FROM {other}.one AS t "
        "LEFT JOIN log l ON l.note = t.id",
    )
    connection = wrapped(server, f"{other}.one", "v")
    query = "SELECT id, note FROM v"
    assert rows(connection, query) == without_hidden(server, query)
    assert rows(connection, query) == [(1, 1), (4, None)]
    with pytest.raises(ConfigurationError, match="not declared"):
        wrapped(server, "v")


#: What shows something of hidden rows, or puts rows together.
UNFIT = {
    "array": "SELECT tenant_id, gone, json_arrayagg(body) AS x FROM notes",
    "object": "SELECT tenant_id, gone, json_objectagg(id, body) AS x FROM notes",
    "bits": "SELECT tenant_id, gone, bit_or(id) AS x FROM notes",
    "deviation": "SELECT tenant_id, gone, std(id) AS x FROM notes",
    "shapes": "SELECT tenant_id, gone, st_collect(place) AS x FROM notes",
    "number": "SELECT tenant_id, gone, rownum() AS x FROM notes",
    "by number": "SELECT tenant_id, gone FROM notes WHERE rownum() < 2",
    "array of the view's own": "SELECT tenant_id, gone, "
    "(SELECT json_arrayagg(n.body) FROM log) AS x FROM notes n",
    "names of the view's own": "SELECT tenant_id, gone, "
    "(SELECT group_concat(n.body) FROM log) AS x FROM notes n",
    "nothing": "SELECT tenant_id, gone, count(*) AS x FROM notes",
    "rollup": "SELECT tenant_id, gone, count(*) AS x FROM notes "
    "GROUP BY tenant_id, gone WITH ROLLUP",
    "having": "SELECT tenant_id, gone, id FROM notes HAVING max(id) > 0",
    "any": "SELECT any_value(tenant_id) AS tenant_id, any_value(gone) AS gone, "
    "count(*) AS x FROM notes",
    "offset": "SELECT * FROM notes LIMIT 1 OFFSET 1",
    "ties": "SELECT * FROM notes ORDER BY tenant_id FETCH FIRST 1 ROWS WITH TIES",
    "window": "SELECT tenant_id, gone, row_number() OVER w AS x FROM notes "
    "WINDOW w AS (ORDER BY id)",
    "natural left": "SELECT n.tenant_id, n.gone FROM log l NATURAL LEFT JOIN notes n",
    "lateral": "SELECT n.tenant_id, n.gone, x.n FROM notes n, "
    "LATERAL (SELECT count(*) AS n FROM notes m WHERE m.id < n.id) x",
    "table": "TABLE notes",
    "aggregate of its own": "SELECT tenant_id, gone, together(id) AS x FROM notes",
    "counted": "SELECT *, counted() AS x FROM notes",
}
_HERE = ("number", "by number", "ties", "aggregate of its own")
_THERE = ("lateral", "table", "any", "shapes")


@pytest.mark.parametrize("name", UNFIT)
def test_a_view_that_does_not_tell(server: Server, name: str) -> None:
    if name in (_THERE if server.mariadb else _HERE):
        pytest.skip("it has no such")
    server.run(
        "CREATE FUNCTION counted() RETURNS int READS SQL DATA "
        "RETURN (SELECT count(*) FROM notes)"
    )
    if server.mariadb:
        server.run(
            "CREATE AGGREGATE FUNCTION together(x int) RETURNS int BEGIN "
            "DECLARE n int DEFAULT 0; DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN n; "
            "LOOP FETCH GROUP NEXT ROW; SET n = n + x; END LOOP; END"
        )
    query = UNFIT[name]
    server.run(f"CREATE VIEW v AS {query}")
    if name == "table":  # it is stored as SELECT
        assert rows(wrapped(server, "v"), "SELECT id FROM v") == [(1,), (4,)]
        return
    with pytest.raises(ConfigurationError) as caught:
        wrapped(server, "v")
    assert caught.value.code == "declared-view"


def test_joins_that_are_stored_as_others(server: Server) -> None:
    """USING and RIGHT are, and a comma."""
    server.run(
        "CREATE VIEW v AS SELECT n.id, n.tenant_id, n.gone, note "
        "FROM notes n JOIN log USING (id)",
        "CREATE VIEW w AS SELECT n.id, n.tenant_id, n.gone, note "
        "FROM log RIGHT JOIN notes n ON n.id = log.note",
        "CREATE VIEW x AS SELECT n.id, n.tenant_id, n.gone, note "
        "FROM log STRAIGHT_JOIN notes n FORCE INDEX (PRIMARY)",
    )
    connection = wrapped(server, "v", "w", "x")
    for name in "vwx":
        query = f"SELECT id, note FROM {name}"
        assert rows(connection, query) == without_hidden(server, query), name


def test_a_view_whose_text_is_hidden(server: Server) -> None:
    server.run(f"CREATE VIEW v AS SELECT {COLUMNS} FROM notes")
    user = f"u{server.database[-20:]}"
    server.run(
        f"CREATE USER {user}@'127.0.0.1'",
        f"GRANT SELECT ON {{db}}.* TO {user}@'127.0.0.1'",
    )
    try:
        with pytest.raises(ConfigurationError, match="may not see its definition"):
            wrapped(server, "v", user=user)
        server.run(f"GRANT SHOW VIEW ON {{db}}.* TO {user}@'127.0.0.1'")
        connection = wrapped(server, "v", user=user)
        assert rows(connection, "SELECT id FROM v") == [(1,), (4,)]
    finally:
        server.run(f"DROP USER {user}@'127.0.0.1'")


# -- changes --------------------------------------------------------------------------

CHANGES = (
    "CREATE OR REPLACE VIEW v AS SELECT id, 7 AS tenant_id, gone FROM notes",
    "ALTER VIEW v AS SELECT id, 7 AS tenant_id, gone FROM notes",
    "ALTER ALGORITHM = TEMPTABLE VIEW v AS SELECT id, id AS tenant_id, gone FROM notes",
    "DROP VIEW v; CREATE VIEW v AS SELECT max(id) AS id, tenant_id, gone FROM notes",
    "RENAME TABLE v TO old, w TO v",
    "CREATE OR REPLACE VIEW v AS SELECT * FROM told",
)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("within", [False, True])
def test_a_view_that_is_replaced(server: Server, change: str, within: bool) -> None:
    server.run(
        "CREATE VIEW v AS SELECT id, tenant_id, gone FROM notes",
        "CREATE VIEW told AS SELECT id, tenant_id, gone FROM notes",
        "CREATE VIEW w AS SELECT id, tenant_id, gone FROM notes LIMIT 9",
    )
    connection = wrapped(server, "v")
    assert rows(connection, "SELECT id FROM v") == [(1,), (4,)]
    for statement in change.split("; "):
        if not within:
            server.run(statement)
            continue
        with ExitStack() as stack:
            for plugin in ("rls", "soft_delete"):
                stack.enter_context(kysera_dbapi.bypass(plugin, reason="test"))
            rows(connection, statement)
    with pytest.raises(ConfigurationError) as caught:
        rows(connection, "SELECT id + 0 FROM v")
    assert caught.value.code == "declared-view"
    with pytest.raises(kysera_dbapi.Error):
        rows(connection, "SELECT count(*) FROM v")
