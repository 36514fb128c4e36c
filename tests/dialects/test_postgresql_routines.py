"""What runs in a PostgreSQL database: views, triggers, rules and functions."""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from kysera_dbapi.catalogue import Catalogue
from kysera_dbapi.closed_world import ClosedWorld
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.mode import Mode
from kysera_dbapi.parsing import parse
from kysera_dbapi.reach import Reach
from kysera_dbapi.shape import Lexer
from kysera_dbapi.source import read
from tests.dialects.postgresql import DIALECT, Server


@pytest.fixture
def server(postgresql_url: str) -> Iterator[Server]:
    with ExitStack() as stack:
        yield Server(postgresql_url, stack)


def test_what_views_read_and_call(server: Server) -> None:
    catalogue = server.read(
        "CREATE TABLE a (id int)",
        "CREATE TABLE b (id int)",
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW direct AS SELECT upper('x'), f(id) FROM a "
        "WHERE EXISTS (SELECT FROM b)",
        "CREATE VIEW deep AS WITH c AS (SELECT * FROM direct) SELECT 1 FROM c",
        "CREATE MATERIALIZED VIEW kept AS SELECT count(*) FROM b",
        "CREATE VIEW stats AS SELECT tablename FROM pg_stats",
        "CREATE VIEW hidden AS SELECT pg_read_file('x')",
        "CREATE VIEW none AS SELECT 1",
    )
    tables = catalogue.tables
    assert tables["public.direct"].reads == frozenset({"public.a", "public.b"})
    assert tables["public.direct"].calls == {"pg_catalog.upper", "public.f"}
    assert tables["public.deep"].reads == frozenset({"public.direct"})
    assert tables["public.kept"].reads == frozenset({"public.b"})
    assert tables["public.kept"].calls == {"pg_catalog.count"}
    assert tables["public.stats"].reads == frozenset({"pg_catalog.pg_stats"})
    assert tables["public.hidden"].calls == {"pg_catalog.pg_read_file"}
    assert tables["public.none"].reads == frozenset()
    reach = Reach(DIALECT, catalogue)
    below = {"public.direct", "public.a", "public.b"}
    assert reach.reads(tables["public.deep"]) == below


def test_what_is_beneath_a_view_is_checked(server: Server) -> None:
    catalogue = server.read(
        "CREATE TABLE secrets (id int)",
        "CREATE TABLE plain (id int)",
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql AS "
        "'BEGIN EXECUTE $1::text; RETURN 1; END'",
        "CREATE VIEW told AS SELECT id FROM secrets",
        "CREATE MATERIALIZED VIEW kept AS SELECT id FROM told",
        "CREATE VIEW quiet AS SELECT upper('x') FROM plain",
        "CREATE VIEW calling AS SELECT f(id) FROM plain",
        "CREATE VIEW beneath AS SELECT 1 FROM calling",
    )
    for name in ("told", "kept"):
        refuses(catalogue, name, "undeclared-view")
    for name in ("calling", "beneath"):
        refuses(catalogue, name, "dangerous-function", mode="strict")
        check(catalogue, name)
    check(catalogue, "quiet", mode="strict")


def check(catalogue: Catalogue, name: str, mode: Mode = "normal") -> None:
    source = read(f"SELECT * FROM {name}", DIALECT, Lexer(DIALECT.lexical))
    draft = parse(source, DIALECT, catalogue, Draft)
    world = ClosedWorld(DIALECT, catalogue, mode)
    world.check_relations(draft, {"public.secrets"})


def refuses(catalogue: Catalogue, name: str, code: str, mode: Mode = "normal") -> None:
    with pytest.raises(UnsupportedStatement) as caught:
        check(catalogue, name, mode)
    assert caught.value.code == code


def test_views_with_the_rights_of_their_readers(server: Server) -> None:
    if server.raw.info.server_version < 150000:
        pytest.skip("security_invoker came with PostgreSQL 15")
    catalogue = server.read(
        "CREATE VIEW a AS SELECT 1",
        "CREATE VIEW b WITH (security_invoker) AS SELECT 1",
        "CREATE VIEW c WITH (security_invoker = off, security_barrier) AS SELECT 1",
    )
    told = {name: catalogue.tables[f"public.{name}"].security_invoker for name in "abc"}
    assert told == {"a": False, "b": True, "c": False}


def test_what_a_table_calls(server: Server) -> None:
    catalogue = server.read(
        *(
            f"CREATE FUNCTION {name}(int) RETURNS int LANGUAGE sql IMMUTABLE "
            "AS 'SELECT $1'"
            for name in ("defaulted", "computed", "checked", "indexed", "parted")
        ),
        """CREATE TABLE t (
            id int CHECK (checked(id) > 0), a int DEFAULT defaulted(1),
            b int GENERATED ALWAYS AS (computed(id)) STORED, c date DEFAULT now())""",
        "CREATE INDEX ON t (indexed(id))",
        "CREATE TABLE p (id int) PARTITION BY RANGE (parted(id))",
        "CREATE TABLE quiet (id int)",
    )
    names = ("defaulted", "computed", "checked", "indexed")
    called = {f"public.{name}" for name in names}
    assert catalogue.tables["public.t"].calls >= {*called, "pg_catalog.now"}
    assert catalogue.tables["public.p"].calls == {"public.parted"}
    assert catalogue.tables["public.quiet"].calls == frozenset()


LOGS = """
    CREATE FUNCTION logs() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE n int := (SELECT count(*) FROM seen);
    BEGIN INSERT INTO log VALUES (n); RETURN NULL; END $$"""


def test_triggers(server: Server) -> None:
    catalogue = server.read(
        "CREATE TABLE log (n int)",
        "CREATE TABLE seen (n int)",
        "CREATE TABLE named (n int)",
        "CREATE TABLE t (id int PRIMARY KEY REFERENCES t)",
        LOGS,
        "CREATE FUNCTION depth() RETURNS int LANGUAGE sql AS 'SELECT 2'",
        "CREATE TRIGGER twice AFTER INSERT OR DELETE ON t FOR EACH ROW "
        "WHEN (pg_trigger_depth() < depth()) EXECUTE FUNCTION logs('named', 'it''s')",
        "CREATE TRIGGER emptied BEFORE TRUNCATE ON t EXECUTE FUNCTION logs()",
        "CREATE TRIGGER off AFTER UPDATE ON t EXECUTE FUNCTION logs()",
        "ALTER TABLE t DISABLE TRIGGER off",
    )
    triggers = catalogue.tables["public.t"].triggers
    assert [(t.name, t.event) for t in triggers] == [
        ("emptied", "TRUNCATE"),
        ("twice", "INSERT"),
        ("twice", "DELETE"),
    ]
    emptied, twice, _ = triggers
    assert catalogue.tables["public.t"].calls == {"public.depth"}
    assert twice.function == "public.logs"
    assert twice.text.startswith(
        """EXECUTE FUNCTION "public"."logs"('named', 'it''s')"""
    )
    reach = Reach(DIALECT, catalogue)
    touched = {"public.log", "public.seen", "public.named"}
    assert reach.touches(twice) == touched
    assert reach.touches(emptied) == touched - {"public.named"}
    effects = reach.effects([(catalogue.tables["public.t"], "INSERT")])
    assert effects.written == {"public.t", "public.log"}


def test_triggers_of_partitions(server: Server) -> None:
    catalogue = server.read(
        LOGS,
        "CREATE TABLE whole (id int) PARTITION BY LIST (id)",
        "CREATE TABLE piece PARTITION OF whole FOR VALUES IN (1)",
        "CREATE TRIGGER t AFTER UPDATE ON whole FOR EACH ROW EXECUTE FUNCTION logs()",
    )
    for key in ("public.whole", "public.piece"):
        assert [t.name for t in catalogue.tables[key].triggers] == ["t"]


def test_rules(server: Server) -> None:
    catalogue = server.read(
        "CREATE TABLE t (id int)",
        "CREATE TABLE log (id int)",
        "CREATE RULE also AS ON UPDATE TO t WHERE (old.id > 1) "
        "DO INSERT INTO log VALUES (new.id)",
        "CREATE RULE nothing AS ON DELETE TO t DO INSTEAD NOTHING",
        "CREATE RULE off AS ON INSERT TO t DO INSTEAD NOTHING",
        "ALTER TABLE t DISABLE RULE off",
    )
    also, nothing = catalogue.tables["public.t"].triggers
    assert (also.name, also.event, also.instead) == ("also", "UPDATE", False)
    assert also.uses == frozenset({"public.t", "public.log"})
    assert (nothing.event, nothing.instead) == ("DELETE", True)
    reach = Reach(DIALECT, catalogue)
    assert reach.touches(also) == {"public.t", "public.log"}
    effects = reach.effects([(catalogue.tables["public.t"], "UPDATE")])
    assert effects.written == {"public.t", "public.log"}


def test_functions(server: Server) -> None:
    atomic = server.raw.info.server_version >= 140000
    catalogue = server.read(
        "CREATE TABLE t (id int)",
        "CREATE SCHEMA s",
        "CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS "
        "'SELECT count(*)::int FROM t'",
        "CREATE FUNCTION s.f(text, int DEFAULT s.f()) RETURNS int LANGUAGE plpgsql AS "
        "'BEGIN RETURN 2; END'",
        "CREATE FUNCTION new() RETURNS bigint LANGUAGE sql "
        + (
            "BEGIN ATOMIC SELECT count(*) + s.f() FROM t; END"
            if atomic
            else "AS 'SELECT count(*) + s.f() FROM t'"
        ),
        "CREATE FUNCTION step(int, int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE AGGREGATE total (int) (SFUNC = step, STYPE = int)",
        "CREATE FUNCTION cast_it(point) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE CAST (point AS int) WITH FUNCTION cast_it",
        "CREATE FUNCTION checked(int) RETURNS bool LANGUAGE sql AS 'SELECT true'",
        "CREATE DOMAIN d AS int CHECK (checked(VALUE))",
        "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = step)",
    )
    first, second = catalogue.called(["s", "f"])
    assert first.text == "SELECT count(*)::int FROM t"
    assert (first.language, first.reads) == ("sql", None)
    assert second.language == "plpgsql"
    assert second.calls == {"s.f"}
    assert "s.f()" in second.text
    assert catalogue.called(["f"]) == []
    (new,) = catalogue.called(["new"])
    if atomic:
        assert new.reads == frozenset({"public.t"})
        assert new.calls >= {"s.f", "pg_catalog.count"}
    (total,) = catalogue.called(["total"])
    assert total.calls == {"public.step"}
    (operator,) = catalogue.called(["==="])
    assert operator.calls == {"public.step"}
    assert not operator.language
    every = [one for many in catalogue.routines.values() for one in many]
    assert {one.name for one in every if one.implicit} == {"cast_it", "checked"}
    assert {"lower", "count", "pg_read_file"} <= catalogue.functions
    assert not {"f", "new", "total"} & catalogue.functions


def test_functions_of_extensions(server: Server) -> None:
    try:
        catalogue = server.read("CREATE EXTENSION citext")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("the server has no extensions")
    (hashed,) = catalogue.called(["citext_hash"])
    assert (hashed.extension, hashed.language) == ("citext", "c")
    assert {one.extension for one in catalogue.called(["~~"])} == {"citext"}
