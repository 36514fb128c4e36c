"""No SQL reaches PostgreSQL that the shim has not planned or written itself."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any, cast

import psycopg
import pytest
from psycopg.rows import dict_row, tuple_row
from psycopg.sql import SQL
from psycopg.types import TypeInfo

import kysera_dbapi
from kysera_dbapi.plugins import (
    RowLevelSecurity,
    SoftDelete,
    Timestamps,
    tenant_isolation,
)
from kysera_dbapi.plugins.soft_delete.settings import OnDelete
from kysera_dbapi.psycopg_session import PsycopgSession
from kysera_dbapi.session import Session
from tests.dbapi.relay import Relay, relayed, texts

SCHEMA = """
CREATE TABLE notes (
    id integer PRIMARY KEY, tenant_id integer NOT NULL, body text,
    created_at timestamptz, updated_at timestamptz, deleted_at timestamptz,
    UNIQUE (id, tenant_id)
);
CREATE TABLE lines (
    id integer PRIMARY KEY, note_id integer, tenant_id integer NOT NULL, body text,
    deleted_at timestamptz,
    FOREIGN KEY (note_id, tenant_id) REFERENCES notes (id, tenant_id)
);
CREATE TABLE log (id integer, line text);
INSERT INTO notes (id, tenant_id, body, deleted_at) VALUES
    (1, 7, 'ours', NULL), (2, 7, 'too', NULL), (3, 7, 'GHOST', now()),
    (4, 8, 'GHOST', NULL), (5, 8, 'GHOST', now());
INSERT INTO lines (id, note_id, tenant_id, body, deleted_at) VALUES
    (1, 1, 7, 'a', NULL), (2, 1, 7, 'GHOST', now()), (4, 4, 8, 'GHOST', NULL);
INSERT INTO log VALUES (1, 'one');
"""
PROTECTED = ["notes", "lines"]
QUERY = "SELECT id, body FROM notes ORDER BY id"
NEW = "INSERT INTO notes (id, tenant_id, body) VALUES (%s, %s, %s)"
OTHERS = [(20, 7, "a"), (21, 7, "it's"), (22, 7, None)]

#: What the driver sends by itself; and psycopg's ``tpc_recover``.
DRIVER = re.compile(
    r"""
    BEGIN(\ ISOLATION\ LEVEL\ [A-Z]+(\ (READ|COMMITTED|UNCOMMITTED))?)?
        (\ READ\ (ONLY|WRITE))?(\ (NOT\ )?DEFERRABLE)?
    | COMMIT | ROLLBACK
    | (SAVEPOINT | RELEASE | ROLLBACK\ TO) \ "\w+"
    | (FETCH\ FORWARD\ (\d+|ALL) | MOVE\ (ABSOLUTE\ )?-?\d+) \ FROM\ "\w+"
    | CLOSE\ "\w+" | DEALLOCATE\ (ALL | \w+)
    | SELECT\ 1\ FROM\ pg_catalog.pg_cursors\ WHERE\ name\ =\ '\w+'
    | (PREPARE\ TRANSACTION | COMMIT\ PREPARED | ROLLBACK\ PREPARED) \ '[\w=]+'
    | SELECT\ gid,\ prepared,\ owner,\ database\ FROM\ pg_prepared_xacts
    """,
    re.VERBOSE,
)
_PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[sbt]|\$\d+|%%")
#: A placeholder of the server's, or a value that the driver has written.
_VALUE = r" ?(?:\$\d+|(?:E?'(?:[^']|'')*'|-?[\d.]+|NULL|true|false)(?:::[\w\".\[\]]+)?)"
_BEFORE = r'(?:DECLARE "\w+"(?: (?:NO )?SCROLL)? CURSOR(?: WITH HOLD)? FOR |COPY \()?'
_AFTER = r"(?:\) TO STDOUT[\w (]*\)?)?"


class Watch:
    """What reached the server, and what the shim has planned or sent."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.planned: set[str] = set()
        self.own: set[str] = set()

    @property
    def texts(self) -> list[str]:
        """What reached the server, in lines of its own."""
        return [text.strip() for text in self.relay.texts]

    def unseen(self) -> list[str]:
        """The texts that reached the server without the shim."""
        known = re.compile("|".join(map(pattern, self.planned | self.own)), re.DOTALL)
        driver_s = DRIVER.fullmatch
        return [t for t in self.texts if not (driver_s(t) or known.fullmatch(t))]

    def unfiltered(self, *, live: bool = True) -> list[str]:
        """The texts that read a protected table without a filter of each plugin.

        But for those of a cascade: it goes by the keys of rows that were seen, and a
        foreign key that holds the tenant.
        """
        sent = self.planned | self.own
        by_keys = [pattern(t) for t in sent if "(pg_catalog.=) ANY (%s)" in t]
        known = re.compile("|".join(by_keys) or "-", re.DOTALL)
        wrong = (t for t in self.texts if not is_filtered(t, live=live))
        return [t for t in wrong if not known.fullmatch(t)]


def pattern(text: str) -> str:
    """What the server may be sent for a text."""
    parts, at = [_BEFORE], 0
    for found in _PLACEHOLDER.finditer(text := text.strip()):
        parts.append(re.escape(text[at : found.start()]))
        parts.append("%%?" if found[0] == "%%" else _VALUE)
        at = found.end()
    return "(?:" + "".join([*parts, re.escape(text[at:]), _AFTER]) + ")"


def is_filtered(text: str, *, live: bool) -> bool:
    """Whether there are as many filters of each kind as protected tables are read."""
    plain = re.sub(r"'(?:[^']|'')*'", "''", text)
    name = rf'(?:"?public"?\.)?"?(?:{"|".join(PROTECTED)})"?(?![\w".])'
    before = r"\b(?:FROM|JOIN|UPDATE|USING|TABLE|,)\s+(?:ONLY\s+)?"
    filters = [r'"tenant_id" OPERATOR\(pg_catalog\.=\)']
    filters += [r'"?deleted_at"? IS NULL'] if live else []
    read = len(re.findall(before + name, plain))
    return all(len(re.findall(one, plain)) >= read for one in filters)


@pytest.fixture
def watch(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Notes what the sessions of this test plan and send, and what arrives."""
    with psycopg.connect(postgresql_url, autocommit=True) as raw:
        raw.execute(cast("Any", SCHEMA))
    with relayed(postgresql_url) as (relay, url):
        noted = Watch(relay)
        plan, execute = Session.plan, PsycopgSession.execute

        def noting_plan(self: Any, text: str, **options: Any) -> Any:
            found = plan(self, text, **options)
            noted.planned.add(found.sql)
            return found

        def noting_execute(self: Any, sql: str, *parameters: Any) -> Any:
            noted.own.add(sql)
            return execute(self, sql, *parameters)

        monkeypatch.setattr(Session, "plan", noting_plan)
        monkeypatch.setattr(PsycopgSession, "execute", noting_execute)
        yield noted, url


#: Lines go with their note.
KEYS: dict[str, OnDelete] = {"lines(note_id, tenant_id)": "cascade"}


def plugins() -> list[kysera_dbapi.Plugin]:
    return [
        RowLevelSecurity(tenant_isolation("tenant_id", tables=PROTECTED)),
        SoftDelete(tables=PROTECTED, foreign_keys=KEYS),
        Timestamps(tables=["notes"]),
    ]


@pytest.fixture(params=[True, False], ids=["autocommit", "transaction"])
def connection(watch: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    made = kysera_dbapi.connect(watch[1], plugins=plugins(), autocommit=request.param)
    with closing(made), kysera_dbapi.context(tenant_id=7):
        yield made


class Own(psycopg.Cursor[Any]):
    """A cursor class that goes by ``super()``."""

    def rows(self, query: Any) -> list[Any]:
        """Past what the shim has above it."""
        return super().execute(query).fetchall()

    def many(self, query: Any, rows: Any) -> None:
        """Past what the shim has above it."""
        super().executemany(query, rows)


def executes(c: Any) -> None:
    """What is executed, by every way to."""
    c.execute(QUERY).fetchall()
    cursor = c.cursor(binary=True)
    cursor.execute(QUERY).execute("SELECT %s::text", ("a'b",)).fetchall()
    cursor.execute(QUERY.encode(), binary=False).fetchmany(1)
    cursor.execute(SQL(QUERY)).scroll(1)
    cursor.execute("SELECT id FROM notes WHERE id = %(n)s", {"n": 1})
    cursor.execute("SELECT id FROM notes WHERE body LIKE 'o%' AND id % 2 = 1")
    cursor.execute("SELECT id FROM notes WHERE body LIKE 'o%%' AND id < %s", (9,))
    for number in range(4):
        c.execute(f"SELECT {number}, body FROM notes WHERE id = {number}").fetchall()
    c.execute("SELECT 1 AS a; SELECT id FROM notes; DELETE FROM notes").nextset()


def prepares(c: Any) -> None:
    """The driver has statements prepared, and gives up those of long ago."""
    c.prepared_max = 2
    for number in range(1, 7):
        for _ in range(7):
            c.execute("SELECT id FROM notes WHERE id = %s", (number,))
        c.execute(f"SELECT body AS b{number} FROM notes", prepare=True)
    c.execute("CREATE TEMPORARY TABLE more (id integer)")
    c.execute("DEALLOCATE ALL")
    c.execute("SELECT id FROM notes WHERE id = %s", (1,), prepare=True)


def many(c: Any) -> None:
    """In one go."""
    with c.cursor() as cursor:
        cursor.executemany(NEW, OTHERS)
        text = "UPDATE notes SET body = %s WHERE id = %s RETURNING id"
        cursor.executemany(text, [("b", 20), ("c", 4)], returning=True)
        for each in cursor.results():
            each.fetchall()
        cursor.executemany("DELETE FROM lines WHERE id = %s", [(1,), (4,)])
        cursor.executemany("DELETE FROM notes WHERE id = %s", [(1,), (4,)])
    c.cursor().executemany("INSERT INTO log VALUES (%s, %s)", [(7, "%s"), (8, None)])


def streams(c: Any) -> None:
    """To the end, and left."""
    list(c.cursor().stream(QUERY))
    list(c.cursor().stream("SELECT body FROM notes WHERE id <> %s", (2,)))
    list(c.cursor().stream("UPDATE notes SET body = 'x' RETURNING id"))
    with suppress(psycopg.Error):
        list(c.cursor().stream(NEW + " RETURNING id", OTHERS[0]))
    rows = c.cursor().stream(QUERY)
    next(rows)
    rows.close()


def copies(c: Any) -> None:
    """Both ways, and what is refused."""
    for text in (
        "COPY notes TO STDOUT",
        "COPY notes (id, body) TO STDOUT WITH (FORMAT csv)",
        "COPY (SELECT * FROM lines WHERE body <> '%') TO STDOUT",
        "COPY log TO STDOUT (FORMAT binary)",
    ):
        with c.cursor().copy(text) as copy:
            for _ in copy:
                pass
    with c.cursor().copy("COPY notes TO STDOUT") as copy:
        list(copy.rows())
    with c.cursor().copy("COPY log FROM STDIN") as copy:
        copy.write_row((3, "three"))
        copy.write("4\tSELECT * FROM notes\n")
    for text in (
        "COPY notes FROM STDIN",
        "COPY notes TO '/tmp/x'",
        "COPY log TO STDOUT; DELETE FROM notes",
        "SELECT 1",
        QUERY,
        "DELETE FROM notes",
        "SET search_path = public",
    ):
        with suppress(psycopg.Error), c.cursor().copy(text):
            pass
    with (
        suppress(ZeroDivisionError),
        c.transaction(),
        c.cursor().copy("COPY log FROM STDIN") as copy,
    ):
        raise ZeroDivisionError


def other_cursors(c: Any) -> None:
    """Classes of the driver's, and one of a program's own."""
    c.cursor_factory = psycopg.ClientCursor
    c.execute(NEW, (30, 7, "it's %s"))
    c.cursor().mogrify(QUERY)
    c.cursor().execute("SELECT * FROM notes WHERE id = %s OR body = %s", (-1, None))
    c.cursor_factory = psycopg.RawCursor
    c.execute("SELECT id FROM notes WHERE id = $2 AND body <> $1", ("x", 1)).fetchall()
    c.cursor_factory = Own
    c.cursor().rows(QUERY)
    c.cursor().many("UPDATE notes SET body = %s WHERE id = %s", [("x", 1), ("y", 4)])
    psycopg.Cursor(c).execute(QUERY).fetchall()
    psycopg.ClientCursor(c).execute(QUERY, ()).fetchall()


def of_the_server(c: Any) -> None:
    """Named cursors, by the driver's classes and by the caller's own text."""
    with c.transaction():
        for options in ({}, {"scrollable": True}, {"withhold": True}):
            with c.cursor("named", **options) as cursor:
                cursor.itersize = 1
                cursor.execute("SELECT id FROM notes WHERE id < %s", (9,))
                list(cursor)
                if options.get("scrollable"):
                    cursor.scroll(0, mode="absolute")
                    cursor.scroll(1)
                cursor.fetchmany(1)
        for kind in (psycopg.ServerCursor, psycopg.RawServerCursor):
            with kind(c, "by_hand") as cursor:
                cursor.execute(cast("Any", QUERY)).fetchone()
        c.execute("DECLARE here CURSOR FOR SELECT * FROM notes")
        c.execute("FETCH 1 FROM here").fetchall()
        c.execute("MOVE NEXT FROM here")
        with psycopg.ServerCursor(c, "here") as cursor:
            cursor.fetchall()


def transactions(c: Any) -> None:
    """Begin and end in every way."""
    with suppress(psycopg.Error), c.transaction():
        c.execute("DELETE FROM notes WHERE id = 2")
        with c.transaction("mine") as inner:
            c.execute("SELECT 1 FROM notes")
            raise psycopg.Rollback(inner)
    with c.transaction(force_rollback=True), c.transaction():
        c.execute("UPDATE notes SET body = 'x'")
    c.rollback()
    for name, value in (
        ("isolation_level", psycopg.IsolationLevel.SERIALIZABLE),
        ("read_only", False),
        ("deferrable", True),
    ):
        setattr(c, name, value)
        with c.transaction():
            c.execute(QUERY)
    for text in ("BEGIN", "SAVEPOINT a", "DELETE FROM lines", "ROLLBACK TO a", "END"):
        c.execute(text)
    c.commit()


def in_two_phases(c: Any) -> None:
    """Where the server keeps no prepared transactions it says so: it has read it."""
    c.autocommit = False
    for end in (c.tpc_commit, c.tpc_rollback):
        c.tpc_begin("kysera")
        c.execute("UPDATE notes SET body = 'x' WHERE id = 1")
        with suppress(psycopg.Error):
            c.tpc_prepare()
        with suppress(psycopg.Error):
            end()
        c.unwrap()._tpc = None  # it is open still, where the server refuses to prepare
        c.rollback()
        with suppress(psycopg.Error):
            end("kysera")
        c.rollback()
    c.tpc_begin(c.xid(1, "a", "b"))
    c.execute("DELETE FROM notes")
    c.tpc_rollback()
    c.tpc_recover()


def pipelines(c: Any) -> None:
    """Statements that are sent before others are answered."""
    with c.pipeline() as pipeline:
        c.execute(QUERY)
        c.execute(NEW, OTHERS[0])
        pipeline.sync()
        c.cursor().executemany("INSERT INTO log VALUES (%s, %s)", [(1, "a")] * 3)
        with c.transaction():
            c.execute("UPDATE notes SET body = 'piped' WHERE id = 2")
    with suppress(psycopg.Error), c.pipeline():
        c.execute("SELECT 1 / 0 FROM notes")
        c.execute(QUERY)


def checks(c: Any) -> None:
    """Rows of others, by each kind of write; and keys that hidden rows hold."""
    c.execute("INSERT INTO log VALUES (2, 'two')")
    for text in (
        "INSERT INTO notes (id, tenant_id) VALUES (60, 8)",
        "INSERT INTO notes (id, tenant_id) SELECT id + 60, 8 FROM notes",
        "UPDATE notes SET tenant_id = 8",
        "INSERT INTO notes (id) VALUES (4) ON CONFLICT (id) DO NOTHING",
        "INSERT INTO notes (id) VALUES (3) ON CONFLICT (id) DO UPDATE SET body = 'x'",
        "INSERT INTO notes (id) VALUES (4)",
        "MERGE INTO notes USING log ON notes.id = log.id"
        " WHEN MATCHED THEN UPDATE SET tenant_id = 8",
    ):
        with suppress(psycopg.Error), c.transaction():
            c.execute(text)
        rows = [(n, t, None) for n, t in ((61, 7), (62, 8))]
        with suppress(psycopg.Error), c.transaction():
            c.cursor().executemany(NEW, rows)


def cascades(c: Any) -> None:
    """Children go with their parents, and come back with them."""
    soft_delete = next(p for p in c.plugin_host.plugins if p.name == "soft_delete")
    c.execute("DELETE FROM notes WHERE id = %s RETURNING id, deleted_at", (1,))
    soft_delete.restore(c, "notes", 1, cascade=True)
    c.execute("WITH a AS (SELECT 1 AS id) DELETE FROM notes WHERE id IN (TABLE a)")
    soft_delete.restore(c, "notes", 1)
    c.execute("EXPLAIN ANALYZE DELETE FROM notes").fetchall()


def schemas(c: Any) -> None:
    """Changes, and what is asked of the schema besides."""
    TypeInfo.fetch(c, "hstore")
    c.execute("ALTER TABLE log ADD COLUMN more text")
    with suppress(psycopg.Error), c.transaction():
        c.execute("ALTER TABLE notes DROP COLUMN tenant_id")
    c.execute("CREATE TABLE kept AS SELECT * FROM notes")
    c.execute("CREATE TABLE public.aside (id integer)")
    c.commit()
    c.refresh()
    c.verify()
    c.explain(QUERY)
    if c.autocommit:
        c.execute("VACUUM log")


def errors(c: Any) -> None:
    """Fail in every way."""
    for text in (
        "SELECT * FROM nowhere",
        "SELECT nothing FROM notes",
        "SELEC * FROM notes",
        "DROP TABLE nowhere",
        "SELECT query_to_xml('SELECT * FROM notes', true, true, '')",
        "PREPARE a AS SELECT * FROM notes",
        "SELECT 1; COMMIT; SELECT * FROM notes",
        "SELECT 1 / 0 FROM notes; SELECT * FROM notes",
        "DO 'BEGIN DELETE FROM notes; END'",
        "",
    ):
        with suppress(psycopg.Error), c.transaction():
            c.execute(text)
        with suppress(psycopg.Error), c.transaction():
            c.execute(text, (1,))
        with suppress(psycopg.Error), c.transaction():
            list(c.cursor().stream(text))


def notices(c: Any) -> None:
    """What comes without being asked for."""
    c.execute("LISTEN here")
    c.execute("SELECT pg_notify('here', 'x')")
    c.commit()
    list(c.notifies(timeout=0.1, stop_after=1))
    c.cancel_safe()  # not cancel(): libpq would wait for us, and Python for libpq
    with suppress(psycopg.Error):
        c.execute("SELECT 1")


def factories(c: Any) -> None:
    """Row factories that ask the connection themselves."""

    def asking(cursor: Any) -> Any:
        def row(values: Any) -> Any:
            asked = cursor.connection.cursor(row_factory=tuple_row)
            return asked.execute("SELECT count(*) FROM notes").fetchone()

        return row

    c.cursor(row_factory=asking).execute(QUERY).fetchall()
    c.row_factory = dict_row
    c.execute(QUERY).fetchall()


def shown(c: Any) -> None:
    """Rows that a block shows: of the caller's own tenant."""
    with kysera_dbapi.context(tenant_id=9):
        c.execute(QUERY).fetchall()
        c.execute("SELECT id FROM notes WHERE id = %s", (1,)).fetchall()


WORK: list[Callable[[Any], None]] = [
    executes,
    prepares,
    many,
    streams,
    copies,
    other_cursors,
    of_the_server,
    transactions,
    in_two_phases,
    pipelines,
    checks,
    cascades,
    schemas,
    errors,
    notices,
    factories,
    shown,
]


@pytest.mark.parametrize("work", WORK)
def test_every_text_was_seen(work: Any, watch: Any, connection: Any) -> None:
    noted: Watch = watch[0]
    work(connection)
    connection.rollback()
    connection.execute("SELECT 'the end'").fetchall()
    assert "SELECT 'the end'" in noted.texts
    assert noted.unseen() == []
    # restore() finds deleted rows, of the caller's own tenant
    assert noted.unfiltered(live=work is not cascades) == []
    assert b"GHOST" not in noted.relay.answers


@pytest.mark.parametrize(
    "text",
    [
        QUERY,
        "SELECT 1",
        "DELETE FROM notes WHERE id = 1",
        "BEGIN; SELECT 1",
        'FETCH 1 FROM "a"; SELECT 1',
    ],
)
def test_a_text_that_goes_round_the_shim_is_noticed(
    text: Any, watch: Any, connection: Any
) -> None:
    noted: Watch = watch[0]
    connection.execute(QUERY)
    with suppress(psycopg.Error):
        connection.unwrap().execute(text, prepare=text == QUERY)
    assert noted.unseen() == [text]
    assert noted.unfiltered() == ([text] if "FROM notes" in text else [])
    assert (b"GHOST" in noted.relay.answers) == (text == QUERY)


def test_a_message_of_another_kind_is_noticed() -> None:
    assert list(texts(ord("F"), b"31")) == ["a message 'F': b'31'"]
    assert list(texts(ord("Q"), b"SELECT 1\0")) == ["SELECT 1"]
