"""Two-phase transactions, to the end: as with the driver alone, and past no filter.

The server is the tests' own: others keep no prepared transactions.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from time import monotonic
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

import kysera_dbapi
from tests.cluster import cluster, initdb
from tests.dbapi.notes import OURS, QUERY, SCHEMA, plugins
from tests.servers import Server, database

pytestmark = pytest.mark.skipif(initdb() is None, reason="no initdb")

#: What a tenant of a database without other rows has.
ALONE = "DELETE FROM notes WHERE tenant_id <> 7 OR deleted_at IS NOT NULL"
MORE = """
CREATE TABLE wholes (id integer PRIMARY KEY);
CREATE TABLE parts (
    id integer PRIMARY KEY,
    whole integer REFERENCES wholes DEFERRABLE INITIALLY DEFERRED
);
"""
Step = Callable[[Any], Any]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with cluster({"max_prepared_transactions": "20"}) as url:
        yield Server("postgresql", "postgresql", "the tests' own", lambda: url)


class Place:
    """A database, and connections to it that end with it."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self._url, self._stack = url, stack
        self.raw = self.opened(psycopg.connect(url, autocommit=True))
        self.raw.execute(SCHEMA + MORE)
        stack.callback(self.forget)

    def opened(self, connection: Any) -> Any:
        return self._stack.enter_context(closing(connection))

    def wrapped(self, **options: Any) -> Any:
        options.setdefault("plugins", plugins())
        return self.opened(kysera_dbapi.connect(self._url, **options))

    def another(self, **options: Any) -> Any:
        return self.opened(psycopg.connect(self._url, **options))

    def prepared(self) -> list[str]:
        text = "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
        return [row[0] for row in self.raw.execute(text)]

    def forget(self) -> None:
        """Let go of the database, which could not be dropped else."""
        for name in self.prepared():
            self.raw.execute(f"ROLLBACK PREPARED '{name}'")


@pytest.fixture
def place(server: Server) -> Iterator[Place]:
    with (
        database(server) as url,
        ExitStack() as stack,
        kysera_dbapi.context(tenant_id=7),
    ):
        yield Place(url, stack)


@pytest.fixture
def copy(server: Server) -> Iterator[Place]:
    """The same without the rows that the tenant does not see."""
    with database(server) as url, ExitStack() as stack:
        made = Place(url, stack)
        made.raw.execute(ALONE)
        yield made


# -- raw = wrapped ----------------------------------------------------------------


def call(name: str, *args: Any, **options: Any) -> Step:
    return lambda c: getattr(c, name)(*args, **options)


def sql(text: str, *args: Any) -> Step:
    return lambda c: c.execute(text, *args)


def xid(c: Any) -> Any:
    return c.tpc_begin(c.xid(7, "global", "branch"))


def recovered(c: Any) -> Any:
    return [(x.format_id, x.gtrid, x.bqual, x.owner) for x in c.tpc_recover()]


def by_its_xid(c: Any) -> Any:
    (found,) = c.tpc_recover()
    return c.tpc_commit(found)


def autocommitted(c: Any) -> None:
    c.autocommit = True


def in_a_block(c: Any) -> None:
    with c.transaction():
        c.execute(UPDATE)


def in_a_pipeline(c: Any) -> None:
    with c.pipeline():
        c.tpc_begin("a")
        c.execute(UPDATE)
        c.execute(NEW)
        c.tpc_prepare()
        c.tpc_commit()


def failing_in_a_pipeline(c: Any) -> None:
    with c.pipeline():
        c.tpc_begin("a")
        c.execute(UPDATE)
        c.execute("SELECT 1 / (id - 1) FROM notes")
        c.tpc_prepare()


def left_by_with(c: Any) -> None:
    with c:
        c.tpc_begin("a")
        c.execute(UPDATE)
        c.tpc_prepare()


def many(c: Any) -> Any:
    rows = [(n, "many") for n in range(20, 25)]
    text = "INSERT INTO notes (id, tenant_id, body) VALUES (%s, 7, %s)"
    return c.cursor().executemany(text, rows)


def named(c: Any) -> Any:
    with c.cursor("named") as cursor:
        cursor.execute(QUERY)
        return cursor.fetchall()


UPDATE = "UPDATE notes SET body = upper(body)"
NEW = "INSERT INTO notes (id, tenant_id, body) VALUES (10, 7, 'new')"
ORPHAN = "INSERT INTO parts VALUES (1, 99)"
BEGIN, PREPARE = call("tpc_begin", "a"), call("tpc_prepare")
COMMIT, ROLLBACK = call("tpc_commit"), call("tpc_rollback")
RECOVER, READ = recovered, sql(QUERY)
WORK = [sql(UPDATE), sql(NEW), sql("DELETE FROM notes WHERE id = 1"), READ]
AFTER = [sql("SELECT body FROM notes WHERE id > %s ORDER BY id", (0,)), call("commit")]

SCRIPTS: dict[str, list[Step]] = {
    "committed": [BEGIN, *WORK, PREPARE, COMMIT, READ],
    "undone": [BEGIN, *WORK, PREPARE, ROLLBACK, READ],
    "committed unprepared": [BEGIN, *WORK, COMMIT, READ],
    "undone unprepared": [BEGIN, *WORK, ROLLBACK, READ],
    "twice": [BEGIN, *WORK, PREPARE, COMMIT, BEGIN, sql(UPDATE), PREPARE, ROLLBACK],
    "nothing done": [BEGIN, PREPARE, COMMIT],
    "an xid": [xid, *WORK, PREPARE, COMMIT],
    "many rows": [BEGIN, many, PREPARE, COMMIT],
    "a named cursor": [BEGIN, named, sql(UPDATE), PREPARE, COMMIT],
    "savepoints": [
        BEGIN,
        sql("SAVEPOINT s"),
        sql(UPDATE),
        sql("ROLLBACK TO s"),
        sql(NEW),
        PREPARE,
        COMMIT,
    ],
    "recovering is refused amid one": [BEGIN, RECOVER, sql(NEW), PREPARE, RECOVER],
    "a statement that fails": [BEGIN, *WORK, sql("SELECT 1 / 0"), PREPARE, COMMIT],
    "a failed one is undone": [BEGIN, sql(NEW), sql("SELECT 1 / 0"), ROLLBACK, READ],
    "a constraint fails at the end": [BEGIN, sql(ORPHAN), PREPARE, ROLLBACK, READ],
    "it fails without a first phase": [BEGIN, sql(ORPHAN), COMMIT, READ],
    "statements after the first phase": [BEGIN, sql(NEW), PREPARE, READ, COMMIT],
    "committed amid another": [BEGIN, sql(NEW), PREPARE, call("commit"), COMMIT],
    "commit() amid one": [BEGIN, sql(NEW), call("commit"), call("rollback"), ROLLBACK],
    "begun twice": [BEGIN, BEGIN, sql(NEW), PREPARE, PREPARE, COMMIT],
    "begun amid a transaction": [sql(UPDATE), BEGIN, call("rollback")],
    "begun in autocommit": [autocommitted, BEGIN],
    "ended without a beginning": [PREPARE, COMMIT, ROLLBACK, call("tpc_commit", "no")],
    "a block in it": [BEGIN, in_a_block, PREPARE, ROLLBACK],
    "an empty name": [call("tpc_begin", ""), call("tpc_begin", "x" * 300)],
    "autocommit in it": [BEGIN, sql(NEW), autocommitted, ROLLBACK],
    "a pipeline": [in_a_pipeline, READ],
    "a pipeline that fails": [failing_in_a_pipeline, ROLLBACK, call("rollback"), READ],
    "left by with": [left_by_with],
    "closed and recovered": [BEGIN, *WORK, PREPARE, call("close"), READ],
    "by the xid that is told": [BEGIN, *WORK, PREPARE, RECOVER],
    "SQL's own": [
        autocommitted,
        sql("BEGIN"),
        *WORK,
        sql("PREPARE TRANSACTION 'a'"),
        READ,
        RECOVER,
        sql("COMMIT PREPARED 'a'"),
        READ,
        sql("ROLLBACK PREPARED 'a'"),
    ],
    "SQL's own, undone": [
        autocommitted,
        sql("BEGIN"),
        *WORK,
        sql("PREPARE TRANSACTION 'a'"),
        call("tpc_rollback", "a"),
        READ,
    ],
    "SQL's in the driver's transaction": [
        sql(UPDATE),
        sql("PREPARE TRANSACTION 'a'"),
        READ,
        sql("COMMIT PREPARED 'a'"),
        call("rollback"),
        autocommitted,
        by_its_xid,
        READ,
    ],
    "SQL's, of a transaction that failed": [
        autocommitted,
        sql("BEGIN"),
        sql("SELECT 1 / 0"),
        sql("PREPARE TRANSACTION 'a'"),
        READ,
    ],
    "SQL's, where a constraint fails": [
        autocommitted,
        sql("BEGIN"),
        sql(ORPHAN),
        sql("PREPARE TRANSACTION 'a'"),
        READ,
    ],
}


def outcome(step: Step, connection: Any) -> Any:
    try:
        return told(step(connection))
    except psycopg.Error as error:
        kinds = [c for c in type(error).__mro__ if c.__module__.startswith("psycopg")]
        return kinds[0].__name__, error.sqlstate, str(error)


def told(found: Any) -> Any:
    if isinstance(found, psycopg.Cursor):
        return found.rowcount, found.fetchall() if found.description else None
    return found


def seen(place: Place, connection: Any, steps: list[Step]) -> list[Any]:
    """What came of each step, and the state after it; at last what is there."""
    found: list[Any] = []
    for step in steps:
        came = outcome(step, connection)
        raw = connection.unwrap() if hasattr(connection, "unwrap") else connection
        state = TransactionStatus(raw.pgconn.transaction_status).name
        found.append((came, state, connection.closed, connection.broken))
    found.append(place.prepared())
    # another connection ends what is left
    for name in place.prepared():
        with suppress(psycopg.Error):
            outcome(call("tpc_commit", name), place.another())
    text = "SELECT id, body FROM notes WHERE tenant_id = 7 AND deleted_at IS NULL"
    connection.close()
    return [*found, sorted(place.raw.execute(text).fetchall()), place.prepared()]


@pytest.mark.parametrize("steps", SCRIPTS.values(), ids=SCRIPTS)
def test_it_is_as_with_the_driver_alone(
    steps: list[Step], place: Place, copy: Place
) -> None:
    expected = seen(copy, copy.another(), steps)
    assert seen(place, place.wrapped(), steps) == expected


# -- filters, checks, transactions ------------------------------------------------


def levels(connection: Any) -> list[Any]:
    found: list[Any] = connection.plugin_host.transaction._levels
    return found


def test_filters_and_checks_hold_to_the_end(place: Place) -> None:
    one, other = place.wrapped(), place.wrapped()
    one.tpc_begin("a")
    assert one.execute(QUERY).fetchall() == OURS
    one.execute("UPDATE notes SET body = 'changed'")
    one.execute("INSERT INTO notes (id, body) VALUES (10, 'new')")
    one.execute("DELETE FROM notes WHERE id = 2")
    one.tpc_prepare()
    text = "SELECT id, tenant_id, body, deleted_at IS NULL FROM notes ORDER BY id"
    before = place.raw.execute(text).fetchall()
    with kysera_dbapi.context(tenant_id=8):
        assert [str(x) for x in other.tpc_recover()] == ["a"]
        other.tpc_commit("a")
        assert other.execute(QUERY).fetchall() == [(4, "GHOST")]
    ours = [(1, 7, "changed", True), (2, 7, "changed", False), (10, 7, "new", True)]
    hidden = [row for row in before if row[0] in (3, 4, 5)]
    assert place.raw.execute(text).fetchall() == sorted(ours + hidden)
    assert one.plugin_host.transaction.savepoints == ()


def test_what_violates_a_policy_is_not_prepared(place: Place) -> None:
    connection = place.wrapped()
    connection.tpc_begin("a")
    connection.execute("UPDATE notes SET body = 'changed'")
    with pytest.raises(kysera_dbapi.PolicyViolation):
        connection.execute("UPDATE notes SET tenant_id = 8 WHERE id = 1")
    connection.tpc_prepare()  # the server undoes a transaction that has failed
    assert place.prepared() == []
    with pytest.raises(psycopg.errors.UndefinedObject):
        connection.tpc_rollback()
    connection.close()
    text = "SELECT count(*) FROM notes WHERE body = 'changed' OR tenant_id <> 7"
    assert place.raw.execute(text).fetchone() == (2,)


def by_the_driver(connection: Any) -> None:
    connection.tpc_begin("a")
    connection.execute("SAVEPOINT a")
    connection.execute("ALTER TABLE log ADD more integer")
    connection.execute("SAVEPOINT b")
    assert len(levels(connection)) == 3
    connection.tpc_prepare()


def by_statements(connection: Any) -> None:
    connection.autocommit = True
    for text in ("BEGIN", "SAVEPOINT a", "ALTER TABLE log ADD more integer"):
        connection.execute(text)
    connection.execute("SAVEPOINT b")
    assert len(levels(connection)) == 3
    connection.execute("PREPARE TRANSACTION 'a'")


BEGINNINGS = [by_the_driver, by_statements]


@pytest.mark.parametrize("begin", BEGINNINGS)
def test_the_transaction_ends_with_its_first_phase(place: Place, begin: Any) -> None:
    connection = place.wrapped()
    begin(connection)
    assert place.prepared() == ["a"]
    assert levels(connection) == []
    assert connection.plugin_host.transaction.savepoints == ()
    assert connection.info.transaction_status == TransactionStatus.IDLE
    table = connection.plugin_host.catalogue.tables["public.log"]  # still as it was
    assert [column.name for column in table.columns] == ["id", "line"]


# -- changes of the schema ----------------------------------------------------------

#: A known statement would show hidden rows then, unless the catalogue is read again.
REPLACED = (
    "ALTER TABLE log RENAME TO older",
    "CREATE VIEW log AS SELECT id, body AS line FROM notes",
)
KNOWN = "SELECT id, line FROM log ORDER BY id"
LINES = [(1, "one")]


def replaces(connection: Any, begin: Step) -> None:
    """Put a view of hidden rows in a table's place, in a transaction of two phases."""
    assert connection.execute(KNOWN).fetchall() == LINES
    connection.rollback()
    with (
        kysera_dbapi.bypass("rls", reason="a migration"),
        kysera_dbapi.bypass("soft_delete", reason="a migration"),
    ):
        begin(connection)
        for text in REPLACED:
            connection.execute(text)


def on_its_own(one: Any, _: Any) -> Any:
    one.tpc_commit()
    return one


def after_a_failure(one: Any, _: Any) -> Any:
    with pytest.raises(psycopg.ProgrammingError):
        one.tpc_commit("a")
    return on_its_own(one, _)


def by_another(_: Any, other: Any) -> Any:
    other.tpc_commit("a")
    return other


def by_a_statement(_: Any, other: Any) -> Any:
    other.autocommit = True
    other.execute("COMMIT PREPARED 'a'")
    return other


ENDS = [on_its_own, after_a_failure, by_another, by_a_statement]


@pytest.mark.parametrize("end", ENDS)
def test_who_commits_a_change_of_the_schema_knows_it(place: Place, end: Any) -> None:
    one, other = place.wrapped(), place.wrapped()
    assert other.execute(KNOWN).fetchall() == LINES
    other.commit()
    replaces(one, BEGIN)
    one.tpc_prepare()
    committer = end(one, other)
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="log"):
        committer.execute(KNOWN)


def test_another_learns_it_with_a_new_shape(place: Place) -> None:
    """As it does of any change of the schema; not before the second phase."""
    one, other = place.wrapped(), place.wrapped(autocommit=True)
    assert other.execute(KNOWN).fetchall() == LINES
    replaces(one, BEGIN)
    one.tpc_prepare()
    # no query: the table is locked until the second phase
    assert not other.refresh()
    one.tpc_commit()
    for text in ("SELECT count(line) FROM log AS never_seen", KNOWN):
        with pytest.raises(kysera_dbapi.UnsupportedStatement, match="log"):
            other.execute(text)


def test_in_a_pipeline_too(place: Place) -> None:
    connection = place.wrapped()
    with connection.pipeline():
        replaces(connection, BEGIN)
        connection.tpc_prepare()
        connection.tpc_commit()
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="log"):
        connection.execute(KNOWN)


@pytest.mark.parametrize("begin", BEGINNINGS)
def test_what_is_locked_is_not_read(place: Place, begin: Any) -> None:
    """Where one's own prepared transaction holds a table, nobody could wait for it."""
    place.raw.execute("CREATE UNIQUE INDEX ON log (line) WHERE id > 5")
    connection = place.wrapped(options="-c lock_timeout=20s")
    start = monotonic()
    begin(connection)
    connection.tpc_commit(*["a"] * connection.autocommit)
    assert monotonic() - start < 15
    assert connection.execute("SELECT more FROM log").fetchall() == [(None,)]


@pytest.mark.parametrize("prepared", [False, True])
def test_a_change_of_the_schema_is_undone(place: Place, prepared: bool) -> None:
    connection = place.wrapped()
    replaces(connection, BEGIN)
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="log"):
        connection.execute(KNOWN)
    if prepared:
        connection.tpc_prepare()
        assert connection.info.transaction_status == TransactionStatus.IDLE
    connection.tpc_rollback()
    assert connection.info.transaction_status == TransactionStatus.IDLE
    assert connection.execute(KNOWN).fetchall() == LINES
    assert connection.execute("SELECT max(line) FROM log").fetchall() == [("one",)]


def test_another_undoes_a_change_of_the_schema(place: Place) -> None:
    connection, other = place.wrapped(), place.wrapped()
    replaces(connection, BEGIN)
    connection.tpc_prepare()
    other.tpc_rollback("a")
    connection.close()
    assert other.execute(KNOWN).fetchall() == LINES


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_first_phase_that_fails_undoes_it(place: Place, autocommit: bool) -> None:
    """A deferred constraint is tried there; what was made before it is gone."""
    connection = place.wrapped(autocommit=autocommit)
    replaces(connection, sql("BEGIN") if autocommit else BEGIN)
    connection.execute(ORPHAN)
    prepare = sql("PREPARE TRANSACTION 'a'") if autocommit else PREPARE
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        prepare(connection)
    assert levels(connection) == []
    text = "SELECT line FROM log AS seen"
    assert connection.execute(text).fetchall() == [("one",)]
    assert connection.execute(KNOWN).fetchall() == LINES


def test_a_commit_that_fails_undoes_the_schema(place: Place) -> None:
    connection = place.wrapped()
    replaces(connection, lambda _: None)
    connection.execute(ORPHAN)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.commit()
    assert levels(connection) == []
    assert connection.execute(KNOWN).fetchall() == LINES


def test_what_could_not_be_read_is_not_taken_for_read(place: Place) -> None:
    place.raw.execute("CREATE UNIQUE INDEX ON wholes (id) WHERE id > 5")
    connection = place.wrapped(options="-c lock_timeout=200ms")
    assert connection.execute(KNOWN).fetchall() == LINES
    connection.commit()
    for text in REPLACED:
        place.raw.execute(text)
    another = place.another()
    another.execute("LOCK TABLE wholes")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        connection.refresh()
    another.rollback()
    another.tpc_begin("a")
    another.tpc_prepare()
    connection.tpc_commit("a")
    with pytest.raises(kysera_dbapi.UnsupportedStatement, match="log"):
        connection.execute(KNOWN)
