"""Blobs, copies and settings: what reaches a database without SQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import kysera_dbapi
from kysera_dbapi import errors
from kysera_dbapi.plugins import SoftDelete
from tests.dbapi.letters import (
    HIDDEN,
    IDS,
    LIVE,
    SCHEMA,
    SECRET,
    letters,
    plugin,
    plugin_before,
)


@pytest.fixture
def connection() -> Iterator[Any]:
    with closing(letters()) as made:
        yield made


# -- blobs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("letters", "body", 9), {}),
        (("letters", "nothing", 1), {}),
        (("nothing", "body", 1), {}),
        (("letters", "body", 1), {"name": "nowhere"}),
        (("letters", "body", "1"), {}),
        (("letters", "body", 2**70), {}),
        (("letters", "id", 1), {}),
        (("main.letters", "body", 1), {}),
        (('"letters"', "body", 1), {}),
        (("letters", "body"), {}),
        (("let\0ters", "body", 1), {}),
        (("shown", "id", 1), {}),
        (("log", "nothing", HIDDEN), {}),
    ],
)
def test_a_blob_that_cannot_be_opened_gives_the_driver_s_error(
    arguments: Any, options: Any, connection: Any
) -> None:
    raw = connection.unwrap()
    connection.execute("CREATE VIEW shown AS SELECT * FROM log")
    with pytest.raises(
        (sqlite3.Error, TypeError, ValueError, OverflowError)
    ) as expected:
        raw.blobopen(*arguments, readonly=True, **options)
    with pytest.raises(type(expected.value)) as found:
        connection.blobopen(*arguments, readonly=True, **options)
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("column", ["body", "BODY", "deleted_at"])
@pytest.mark.parametrize("table", ["letters", "LETTERS"])
def test_a_hidden_blob_is_a_row_that_is_not_there(
    table: str, column: str, connection: Any
) -> None:
    with pytest.raises(sqlite3.OperationalError) as missing:
        connection.unwrap().blobopen(table, column, 9)
    with pytest.raises(errors.OperationalError) as hidden:
        connection.blobopen(table, column, HIDDEN, readonly=True, name="MAIN")
    assert str(hidden.value) == str(missing.value).replace("9", str(HIDDEN))
    raised: Any = hidden.value
    assert raised.sqlite_errorcode == missing.value.sqlite_errorcode
    assert raised.sqlite_errorname == missing.value.sqlite_errorname


def test_a_hidden_blob_can_be_read_where_deleted_rows_are(connection: Any) -> None:
    with (
        kysera_dbapi.including_deleted(),
        connection.blobopen("letters", "body", HIDDEN, readonly=True) as blob,
    ):
        assert blob.read().decode() == SECRET


def test_a_blob_is_not_read_after_its_row_was_deleted(connection: Any) -> None:
    with connection.blobopen("letters", "body", 1, readonly=True) as blob:
        connection.execute("DELETE FROM letters WHERE id = 1")
        with pytest.raises(sqlite3.OperationalError):
            blob.read()


@pytest.mark.parametrize("row", [1, HIDDEN, 9])
def test_a_protected_blob_is_written_under_bypass_alone(
    row: int, connection: Any
) -> None:
    with pytest.raises(errors.UnsupportedStatement) as caught:
        connection.blobopen("letters", "body", row)
    assert caught.value.code == "unsupported-member"
    with kysera_dbapi.bypass("soft_delete", reason="test"):
        with connection.blobopen("letters", "body", 1) as blob:
            blob.write(b"ONE")
        with connection.blobopen("letters", "body", HIDDEN) as blob:
            assert blob.read().decode() == SECRET
    with connection.blobopen("log", "body", 1) as blob:
        blob.write(b"shut")
    rows = connection.execute("SELECT CAST(body AS TEXT) FROM letters WHERE id = 1")
    assert rows.fetchall() == [("ONE",)]


def test_the_rowid_is_found_behind_columns_of_its_name() -> None:
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.executescript(
            "CREATE TABLE letters (rowid, oid, body, deleted_at);"
            "INSERT INTO letters VALUES (7, 2, 'one', NULL), (7, 1, 'two', 'x');"
            "CREATE TABLE pages (rowid, oid, _rowid_, body, deleted_at);"
        )
        tables = SoftDelete(["letters", "pages"])
        connection = kysera_dbapi.wrap(raw, plugins=[tables])
        assert connection.blobopen("letters", "body", 1, readonly=True).read() == b"one"
        with pytest.raises(sqlite3.OperationalError, match="no such rowid: 2"):
            connection.blobopen("letters", "body", 2, readonly=True)
        with pytest.raises(errors.UnsupportedStatement, match="hide every name"):
            connection.blobopen("pages", "body", 1, readonly=True)


def test_a_blob_of_what_is_behind_a_search_table_is_refused(connection: Any) -> None:
    connection.unwrap().executescript(
        "CREATE VIRTUAL TABLE letters_search USING fts5(body, content='letters');"
    )
    connection.refresh()
    with pytest.raises(errors.UnsupportedStatement):
        connection.blobopen("letters_search_data", "block", 1, readonly=True)


# -- copies ---------------------------------------------------------------------------


def test_copies_are_made_under_bypass(connection: Any, tmp_path: Path) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "copy.db")) as target,
        kysera_dbapi.bypass("soft_delete", reason="test"),
    ):
        connection.backup(target)
        assert len(target.execute(IDS).fetchall()) == 3
        data = connection.serialize()
        connection.deserialize(data)
    assert connection.execute(IDS).fetchall() == LIVE


def test_a_backup_into_a_wrapped_connection_replaces_what_is_not_protected() -> None:
    with (
        closing(sqlite3.connect(":memory:")) as source,
        closing(letters()) as guarded,
        closing(kysera_dbapi.connect("sqlite://", plugins=[plugin_before()])) as target,
    ):
        source.executescript(SCHEMA.replace("one", "uno"))
        wrapped = kysera_dbapi.wrap(source)
        with pytest.raises(errors.UnsupportedStatement, match="target"):
            wrapped.backup(guarded)
        with kysera_dbapi.bypass("soft_delete", reason="no tables yet"):
            assert target.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (
                0,
            )
        wrapped.backup(target)
        assert target.execute(IDS).fetchall() == LIVE
        with kysera_dbapi.bypass("soft_delete", reason="test"):
            wrapped.backup(target=guarded, pages=1)
        rows = guarded.execute("SELECT body FROM letters").fetchall()
        assert rows == [("uno",), ("three",)]


def test_what_replaces_the_database_is_protected_at_once() -> None:
    with (
        closing(letters()) as source,
        closing(kysera_dbapi.connect("sqlite://", plugins=[plugin_before()])) as target,
    ):
        with kysera_dbapi.bypass("soft_delete", reason="test"):
            data = source.serialize()
        with kysera_dbapi.bypass("soft_delete", reason="no tables yet"):
            target.execute("SELECT 1")
        target.deserialize(data)
        assert target.execute(IDS).fetchall() == LIVE
        with pytest.raises(errors.UnsupportedStatement):
            target.deserialize(data)


def test_report_mode_lets_copies_pass_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.executescript(SCHEMA)
        connection = kysera_dbapi.wrap(raw, plugins=[plugin()], mode="report")
        assert connection.serialize()
    assert "would be refused: serialize" in caplog.text
