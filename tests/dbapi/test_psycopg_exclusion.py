"""What an exclusion constraint met may be a hidden row: its error does not show it."""

import traceback
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.dbapi.notes import QUERY

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
