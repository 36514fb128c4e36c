"""Keys that are no plain columns may be met by a hidden row: it is neither shown, nor
changed, nor does it keep a row out in silence.
"""

import traceback
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg
import pytest

import kysera_dbapi
from tests.dbapi.notes import QUERY, plugins

TABLE = """
ALTER TABLE notes ADD span int4range DEFAULT NULL;
ALTER TABLE notes ADD CONSTRAINT apart EXCLUDE USING gist (span WITH &&);
UPDATE notes SET span = '[9041,9043)' WHERE id = 4;
"""
DEFERRED = """
ALTER TABLE notes DROP CONSTRAINT apart;
ALTER TABLE notes ADD CONSTRAINT apart EXCLUDE USING gist (span WITH &&)
    DEFERRABLE INITIALLY DEFERRED;
"""
MEETING = "INSERT INTO notes (id, span) VALUES (%s, '[1,9999)')"


def committed(connection: Any) -> None:
    connection.execute(MEETING, (20,))
    connection.commit()


def left(connection: Any) -> None:
    with connection.transaction():
        connection.execute(MEETING, (20,))


WAYS: dict[str, Callable[[Any], object]] = {
    "execute": lambda c: c.execute(MEETING, (20,)),
    "update": lambda c: c.execute("UPDATE notes SET span = '[1,9999)' WHERE id = 1"),
    "executemany": lambda c: c.cursor().executemany(MEETING, [(20,), (21,)]),
    "commit": committed,
    "transaction": left,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("deferred", [False, True])
def test_the_row_is_not_shown(
    raw_notes: Any, notes: Any, way: str, deferred: bool
) -> None:
    raw_notes.execute(TABLE + (DEFERRED if deferred else ""))
    notes.autocommit = way != "commit"
    if deferred and way == "executemany":
        pytest.skip("the driver cannot leave its own pipeline after a late error")
    with pytest.raises(psycopg.errors.ExclusionViolation) as caught:
        WAYS[way](notes)
    shown = "".join(traceback.format_exception(caught.value))
    assert "apart" in shown
    assert "9041" not in shown
    error: BaseException | None = caught.value
    while error is not None:
        assert getattr(getattr(error, "diag", None), "message_detail", None) is None
        error = error.__cause__ or error.__context__
    notes.rollback()
    assert len(notes.execute(QUERY).fetchall()) == 2


#: Keys that a row of another tenant has, too: of expressions, and of other operators.
KEYS = {
    "expression": "CREATE UNIQUE INDEX apart ON notes (lower(body))",
    "mixed": "CREATE UNIQUE INDEX apart ON notes ((tenant_id > 0), lower(body))",
    "exclusion": "ALTER TABLE notes ADD CONSTRAINT apart "
    "EXCLUDE USING gist (int4range(id * 0, length(body) * 0 + 1) WITH &&) "
    "WHERE (body ILIKE 'ghost')",
}


UPSERTS = (
    "ON CONFLICT DO NOTHING",
    "ON CONFLICT ((lower(body))) DO NOTHING",
    "ON CONFLICT ((lower(body))) DO UPDATE SET body = 'taken'",
    "ON CONFLICT ((tenant_id > 0), lower(body)) DO UPDATE SET body = 'taken'",
    "ON CONFLICT ON CONSTRAINT apart DO NOTHING",
)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("several", [False, True])
def test_no_upsert_meets_it(
    raw_notes: Any, postgresql_url: str, key: str, several: bool
) -> None:
    raw_notes.execute("ALTER TABLE notes DROP CONSTRAINT notes_pkey")
    raw_notes.execute(KEYS[key])
    rows = "SELECT * FROM notes ORDER BY id"
    before = raw_notes.execute(rows).fetchall()
    used = plugins() if several else plugins()[:1]
    made = kysera_dbapi.connect(postgresql_url, plugins=used, autocommit=True)
    with closing(made), kysera_dbapi.context(tenant_id=7):
        for upsert in UPSERTS:
            insert = "INSERT INTO notes (id, body) VALUES (20, 'ghost') "
            with pytest.raises(psycopg.Error) as caught:
                made.execute(insert + upsert)
            assert "GHOST" not in str(caught.value)
            assert raw_notes.execute(rows).fetchall() == before
