"""MERGE through psycopg: what it matches, what its actions become, what is refused."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi import PolicyViolation, TombstoneConflict, UnsupportedStatement
from kysera_dbapi.plugins import (
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)
from kysera_dbapi.plugins.rls import Policy

pytestmark = pytest.mark.postgresql_since(15)

STATE = """
SELECT id, tenant_id, body, created_at IS NOT NULL, updated_at IS NOT NULL,
    deleted_at IS NOT NULL FROM notes ORDER BY id
"""
#: The rows of the fixture: of others, and deleted.
HIDDEN = [
    (3, 7, "gone", False, False, True),
    (4, 8, "GHOST", False, False, False),
    (5, 8, "GHOST 50%", False, False, True),
]


def merged(connection: Any, raw: Any, sql: str, params: Any = None) -> Any:
    """The row count, and the rows of notes but for the hidden ones."""
    count = connection.execute(sql, params).rowcount
    rows = raw.execute(STATE).fetchall()
    assert [row for row in rows if row in HIDDEN] == HIDDEN
    return count, [row for row in rows if row not in HIDDEN]


def test_all_actions(notes: Any, raw_notes: Any) -> None:
    sql = (
        "MERGE INTO notes AS n USING (VALUES (1, 'a'), (2, 'b'), (9, 'c'), (10, 'd')) "
        "AS v (id, body) ON n.id = v.id "
        "WHEN MATCHED AND v.id = %s THEN UPDATE SET body = v.body || %s "
        "WHEN MATCHED THEN DELETE "
        "WHEN NOT MATCHED AND v.id = %s THEN INSERT (id, body) VALUES (v.id, v.body) "
        "WHEN NOT MATCHED THEN DO NOTHING"
    )
    assert merged(notes, raw_notes, sql, (1, "!", 9)) == (
        3,
        [
            (1, 7, "a!", False, True, False),
            (2, 7, "ours too", False, False, True),
            (9, 7, "c", True, True, False),
        ],
    )


def test_hidden_rows_are_not_matched(notes: Any, raw_notes: Any) -> None:
    sql = (
        "MERGE INTO notes n USING generate_series(1, 5) AS g (id) ON n.id = g.id "
        "WHEN MATCHED THEN UPDATE SET body = 'met' "
        "WHEN NOT MATCHED THEN INSERT (id, body) VALUES (g.id + 10, 'new')"
    )
    count, rows = merged(notes, raw_notes, sql)
    assert count == 5
    assert [row[0] for row in rows] == [1, 2, 13, 14, 15]
    assert {row[2] for row in rows} == {"met", "new"}
    with pytest.raises(kysera_dbapi.IntegrityError) as caught:
        notes.execute(
            "MERGE INTO notes n USING (VALUES (4)) AS g (id) ON n.id = g.id "
            "WHEN NOT MATCHED THEN INSERT (id) VALUES (g.id)"
        )
    assert "GHOST" not in str(caught.value)
    with pytest.raises(TombstoneConflict):
        notes.execute(
            "MERGE INTO notes n USING (VALUES (3)) AS g (id) ON n.id = g.id "
            "WHEN NOT MATCHED THEN INSERT (id) VALUES (g.id)"
        )


@pytest.mark.parametrize(
    "source", ["notes", "ONLY notes", "public.notes", "(SELECT * FROM notes)"]
)
def test_its_source_is_filtered(notes: Any, raw_notes: Any, source: str) -> None:
    sql = (
        f"MERGE INTO log USING {source} AS n ON n.id = log.id "
        "WHEN MATCHED THEN UPDATE SET line = n.body "
        "WHEN NOT MATCHED THEN INSERT VALUES (n.id, (SELECT max(body) FROM notes))"
    )
    assert notes.execute(sql).rowcount == 2
    rows = raw_notes.execute("SELECT * FROM log ORDER BY id").fetchall()
    assert rows == [(1, "ours"), (2, "ours too")]


def test_no_cte_is_its_target(notes: Any, raw_notes: Any) -> None:
    sql = (
        "WITH notes AS (SELECT 4 AS id) MERGE INTO notes USING (VALUES (1)) AS v (k) "
        "ON true WHEN MATCHED THEN UPDATE SET body = 'met'"
    )
    count, rows = merged(notes, raw_notes, sql)
    assert count == 2
    assert [row[2] for row in rows] == ["met", "met"]


@pytest.mark.parametrize(
    ("insert", "body"),
    [
        ("INSERT DEFAULT VALUES", None),
        ("INSERT VALUES (DEFAULT)", None),
        ("INSERT (body) VALUES ('x')", "x"),
        ("INSERT (tenant_id, body) VALUES (7, 'x')", "x"),
        ("INSERT (tenant_id, body) VALUES (v.k, 'x')", "x"),
        ("INSERT (tenant_id, body) VALUES (abs(-7), 'x')", "x"),
        ("INSERT(body)VALUES(coalesce(NULL,'x'))", "x"),
    ],
)
def test_inserts(notes: Any, raw_notes: Any, insert: str, body: Any) -> None:
    sql = (
        "MERGE INTO notes USING (VALUES (7)) AS v (k) ON false "
        f"WHEN NOT MATCHED THEN {insert}"
    )
    assert merged(notes, raw_notes, sql)[1][2:] == [(100, 7, body, True, True, False)]


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("MATCHED THEN UPDATE SET tenant_id = 8", None),
        ("MATCHED THEN UPDATE SET tenant_id = %s", (8,)),
        ("MATCHED THEN UPDATE SET tenant_id = %(t)s + %(t)s", {"t": 4}),
        ("MATCHED THEN UPDATE SET (body, tenant_id) = ('x', n.id + 7)", None),
        ("MATCHED THEN UPDATE SET (body, tenant_id) = ROW ('x', 7.6)", None),
        ("MATCHED AND n.id = 1 THEN UPDATE SET tenant_id = CAST('8' AS int)", None),
        ("NOT MATCHED THEN INSERT (id, tenant_id) VALUES (50, 8)", None),
        ("NOT MATCHED THEN INSERT (id, tenant_id) VALUES (50, %s)", (8,)),
        ("NOT MATCHED AND v.k > 1 THEN INSERT VALUES (50, v.k + 1, 'x')", None),
    ],
)
def test_new_rows_stay_within_their_policies(
    notes: Any, raw_notes: Any, action: str, params: Any
) -> None:
    on = "n.id = 1" if action[0] == "M" else "false"
    before = raw_notes.execute(STATE).fetchall()
    with pytest.raises(PolicyViolation):
        notes.execute(
            f"MERGE INTO notes n USING (VALUES (7)) AS v (k) ON {on} WHEN {action}",
            params,
        )
    assert raw_notes.execute(STATE).fetchall() == before


def test_no_row_is_met_twice(notes: Any) -> None:
    with pytest.raises(psycopg.errors.CardinalityViolation):
        notes.execute(
            "MERGE INTO notes USING (VALUES (1), (2)) AS v (k) ON true "
            "WHEN MATCHED THEN DELETE"
        )


def test_conditions_keep_their_order(notes: Any, raw_notes: Any) -> None:
    """What a later WHEN would fail on is not tried where an earlier one is true."""
    sql = (
        "MERGE INTO notes n USING (VALUES (0)) AS v (k) ON true "
        "WHEN MATCHED AND n.id = 1 THEN UPDATE SET tenant_id = 7 + v.k, body = 'first' "
        "WHEN MATCHED AND n.id < 3 THEN DO NOTHING "
        "WHEN MATCHED AND 1 / (n.id - n.id) = 1 THEN UPDATE SET tenant_id = 8 "
        "WHEN MATCHED THEN UPDATE SET tenant_id = 9"
    )
    count, rows = merged(notes, raw_notes, sql)
    assert count == 1
    assert [row[2] for row in rows] == ["first", "ours too"]


@pytest.mark.parametrize(
    "rest",
    [
        "WHEN MATCHED THEN UPDATE SET tenant_id = 7 + random()::integer",
        "WHEN MATCHED THEN UPDATE SET tenant_id = (SELECT 7)",
        "WHEN MATCHED THEN UPDATE SET tenant_id = ('notes_id_seq'::regclass).nextval",
        "WHEN MATCHED THEN UPDATE SET (tenant_id, body) = (SELECT 7, 'x')",
        "WHEN MATCHED THEN UPDATE SET tenant_id = 7 WHEN MATCHED THEN DELETE",
        "WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "WHEN MATCHED THEN DELETE RETURNING n.id",
        "WHEN MATCHED THEN UPDATE SET deleted_at = NULL",
    ],
)
def test_what_is_refused(notes: Any, rest: str) -> None:
    with pytest.raises(UnsupportedStatement):
        notes.execute(f"MERGE INTO notes n USING log ON n.id = log.id {rest}")


VERBS = """
CREATE TABLE tasks (
    id integer PRIMARY KEY, owner text DEFAULT 'me', state text COLLATE "C",
    weight integer DEFAULT 5, twice integer GENERATED ALWAYS AS (weight * 2) STORED
);
INSERT INTO tasks (id, owner, state) VALUES
    (1, 'me', 'open'), (2, 'you', 'open'), (3, 'me', 'locked'), (4, 'hidden', 'open');
CREATE FUNCTION changed() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.owner := ''hidden''; RETURN NEW; END';
"""
POLICIES = [
    Policy("tasks", command="select", using="owner <> 'hidden'"),
    Policy("tasks", command="update", using="state <> 'locked'", check="weight > 0"),
    Policy("tasks", command="delete", using="owner = 'me'"),
    Policy("tasks", command="insert", check="weight > 0 AND owner = 'me'"),
]


@pytest.fixture
def raw(postgresql_url: str) -> Iterator[Any]:
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as made:
        made.execute(cast("Any", VERBS))
        yield made


def tasks(raw: Any, *, barrier: bool = False) -> Any:
    policies = RowLevelSecurity(POLICIES, barrier=barrier)
    return kysera_dbapi.wrap(raw, plugins=[policies])


@pytest.mark.parametrize("barrier", [False, True])
@pytest.mark.parametrize(
    ("when", "count"),
    [
        ("MATCHED AND t.id = 1 THEN DELETE", 1),
        ("MATCHED AND t.id = 2 THEN DELETE", None),
        ("MATCHED AND t.id < 3 THEN UPDATE SET state = 'done'", 2),
        ("MATCHED THEN UPDATE SET state = 'done'", None),
        ("MATCHED AND t.id = 3 THEN DO NOTHING WHEN MATCHED THEN DELETE", None),
        ("MATCHED AND t.id = 1 THEN UPDATE SET weight = DEFAULT", 1),
        ("MATCHED AND t.id = 1 THEN UPDATE SET weight = (DEFAULT)", 1),
        ("MATCHED AND t.id = 1 THEN UPDATE SET weight = 0.4", None),
        ("MATCHED AND t.id = 1 THEN UPDATE SET weight = 0.6", 1),
        ("MATCHED AND t.id = 1 THEN UPDATE SET owner = 'hidden'", None),
        ("NOT MATCHED THEN INSERT (id) VALUES (v.k)", 1),
        ("NOT MATCHED THEN INSERT (id, owner) VALUES (v.k, 'you')", None),
        ("NOT MATCHED THEN INSERT (id, weight) VALUES (v.k, v.k - 9)", None),
        ("NOT MATCHED THEN INSERT (id, weight) VALUES (v.k, NULL)", None),
    ],
)
def test_policies_of_verbs(raw: Any, when: str, count: Any, *, barrier: bool) -> None:
    """A row that is matched and may not be changed is an error, as natively."""
    sql = (
        "MERGE INTO tasks t USING (VALUES (1), (2), (3), (9)) AS v (k) ON t.id = v.k "
        f"WHEN {when}"
    )
    connection = tasks(raw, barrier=barrier)
    if count is None:
        with pytest.raises(PolicyViolation):
            connection.execute(sql)
    else:
        assert connection.execute(sql).rowcount == count
    found = raw.execute("SELECT count(*) FROM tasks WHERE owner = 'hidden'")
    assert found.fetchone() == (1,)


def test_with_a_barrier_no_hidden_row_is_tried(raw: Any) -> None:
    sql = (
        "MERGE INTO tasks t USING (VALUES (1)) AS v (k) ON 1 / (t.id - 4) IS NOT NULL "
        "AND t.id = v.k WHEN MATCHED THEN DELETE"
    )
    assert tasks(raw, barrier=True).execute(sql).rowcount == 1


@pytest.mark.parametrize("event", ["INSERT", "UPDATE"])
def test_a_trigger_that_could_change_the_row(raw: Any, event: str) -> None:
    raw.execute(
        f"CREATE TRIGGER c BEFORE {event} ON tasks FOR EACH ROW EXECUTE FUNCTION "
        "changed()"
    )
    sql = "MERGE INTO tasks t USING (VALUES (1)) AS v (k) ON t.id = v.k "
    update = f"{sql} WHEN MATCHED THEN UPDATE SET weight = 3"
    insert = f"{sql} WHEN NOT MATCHED THEN INSERT (id) VALUES (9)"
    connection = tasks(raw)
    fires = update if event == "UPDATE" else insert
    with pytest.raises(UnsupportedStatement, match="trigger c of tasks"):
        connection.execute(fires)
    other = insert if event == "UPDATE" else update
    assert connection.execute(other).rowcount == (event == "INSERT")


FUNCTIONS = """
CREATE SEQUENCE numbers;
CREATE FUNCTION flip(tasks) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT 'me' $$;
CREATE FUNCTION lower(integer) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT 'me' $$;
CREATE FUNCTION add(text, text) RETURNS text LANGUAGE sql VOLATILE AS $$ SELECT 'me' $$;
CREATE OPERATOR @@@ (leftarg = text, rightarg = text, function = add);
"""


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("t.flip", False),
        ("(t).flip", False),
        ("flip(t)", False),
        ("lower('ME')", False),  # of the database's own, there is another of its name
        ("public.lower(1)", False),
        ("'m' @@@ 'e'", False),
        ("random()::text", False),
        ("('numbers'::regclass).nextval::text", False),
        ("upper('me')", True),
        ("pg_catalog.concat('m', 'e')", True),
        ("t.owner::varchar(9)", True),
        ("coalesce(nullif('', ''), (ARRAY['x', 'me'])[2])", True),
        ("substring('my name' from 1 for 2)", True),
    ],
)
def test_what_is_evaluated_twice(raw: Any, value: str, *, taken: bool) -> None:
    """What may not give the same again is refused."""
    raw.execute(FUNCTIONS)
    sql = (
        "MERGE INTO tasks t USING (VALUES (1)) AS v (k) ON t.id = v.k "
        f"WHEN MATCHED THEN UPDATE SET owner = {value}"
    )
    if taken:
        assert tasks(raw).execute(sql).rowcount == 1
    else:
        with pytest.raises(UnsupportedStatement, match="no volatile function"):
            tasks(raw).execute(sql)


def test_a_generated_column_that_is_checked(raw: Any) -> None:
    policy = RowLevelSecurity(Policy("tasks", using="twice < 100"))
    connection: Any = kysera_dbapi.wrap(raw, plugins=[policy])
    sql = "MERGE INTO tasks t USING (VALUES (1)) AS v (k) ON t.id = v.k WHEN MATCHED "
    assert connection.execute(f"{sql} THEN UPDATE SET state = 'x'").rowcount == 1
    with pytest.raises(UnsupportedStatement, match="computed"):
        connection.execute(f"{sql} THEN UPDATE SET weight = 60")


def test_children_that_are_declared(raw_notes: Any, postgresql_url: str) -> None:
    raw_notes.execute("CREATE TABLE kids (id integer, note integer REFERENCES notes)")
    plugin = SoftDelete(["notes"], foreign_keys={"kids.note": "restrict"})
    connection: Any = kysera_dbapi.wrap(raw_notes, plugins=[plugin])
    sql = "MERGE INTO notes n USING log ON n.id = log.id WHEN MATCHED THEN"
    assert connection.execute(f"{sql} UPDATE SET body = line").rowcount == 1
    with pytest.raises(UnsupportedStatement, match="MERGE cannot have companion"):
        connection.execute(f"{sql} DELETE")


def test_deleted_rows_included(notes: Any, raw_notes: Any) -> None:
    sql = (
        "MERGE INTO notes n USING (VALUES (3)) AS v (k) ON n.id = v.k WHEN MATCHED "
        "THEN UPDATE SET body = 'met' WHEN NOT MATCHED THEN INSERT (id) VALUES (50)"
    )
    with kysera_dbapi.including_deleted():
        assert notes.execute(sql).rowcount == 1
        with pytest.raises(UnsupportedStatement, match="kept to fewer rows"):
            notes.execute(
                "MERGE INTO notes n USING log ON n.id = 3 WHEN MATCHED THEN DELETE"
            )
    body = raw_notes.execute("SELECT body FROM notes WHERE id = 3").fetchone()
    assert body == ("met",)


def test_stamps_of_a_deletion(raw_notes: Any) -> None:
    plugins = [SoftDelete(["notes"]), Timestamps(["notes"], stamp_deletes=True)]
    connection: Any = kysera_dbapi.wrap(raw_notes, plugins=plugins)
    connection.execute(
        "MERGE INTO notes n USING log ON n.id = 1 WHEN MATCHED THEN DELETE"
    )
    stamped = "SELECT updated_at IS NOT NULL AND deleted_at IS NOT NULL FROM notes"
    assert raw_notes.execute(f"{stamped} WHERE id = 1").fetchone() == (True,)


def test_many_times_and_with_other_literals(notes: Any, raw_notes: Any) -> None:
    sql = (
        "MERGE INTO notes n USING (VALUES (%s::int, %s)) AS v (k, b) ON n.id = v.k "
        "WHEN MATCHED THEN UPDATE SET body = v.b, tenant_id = %s "
        "WHEN NOT MATCHED THEN INSERT (id, tenant_id, body) VALUES (v.k, %s, v.b)"
    )
    with notes.cursor() as cursor:
        cursor.executemany(sql, [(1, "x", 7, 7), (60, "y", 7, 7)])
        with pytest.raises(PolicyViolation):
            cursor.executemany(sql, [(2, "z", 7, 8), (61, "z", 7, 8)])
    bodies = {row[0]: row[2] for row in raw_notes.execute(STATE).fetchall()}
    assert {1: "x", 60: "y"}.items() <= bodies.items()
    assert 61 not in bodies
    for tenant, fails in ((7, False), (8, True), (7, False), (9, True)):
        text = (
            "MERGE INTO notes n USING log ON n.id = 1 WHEN MATCHED THEN UPDATE SET "
            f"tenant_id = {tenant}, body = 'of {tenant}'"
        )
        if fails:
            with pytest.raises(PolicyViolation):
                notes.execute(text)
        else:
            assert notes.execute(text).rowcount == 1


def test_numbered_placeholders(notes: Any, raw_notes: Any) -> None:
    cursor = psycopg.RawCursor(notes)
    cursor.execute(
        "MERGE INTO notes n USING log ON n.id = $2 WHEN MATCHED THEN UPDATE SET "
        "tenant_id = $1, body = $3",
        (7, 1, "raw"),
    )
    body = raw_notes.execute("SELECT body FROM notes WHERE id = 1").fetchone()
    assert body == ("raw",)


def test_what_is_explained(notes: Any, raw_notes: Any) -> None:
    sql = "MERGE INTO notes n USING log ON n.id = log.id WHEN MATCHED THEN DELETE"
    plan = notes.execute(f"EXPLAIN {sql}").fetchall()
    assert "Merge on notes" in plan[0][0]
    plan = notes.execute(f"EXPLAIN (ANALYZE, COSTS off) {sql}").fetchall()
    assert "Merge on notes" in plan[0][0]
    assert notes.execute("SELECT id FROM notes").fetchall() == [(2,)]
    assert raw_notes.execute("SELECT count(*) FROM notes").fetchone() == (5,)


def test_a_table_without_protection(notes: Any, raw_notes: Any) -> None:
    sql = (
        "MERGE INTO log USING (VALUES (1), (2)) AS v (k) ON v.k = log.id "
        "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (line) VALUES (random())"
    )
    assert notes.execute(sql).rowcount == 2
    rows = raw_notes.execute("SELECT id, line IS NOT NULL FROM log").fetchall()
    assert rows == [(None, True)]


def test_who_sees_nothing_matches_nothing(raw_notes: Any) -> None:
    plugins = [RowLevelSecurity(tenant_isolation("tenant_id", tables=["notes"]))]
    connection: Any = kysera_dbapi.wrap(raw_notes, plugins=plugins)
    with pytest.raises(kysera_dbapi.ContextMissing):
        connection.execute(
            "MERGE INTO notes USING log ON true WHEN MATCHED THEN DELETE"
        )
    with kysera_dbapi.context(tenant_id=99):
        sql = "MERGE INTO notes USING log ON true WHEN MATCHED THEN DELETE"
        assert connection.execute(sql).rowcount == 0


@pytest.mark.parametrize("kind", ["", "AS ASSIGNMENT", "AS IMPLICIT"])
def test_a_cast_of_ones_own_is_not_evaluated_twice(
    notes: Any, raw_notes: Any, kind: str
) -> None:
    raw_notes.execute(
        "CREATE TYPE word AS (said text);"
        "CREATE FUNCTION number(word) RETURNS integer LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO log VALUES (9, ''cast''); RETURN 7; END';"
        f"CREATE CAST (word AS integer) WITH FUNCTION number(word) {kind}"
    )
    text = (
        "MERGE INTO notes USING (SELECT 50 AS i, ROW('x')::word AS w) s ON id = i "
        "WHEN NOT MATCHED THEN INSERT (id, tenant_id) VALUES (i, CAST(w AS integer))"
    )
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="volatile"):
        notes.execute(text)
