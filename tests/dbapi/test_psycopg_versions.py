"""What PostgreSQL 16, 17 and 18 brought gives what it gives without the hidden rows."""

from contextlib import closing
from typing import Any

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi import PolicyViolation, UnsupportedStatement
from kysera_dbapi.plugins import RowLevelSecurity, SoftDelete, tenant_isolation


def since(major: int, *texts: str) -> list[Any]:
    """Texts for that version and those after it."""
    mark = pytest.mark.postgresql_since(major)
    return [pytest.param(text, marks=mark, id=text[:60]) for text in texts]


def without_hidden(raw: Any, sql: str) -> list[Any]:
    """The rows that a statement gives where there are no others."""
    with raw.transaction(force_rollback=True):
        raw.execute("DELETE FROM notes WHERE tenant_id <> 7 OR deleted_at IS NOT NULL")
        raw.execute("ALTER TABLE notes ALTER tenant_id SET DEFAULT 7")
        found: list[Any] = raw.execute(sql).fetchall()
        return found


ROWS = "SELECT id, tenant_id, body, deleted_at IS NULL FROM notes ORDER BY id"

#: Right: what is told of is the rows that the caller sees.
RIGHT = [
    *since(
        16,
        "SELECT JSON_ARRAY(SELECT body FROM notes ORDER BY id)",
        "SELECT JSON_ARRAY(WITH c AS (TABLE notes) SELECT body FROM c)",
        "SELECT JSON_OBJECT('a': (SELECT max(body) FROM notes))",
        "SELECT JSON_OBJECT('a' VALUE (SELECT count(*) FROM notes) RETURNING jsonb)",
        "SELECT JSON_ARRAYAGG(body ORDER BY id) FROM notes",
        "SELECT JSON_OBJECTAGG(id : body) FROM notes",
        "SELECT body IS JSON, body IS NOT JSON OBJECT WITH UNIQUE KEYS FROM notes",
        "SELECT any_value(tenant_id), SYSTEM_USER FROM notes",
        "SELECT max(body) FROM (SELECT * FROM notes)",
        "SELECT * FROM (TABLE notes), (VALUES (1)) ORDER BY 1",
        "SELECT 0x1F + 1_000 + id FROM notes ORDER BY 1",
        "EXPLAIN (GENERIC_PLAN, COSTS off) SELECT 1",
        "SELECT n.id FROM (SELECT 4 AS k) FULL JOIN notes n ON id = k ORDER BY 1",
        "SELECT id FROM notes FULL JOIN (TABLE notes) USING (id) ORDER BY 1",
        "SELECT id FROM ((SELECT id FROM notes) JOIN (TABLE notes) USING (id))",
        "UPDATE notes SET body = b FROM (SELECT max(body) AS b FROM notes) "
        "RETURNING id, b",
        "DELETE FROM notes USING (SELECT 1 AS k) WHERE id = k RETURNING id, k",
    ),
    *since(
        17,
        "SELECT j.k, n.body FROM JSON_TABLE('[1, 4]', '$[*]' COLUMNS (k int PATH '$')) "
        "AS j JOIN notes n ON n.id = j.k",
        "SELECT k FROM JSON_TABLE((SELECT jsonb_agg(body ORDER BY id) FROM notes), "
        "'$[*]' COLUMNS (k text PATH '$')) AS j",
        "SELECT j.b FROM notes, JSON_TABLE(to_jsonb(notes), '$' "
        "COLUMNS (b text PATH '$.body')) AS j ORDER BY 1",
        "SELECT n.id, j.k FROM notes n FULL JOIN JSON_TABLE('[1, 4]', '$[*]' COLUMNS "
        "(k int PATH '$', tenant_id int PATH '$')) AS j ON j.k = n.id ORDER BY 1, 2",
        "DELETE FROM notes USING JSON_TABLE('[1, 4]', '$[*]' COLUMNS (k int PATH '$')) "
        "AS j WHERE id = k RETURNING *",
        "SELECT JSON_VALUE(to_jsonb(notes), '$.body' RETURNING text) FROM notes",
        "SELECT JSON_SCALAR((SELECT max(body) FROM notes)), JSON_SERIALIZE('1')",
        "UPDATE notes SET body = JSON_VALUE('{\"a\": 1}', '$.a' RETURNING text) WHERE "
        "JSON_VALUE('1', '$' RETURNING int) = 1 RETURNING id, body",
        "INSERT INTO notes (id, body) SELECT 60, JSON_VALUE('1', '$' RETURNING text) "
        "ON CONFLICT (id) DO UPDATE SET body = JSON_VALUE('1', '$' RETURNING text) "
        "RETURNING body",
        "DELETE FROM notes WHERE JSON_VALUE('1', '$' RETURNING int) = 1 "
        "RETURNING id, JSON_VALUE(to_jsonb(deleted_at), '$' RETURNING text)",
    ),
    *since(
        18,
        "SELECT casefold(body), uuidv7() IS NULL FROM notes ORDER BY 1",
        "UPDATE notes SET body = 'new' RETURNING id, old.body, new.body",
        "UPDATE notes SET body = 'new' WHERE id = 1 RETURNING old.*",
        "UPDATE notes n SET body = o.body || '!' FROM notes o WHERE o.id = n.id - 1 "
        "RETURNING old.body, o.id, new.body",
        "UPDATE notes old SET body = 'new' WHERE id = 1 RETURNING old.body, new.body",
        "UPDATE notes SET body = 'new' RETURNING "
        "(SELECT count(*) FROM notes n WHERE n.id >= old.id), new.id",
        "INSERT INTO notes (id, body) VALUES (50, 'n') RETURNING old.id, new.tenant_id",
        "INSERT INTO notes (id, body) VALUES (1, 'n') ON CONFLICT (id) DO UPDATE SET "
        "body = excluded.body RETURNING old.body, new.body, old.id, (old IS NULL)",
        "INSERT INTO notes (id, body) VALUES (1, 'n') ON CONFLICT (id) DO NOTHING "
        "RETURNING old.id, new.id",
        "DELETE FROM notes WHERE id = 1 RETURNING old.id, old.deleted_at",
        "DELETE FROM notes RETURNING old.*, deleted_at",
        "DELETE FROM notes n WHERE id = 1 RETURNING old.*, n.*",
        "DELETE FROM notes AS new WHERE id = 1 RETURNING new.*",
        "DELETE FROM notes USING (SELECT 1 AS id) new WHERE notes.id = new.id "
        "RETURNING new.id, old.deleted_at",
        "DELETE FROM notes WHERE id = 1 RETURNING (SELECT old.id)",
        "DELETE FROM notes WHERE id = 1 RETURNING (SELECT new.id FROM log AS new)",
        "WITH d AS (DELETE FROM notes RETURNING old.id, body) SELECT * FROM d",
    ),
]


@pytest.mark.parametrize("sql", RIGHT)
def test_what_is_right(notes: Any, raw_notes: Any, sql: str) -> None:
    rows = set(raw_notes.execute(ROWS).fetchall())
    hidden = {row for row in rows if row[1] == 8 or not row[3]}
    due = without_hidden(raw_notes, sql)
    with notes.transaction(force_rollback=True):
        assert notes.execute(sql).fetchall() == due
        with (
            kysera_dbapi.bypass("rls", reason="test"),
            kysera_dbapi.including_deleted(),
        ):
            assert hidden <= set(notes.execute(ROWS).fetchall())


#: Refused: it is not parsed, or not planned.
REFUSED = [
    *since(
        16,
        "SELECT JSON_ARRAYAGG(body ORDER BY id RETURNING jsonb) FROM notes",
        "DELETE FROM notes USING (SELECT 1 AS k) RETURNING *",
        "DELETE FROM notes USING log, (VALUES (1)) RETURNING *",
        "DELETE FROM notes USING (log CROSS JOIN (SELECT 2)) RETURNING *",
        "UPDATE notes SET tenant_id = abs(7) FROM ((SELECT 1 AS k)) RETURNING *",
    ),
    *since(
        17,
        "SELECT j.* FROM JSON_TABLE(jsonb '[]', '$' PASSING (SELECT max(body) FROM "
        "notes) AS x COLUMNS (k text PATH '$x', NESTED PATH '$' COLUMNS (z int))) AS j",
        "SELECT JSON_QUERY(to_jsonb(notes), '$.body' WITH WRAPPER) FROM notes",
        "SELECT JSON_EXISTS(jsonb '1', '$ ? (@ < $n)' "
        "PASSING (SELECT count(*) FROM notes) AS n)",
        "SELECT created_at AT LOCAL FROM notes",
        "MERGE INTO notes n USING (VALUES (1), (4)) v (k) ON n.id = v.k "
        "WHEN MATCHED THEN UPDATE SET body = 'met' RETURNING merge_action(), n.id",
        "MERGE INTO notes n USING log ON n.id = log.id WHEN MATCHED THEN DELETE "
        "RETURNING merge_action(), n.*",
        "MERGE INTO notes n USING log ON n.id = log.id WHEN NOT MATCHED BY SOURCE "
        "THEN DELETE",
        "MERGE INTO notes n USING log ON n.id = log.id WHEN NOT MATCHED BY SOURCE "
        "AND n.id > 0 THEN UPDATE SET body = 'met'",
        "MERGE INTO log USING notes ON notes.id = log.id + 3 "
        "WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "MERGE INTO log USING notes ON notes.id = log.id + 3 "
        "WHEN NOT MATCHED BY TARGET THEN INSERT (line) VALUES (body)",
        "WITH m AS (MERGE INTO log USING notes ON true WHEN MATCHED THEN DELETE "
        "RETURNING notes.body) SELECT * FROM m",
        "COPY (MERGE INTO log USING notes ON true WHEN MATCHED THEN DELETE "
        "RETURNING notes.body) TO STDOUT",
    ),
    *since(
        18,
        "UPDATE notes SET body = 'new' WHERE id = 1 "
        "RETURNING WITH (OLD AS o, NEW AS n) o.body, n.body",
        "DELETE FROM notes WHERE id = 1 RETURNING id, new.id",
        "DELETE FROM notes WHERE id = 1 RETURNING new.*",
        "DELETE FROM notes WHERE id = 1 RETURNING new",
        'DELETE FROM notes WHERE id = 1 RETURNING "new".deleted_at',
        "DELETE FROM notes WHERE id = 1 RETURNING (old).deleted_at",
        "DELETE FROM notes WHERE id = 1 RETURNING to_jsonb(new), to_jsonb(old)",
        "DELETE FROM notes WHERE id = 1 RETURNING (SELECT new.id)",
        "DELETE FROM notes WHERE id = 1 RETURNING (SELECT old.deleted_at)",
        "WITH d AS (DELETE FROM notes RETURNING old.id, new.body) SELECT * FROM d",
    ),
    # whatever the version
    "DELETE FROM notes USING generate_series(1, 1) RETURNING *",
    "DELETE FROM notes USING LATERAL generate_series(1, 1) RETURNING *",
    "UPDATE notes SET tenant_id = abs(7) FROM LATERAL generate_series(1, 1) "
    "RETURNING *",
    "ALTER TABLE notes ADD NOT NULL body",
    "ALTER TABLE notes ADD NOT NULL body NOT VALID",
    "ALTER TABLE notes ADD x int, ADD NOT NULL body",
    "ALTER TABLE notes ADD FOREIGN KEY (id) REFERENCES log NOT ENFORCED",
    "COPY notes FROM STDIN (ON_ERROR ignore, REJECT_LIMIT 3)",
    "COPY log FROM STDIN (ON_ERROR ignore) WHERE lo_get(1) IS NULL",
    "SELECT pg_restore_relation_stats('relname', 'notes')",
    "SELECT pg_clear_attribute_stats('public', 'notes', 'body', false)",
    "SELECT heap_force_kill('log'::regclass, ARRAY['(0,1)']::tid[])",
    "SELECT * FROM pg_ls_summariesdir()",
    "SET event_triggers = off",
    "SET restrict_nonsystem_relation_kind = ''",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_what_is_refused(notes: Any, raw_notes: Any, sql: str) -> None:
    before = raw_notes.execute(ROWS).fetchall()
    with pytest.raises(UnsupportedStatement):
        notes.execute(sql)
    assert raw_notes.execute(ROWS).fetchall() == before


def test_a_revived_row_is_not_shown_as_it_was(
    raw_notes: Any, postgresql_url: str
) -> None:
    insert = "INSERT INTO notes (id, tenant_id, body) VALUES (3, 7, 'new') RETURNING "
    made: Any = kysera_dbapi.connect(
        postgresql_url, plugins=[SoftDelete(["notes"], revive=True)], autocommit=True
    )
    with closing(made):
        for shown in ("old.body", "old", "old.*", "to_jsonb(old)", "(old).body", "new"):
            with pytest.raises(UnsupportedStatement, match="in an INSERT that may"):
                made.execute(insert + shown)
        assert (3, 7, "gone", False) in raw_notes.execute(ROWS).fetchall()
        assert made.execute(f"{insert}body").fetchone() == ("new",)


# -- columns and keys -----------------------------------------------------------------

VIRTUAL = """
CREATE TABLE v (
    id int PRIMARY KEY, tenant text, tenant_id int GENERATED ALWAYS AS (length(tenant)),
    deleted_at timestamptz, gone bool GENERATED ALWAYS AS (deleted_at IS NOT NULL));
INSERT INTO v (id, tenant) VALUES (1, 'seventy'), (2, 'eighty-8');
"""


@pytest.mark.postgresql_since(18)
def test_virtual_columns(raw_notes: Any, postgresql_url: str) -> None:
    raw_notes.execute(VIRTUAL)
    policy = RowLevelSecurity(tenant_isolation("tenant_id", tables=["v"]))
    made: Any = kysera_dbapi.connect(
        postgresql_url, plugins=[policy, SoftDelete(["v"])], autocommit=True
    )
    with closing(made), kysera_dbapi.context(tenant_id=7):
        assert made.execute("SELECT id, tenant_id, gone FROM v").fetchall() == [
            (1, 7, False)
        ]
        made.execute("INSERT INTO v VALUES (3, 'seven-7')")
        with made.cursor().copy("COPY v TO STDOUT") as copy:
            assert b"".join(copy) == b"1\tseventy\t\\N\n3\tseven-7\t\\N\n"
        for sql in (
            "INSERT INTO v (id, tenant) VALUES (4, 'eighty-8')",
            "UPDATE v SET tenant = 'eighty-8'",
            "INSERT INTO v (id, tenant) VALUES (2, 'seven-7') "
            "ON CONFLICT (id) DO UPDATE SET tenant = excluded.tenant",
        ):
            with pytest.raises(PolicyViolation):
                made.execute(sql)
        for sql in (
            "DELETE FROM v RETURNING gone",
            "DELETE FROM v RETURNING *",
            "MERGE INTO v USING (VALUES (1)) s (k) ON v.id = s.k "
            "WHEN MATCHED THEN UPDATE SET tenant = 'eighty-8'",
        ):
            with pytest.raises(UnsupportedStatement):
                made.execute(sql)
        assert made.execute("DELETE FROM v").rowcount == 2
    rows = raw_notes.execute("SELECT id, tenant_id, gone FROM v ORDER BY id").fetchall()
    assert rows == [(1, 7, True), (2, 8, False), (3, 7, True)]


@pytest.mark.postgresql_since(18)
def test_a_virtual_column_marks_nothing(raw_notes: Any, postgresql_url: str) -> None:
    computed = "deleted_at date GENERATED ALWAYS AS (x)"
    raw_notes.execute(f"CREATE TABLE m (id int, x date, {computed})")
    with pytest.raises(kysera_dbapi.ConfigurationError, match="is generated"):
        kysera_dbapi.connect(postgresql_url, plugins=[SoftDelete(["m"])])


@pytest.mark.postgresql_since(18)
def test_a_flag_that_is_not_null_for_new_rows_alone(
    raw_notes: Any, postgresql_url: str
) -> None:
    raw_notes.execute(
        "CREATE TABLE f (id int PRIMARY KEY, gone boolean);"
        "INSERT INTO f VALUES (1, NULL), (2, false), (3, true);"
        "ALTER TABLE f ADD CONSTRAINT known NOT NULL gone NOT VALID"
    )
    query = "SELECT id FROM f ORDER BY id"
    plugin = SoftDelete({"f": {"column": "gone", "flag": True}})
    made: Any = kysera_dbapi.connect(postgresql_url, plugins=[plugin], autocommit=True)
    with closing(made):
        assert made.execute(query).fetchall() == [(1,), (2,)]
        raw_notes.execute("UPDATE f SET gone = false WHERE id = 1")
        raw_notes.execute("ALTER TABLE f VALIDATE CONSTRAINT known")
        made.refresh()
        assert made.execute(query).fetchall() == [(1,), (2,)]
        assert made.execute("DELETE FROM f RETURNING gone").fetchall() == [(False,)] * 2


TEMPORAL = """
CREATE TABLE rooms (
    room int4range, during int4range, tenant_id int, deleted_at timestamptz,
    PRIMARY KEY (room, during WITHOUT OVERLAPS));
CREATE TABLE stays (
    id int PRIMARY KEY, room int4range, during int4range, deleted_at timestamptz,
    FOREIGN KEY (room, PERIOD during) REFERENCES rooms (room, PERIOD during));
INSERT INTO rooms VALUES ('[1,2)', '[1,5)', 7), ('[1,2)', '[5,9)', 7),
    ('[2,3)', '[1,9)', 8);
INSERT INTO stays VALUES (1, '[1,2)', '[2,7)'), (2, '[2,3)', '[2,3)');
"""


@pytest.mark.postgresql_since(18)
def test_periods(raw_notes: Any, postgresql_url: str) -> None:
    raw_notes.execute(TEMPORAL)
    for action in ("cascade", "restrict"):
        keys: Any = {"stays(room, during)": action}
        with pytest.raises(kysera_dbapi.ConfigurationError, match="refers to periods"):
            kysera_dbapi.connect(
                postgresql_url,
                plugins=[SoftDelete(["rooms", "stays"], foreign_keys=keys)],
            )
    policy = RowLevelSecurity(tenant_isolation("tenant_id", tables=["rooms"]))
    made: Any = kysera_dbapi.connect(postgresql_url, plugins=[policy], autocommit=True)
    insert = "INSERT INTO rooms (room, during) VALUES ('[2,3)', '[5,30)')"
    with closing(made), kysera_dbapi.context(tenant_id=7):
        assert len(made.execute("SELECT * FROM rooms").fetchall()) == 2
        with pytest.raises(psycopg.errors.ExclusionViolation):
            made.execute(insert)
        for upsert in ("", " (room, during)", " ON CONSTRAINT rooms_pkey"):
            with pytest.raises(psycopg.Error):
                made.execute(f"{insert} ON CONFLICT{upsert} DO NOTHING")


@pytest.mark.postgresql_since(18)
def test_a_foreign_key_that_is_not_enforced_does_nothing(
    raw_notes: Any, postgresql_url: str
) -> None:
    raw_notes.execute(
        "CREATE TABLE lines (note int REFERENCES notes ON DELETE CASCADE, "
        "tenant_id int); INSERT INTO lines VALUES (1, 7), (4, 8)"
    )
    made: Any = kysera_dbapi.connect(
        postgresql_url,
        plugins=[RowLevelSecurity(tenant_isolation("tenant_id", ["notes", "lines"]))],
        autocommit=True,
    )
    delete = "DELETE FROM notes WHERE id = 1"
    with closing(made), kysera_dbapi.context(tenant_id=7):
        with pytest.raises(UnsupportedStatement, match="ON DELETE CASCADE"):
            made.execute(delete)
        raw_notes.execute(
            "ALTER TABLE lines ALTER CONSTRAINT lines_note_fkey NOT ENFORCED"
        )
        made.refresh()
        assert made.execute(delete).rowcount == 1
    assert raw_notes.execute("SELECT note FROM lines").fetchall() == [(1,), (4,)]
