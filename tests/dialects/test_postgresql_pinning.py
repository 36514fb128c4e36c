"""No function or operator of somebody's own takes the place of one in a policy."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from kysera_dbapi.plugins import (
    Policy,
    RowLevelSecurity,
    SoftDelete,
    filter_,
    tenant_isolation,
)

SCHEMA = """
CREATE TABLE notes (
    id integer PRIMARY KEY, tenant varchar(9), owner varchar(9), number numeric,
    flag numeric
);
INSERT INTO notes VALUES (1, 'a', 'Ann', 1, 0), (2, 'b', 'Bob', 2, 1);
CREATE TABLE teams (name varchar(9), boss varchar(9));
INSERT INTO teams VALUES ('a', 'Ann');
"""
#: What somebody who may create things in a schema of the path can put there.
PLANTED = """
CREATE FUNCTION {0}.yes(varchar, varchar) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION {0}.yes(numeric, integer) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR {0}.= (FUNCTION = {0}.yes, LEFTARG = varchar, RIGHTARG = varchar);
CREATE OPERATOR {0}.~~ (FUNCTION = {0}.yes, LEFTARG = varchar, RIGHTARG = varchar);
CREATE OPERATOR {0}.<= (FUNCTION = {0}.yes, LEFTARG = varchar, RIGHTARG = varchar);
CREATE OPERATOR {0}.>= (FUNCTION = {0}.yes, LEFTARG = varchar, RIGHTARG = varchar);
CREATE OPERATOR {0}.= (FUNCTION = {0}.yes, LEFTARG = numeric, RIGHTARG = integer);
CREATE FUNCTION {0}.lower(varchar) RETURNS varchar LANGUAGE sql AS $$ SELECT 'ann' $$;
"""
POLICIES: dict[str, Any] = {
    "isolation": tenant_isolation("tenant", ["notes"]),
    "equal": Policy("notes", using="tenant = :tenant"),
    "call": Policy("notes", using="lower(owner) = 'ann'"),
    "list": Policy("notes", using="tenant IN :tenants"),
    "values": Policy("notes", using="tenant IN ('a', 'c')"),
    "mixed": Policy("notes", using="tenant IN (:tenant, 'c')"),
    "select": Policy(
        "notes", using="tenant IN (SELECT t.name FROM teams t WHERE t.boss = 'Ann')"
    ),
    "exists": Policy(
        "notes",
        using="EXISTS (SELECT 1 FROM teams t WHERE t.name = notes.tenant)",
    ),
    "like": Policy("notes", using="owner LIKE 'A%'"),
    "between": Policy("notes", using="owner BETWEEN 'Am' AND 'Ao'"),
    "distinct": Policy("notes", using="NOT (owner IS DISTINCT FROM 'Ann')"),
    "function": filter_("notes", lambda context: {"tenant": context["tenant"]}),
    "lists": filter_("notes", lambda context: {"tenant": ["a", "c"]}),
    "number": Policy("notes", using="number = 1"),
}


@pytest.fixture
def raw(postgresql_url: str) -> Iterator[Any]:
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as made:
        made.execute(cast("Any", SCHEMA))
        yield made


def seen(connection: Any, mark: str = "") -> list[Any]:
    with kysera_dbapi.context(tenant="a", tenants=["a", "c"]):
        return [row[0] for row in connection.execute(f"SELECT id{mark} FROM notes")]


@pytest.mark.parametrize("schema", ["public", "mine"])
@pytest.mark.parametrize("name", POLICIES)
def test_nothing_that_is_planted_captures_a_policy(
    raw: Any, name: str, schema: str
) -> None:
    if schema == "mine":
        raw.execute("CREATE SCHEMA mine; SET search_path = public, mine")
    connection = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(POLICIES[name])])
    assert seen(connection) == [1]
    raw.execute(PLANTED.format(schema))
    raw.execute("DISCARD PLANS")
    # a known text, a new one, and those of a connection that is made now
    assert seen(connection) == [1]
    assert seen(connection, " + 0") == [1]
    again = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(POLICIES[name])])
    assert seen(again) == [1]


def test_what_is_planted_captures_what_is_bare(raw: Any) -> None:
    raw.execute(PLANTED.format("public"))
    for condition in (
        "tenant = 'a'",
        "lower(owner) = 'ann'",
        "tenant IN ('a', 'c')",
        "owner LIKE 'A%'",
        "owner BETWEEN 'Am' AND 'Ao'",
        "owner IS NOT DISTINCT FROM 'Ann'",
        "number = 1",
    ):
        shown = raw.execute(f"SELECT count(*) FROM notes WHERE {condition}").fetchone()
        assert shown == (2,), condition


@pytest.mark.parametrize("null", ["NULL", "NOT NULL"])
def test_nothing_captures_a_mark(raw: Any, null: str) -> None:
    if null == "NOT NULL":
        raw.execute("ALTER TABLE notes ALTER flag SET NOT NULL")
    raw.execute(PLANTED.format("public"))
    plugin = SoftDelete({"notes": {"column": "flag", "flag": True}})
    connection: Any = kysera_dbapi.wrap(raw, plugins=[plugin])
    assert seen(connection) == [1]
    with kysera_dbapi.only_deleted():
        assert seen(connection) == [2]


#: Each plans as it does when it is written so.
CONDITIONS = """
tenant = 'a'
tenant <> 'a'
tenant != 'a' OR owner = 'Ann' AND NOT number > 2
NOT tenant = 'a'
id = 1
id IN (1, 2)
id IN (-1, +2)
number IN (1, 2.5)
tenant IN ('a', 'it''s', 'c,d', '{}', ' ')
tenant NOT IN ('a', 'b')
on_day IN ('2020-01-01', '2021-01-01')
code IN ('00000000-0000-0000-0000-000000000001')
mood IN ('sad', 'glad')
tenant IN (SELECT t.name FROM teams t)
tenant NOT IN (SELECT t.name FROM teams t WHERE t.boss = 'Ann' AND t.name > 'a')
(id, tenant) IN (SELECT 1, t.name FROM teams t)
EXISTS (SELECT 1 FROM teams t JOIN teams u ON u.name = t.name WHERE t.boss = 'x')
id = ANY (tags)
id <> ALL (tags)
id = ANY (ARRAY[1, 2])
id < ANY (SELECT t.size FROM teams t)
tags @> ARRAY[1] AND tags && '{2}'
tags[1] = 1
tags[id + 1] = id * 2
data ->> 'a' = 'b'
data -> 'a' ->> 'b' LIKE 'x%'
data @> '{"a": 1}'
data ? 'a'
data #>> '{a,b}' = 'c'
(data ->> 'n')::int > 2
(data ->> 'n')::numeric(9, 2) > 2
CAST(data ->> 'n' AS double precision) > 2
owner LIKE 'A%'
owner NOT ILIKE 'a%'
owner LIKE lower(tenant) || '%'
owner ~ '^A' AND owner !~* 'b'
id BETWEEN 1 AND 2
id NOT BETWEEN 1 AND 2 + 3
on_day BETWEEN date '2020-01-01' AND date '2021-01-01' AND id = 1
at_noon > now() - interval '1 day'
at_noon > now() - interval '1' day
at_noon <= CURRENT_TIMESTAMP AND at_noon::date = CURRENT_DATE
at_noon AT TIME ZONE 'UTC' > timestamp '2020-01-01'
date_trunc('day', at_noon) = at_noon
extract(year FROM at_noon) = 2020
substring(owner FROM 1 FOR 2) = 'An'
substring(owner, 1, 2) = 'An'
trim(owner) = 'Ann' OR trim(BOTH 'x' FROM owner) = 'y'
coalesce(number, 0) + 1 > id * 2 - 1
greatest(id, 3) = 3
id % 2 = 1
id / 2 + id * 2 ^ 2 > 0 - id
- 5 < id
id = -1
id=-1
id - -1 = 2
id # 1 | 2 = 3
number IS NULL
number IS NOT NULL = true
(number = 1) IS TRUE
(number = 1) IS NOT FALSE
number ISNULL OR number NOTNULL
owner COLLATE "C" < 'B'
owner = 'A' || 'nn'
owner || tenant = 'Anna'
CASE WHEN id = 1 THEN tenant ELSE owner END = 'a'
owner LIKE 'a!%b%' ESCAPE '!'
owner SIMILAR TO 'a#%b%' ESCAPE '#'
owner NOT SIMILAR TO '(a|b)%'
CASE WHEN id > 1 THEN true WHEN owner = 'x' THEN false END
(id, tenant) = (1, 'a')
(SELECT count(*) FROM teams t WHERE t.name = notes.tenant) > 0
(SELECT max(t.size) FILTER (WHERE t.boss = 'Ann') FROM teams t) = id
(SELECT t.size FROM teams t ORDER BY t.size DESC LIMIT 1) = id
tenant IN (SELECT t.name FROM teams t UNION SELECT u.boss FROM teams u)
tenant IN (SELECT t.name FROM (SELECT v.name FROM teams v WHERE v.size = 1) t)
tenant IN (SELECT t.name FROM teams t GROUP BY t.name HAVING count(DISTINCT t.size) > 1)
id = (SELECT sum(t.size) OVER (ORDER BY t.size) FROM teams t LIMIT 1)
id IN (VALUES (1), (2))
active
NOT active AND true
active = true
mood = 'sad'
mood < 'glad'
tenant OPERATOR(pg_catalog.=) 'a'
pg_catalog.lower(owner) = 'ann'
tenant::text = 'a'::text
id::bigint::text = '1'
'a' = tenant
$$a$$ = tenant
cardinality(tags) = 1 AND array_length(tags, 1) = 1
int4range(1, id) @> 2
row_security_active('notes')
mine(id) = 2
tenant OPERATOR(public.===) 'a'
""".strip().splitlines()

COLUMNS = """
CREATE TYPE mood AS ENUM ('sad', 'glad');
ALTER TABLE notes ADD on_day date, ADD at_noon timestamptz, ADD code uuid,
    ADD tags integer[], ADD data jsonb, ADD mood mood, ADD active boolean;
ALTER TABLE teams ADD size integer;
CREATE INDEX ON notes (tenant);
CREATE INDEX ON notes (owner text_pattern_ops);
CREATE INDEX ON notes (number);
CREATE INDEX ON notes (on_day);
CREATE FUNCTION mine(integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN 2; END';
CREATE FUNCTION same(varchar, varchar) RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN RETURN $1 OPERATOR(pg_catalog.=) $2; END';
CREATE OPERATOR === (FUNCTION = same, LEFTARG = varchar, RIGHTARG = varchar);
INSERT INTO notes SELECT i, i, i, i, i % 2 FROM generate_series(10, 2000) i;
ANALYZE;
"""


def plan(raw: Any, sql: str) -> list[Any]:
    explained = raw.execute(cast("Any", f"EXPLAIN (VERBOSE, COSTS OFF) {sql}"))
    return [re.sub(r"\b(_k\d+|[tuv])\b", "t", row[0]) for row in explained]


def test_conditions_plan_as_they_do_when_they_are_written_by_hand(raw: Any) -> None:
    raw.execute(COLUMNS)
    different: list[str] = []
    for condition in CONDITIONS:
        policy = Policy("notes", using=condition)
        connection: Any = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(policy)])
        sent = connection.explain("SELECT notes.id FROM notes").sql
        by_hand = f"SELECT notes.id FROM notes WHERE {condition}"
        if plan(raw, sent) != plan(raw, by_hand):
            different.append(
                f"{by_hand}\n{sent}\n{plan(raw, by_hand)}\n{plan(raw, sent)}"
            )
    assert different == []


#: Those that are not spelled as they are written, and what PostgreSQL takes them for.
SPELLED = """
tenant NOT LIKE ALL (ARRAY['a%', 'b%'])
tenant NOT LIKE ANY (ARRAY['a%', 'b%'])
owner NOT ILIKE ALL (ARRAY['A%', '%3'])
owner LIKE ALL (ARRAY['1%', '%3'])
tenant NOT LIKE '1%'
tenant IS DISTINCT FROM 'a'
tenant IS NOT DISTINCT FROM :tenant
:tenant IS DISTINCT FROM owner
mood IS NOT DISTINCT FROM NULL
place IS DISTINCT FROM NULL
place IS NOT DISTINCT FROM NULL
place IS NOT DISTINCT FROM ROW(NULL, NULL)::public.place
place IS DISTINCT FROM ROW(1, NULL)::public.place
(id, number) IN ((10, 10), (11, 3), (12, 12))
(id, tenant) < (12, 'b')
owner LIKE '1!%' ESCAPE '!'
owner LIKE '1!_' ESCAPE '!' OR owner LIKE '%9' ESCAPE ''
owner NOT LIKE '1!%' ESCAPE '!'
owner ILIKE '%!%' ESCAPE '?' OR id < 100
owner NOT ILIKE 'A!%' ESCAPE '!'
owner SIMILAR TO '1(0|1)_?'
owner SIMILAR TO 'a#_%' ESCAPE '#'
owner NOT SIMILAR TO '1(0|1)%'
NOT owner SIMILAR TO '1%' AND id > 20
NULLIF(tenant, 'a') = '10'
NULLIF(tenant, 'a') IS NULL
NULLIF(id, 10) IS NULL
NULLIF(notes.id, 10) / 4 = 2
NULLIF(:tenant, '') = tenant
tenant = :tenant::text
tenant = ANY (ARRAY[:tenant :: varchar, 'x'::text]) AND :yes::boolean
NULLIF(:tenant, 'a') IS NULL
CASE id WHEN 10 THEN true WHEN 11 THEN owner = '11' ELSE id = 13 END
CASE tenant WHEN 'a' THEN 1 WHEN NULL THEN 2 END = 1
CASE tenant WHEN 'a' THEN 1 WHEN 'a' THEN 2 ELSE 3 END < 3
CASE :tenant WHEN 'a' THEN id = 12 ELSE false END
CASE active WHEN id = 12 THEN id WHEN true THEN 1 END = 1
CASE mood WHEN 'sad' THEN CASE id WHEN 13 THEN true END END
position('0' IN owner) = 2
position(owner IN '1011') > 0
position(owner || '' IN '10' || '11') > position('x' IN owner) AND id > 1
true
(true)
NULL
active
:yes
""".strip().splitlines()


def test_conditions_find_what_they_find_when_they_are_written_by_hand(raw: Any) -> None:
    raw.execute(COLUMNS)
    raw.execute("CREATE TYPE place AS (x integer, y integer)")
    raw.execute("ALTER TABLE notes ADD place place")
    raw.execute("UPDATE notes SET place = (NULL, NULL) WHERE id % 3 = 0")
    raw.execute("UPDATE notes SET place = (1, NULL), mood = 'sad' WHERE id % 3 = 1")
    raw.execute("UPDATE notes SET active = id % 2 = 0 WHERE id % 5 < 3")
    raw.execute("UPDATE notes SET owner = '1%' WHERE id = 20")
    raw.execute("UPDATE notes SET owner = 'a_b' WHERE id = 21")
    for condition in SPELLED:
        policy = Policy("notes", using=condition)
        connection: Any = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(policy)])
        by_hand = condition.replace(":tenant", "'a'").replace(":yes", "true")
        due = raw.execute(f"SELECT id FROM notes WHERE {by_hand} ORDER BY id")
        with kysera_dbapi.context(tenant="a", yes=True):
            assert sorted(seen(connection)) == [row[0] for row in due], condition


#: Each says what to write.
UNCLEAR = {
    "-id = 1": "before its operand",
    "~id = 1": "before its operand",
    "NULLIF(id, 1.5) = 2": "NULLIF",
    "NULLIF(id, number) = 2": "NULLIF",
    "NULLIF(id, -1) = 2": "NULLIF",
    "NULLIF(random(), 1) = 2": "NULLIF",
    "NULLIF(id::text, '') = '2'": "NULLIF",
    "NULLIF(label, 'a') IS NULL": "OPERATOR(public.=)",
    "position(label IN 'a') = 1": "public.lower",
    "owner LIKE 'a' ESCAPE owner": "ESCAPE",
    "label LIKE 'a!%' ESCAPE '!'": "OPERATOR(public.",
    "label SIMILAR TO 'a'": "OPERATOR(public.",
    "owner SIMILAR 'a'": "",
    "CASE random() WHEN 1 THEN true END": "CASE",
    "CASE id + 1 WHEN 1 THEN true END": "CASE",
    "CASE label WHEN 'a' THEN true END": "OPERATOR(public.=)",
    "overlay(owner PLACING 'a' FROM 1) = 'a'": "overlay",
    "(id, tenant) IS DISTINCT FROM (1, 'a')": "IS DISTINCT FROM of two rows",
    "id BETWEEN SYMMETRIC 2 AND 1": "SYMMETRIC",
    "EXISTS (SELECT 1 FROM teams t JOIN teams u USING (name))": "USING",
    "status::mood = 'sad'": "",
    "mood = 'sad'::mood": "with its schema",
    "label = 'a'": "OPERATOR(public.=)",
    "lower(label) = 'a'": "public.lower",
    "owner = 'a'::public.citext": "OPERATOR(public.=)",
    "nowhere(id)": "",
}


def test_what_cannot_be_pinned_is_refused(raw: Any) -> None:
    raw.execute(COLUMNS)
    raw.execute("CREATE EXTENSION citext; ALTER TABLE notes ADD label citext")
    raw.execute(
        "CREATE FUNCTION lower(citext) RETURNS citext LANGUAGE sql AS 'SELECT $1'"
    )
    for condition, said in UNCLEAR.items():
        plugin = RowLevelSecurity(Policy("notes", using=condition))
        with pytest.raises(kysera_dbapi.Error) as caught:
            kysera_dbapi.wrap(raw, plugins=[plugin]).execute("SELECT id FROM notes")
        assert said in str(caught.value), condition


def test_operators_of_other_types_are_written_with_their_schema(raw: Any) -> None:
    raw.execute("CREATE EXTENSION citext; ALTER TABLE notes ADD label citext")
    raw.execute("UPDATE notes SET label = owner")
    for condition in (
        "label OPERATOR(public.=) 'ANN'",
        "label OPERATOR(public.=) (:tenant || 'nn')::public.citext",
        "tenant = 'a' AND id < 9",
        "public.strpos(label, 'ANN') OPERATOR(pg_catalog.=) 1",
    ):
        plugin = RowLevelSecurity(Policy("notes", using=condition))
        assert seen(kysera_dbapi.wrap(raw, plugins=[plugin])) == [1], condition


def test_a_policy_reads_no_table_of_the_callers_making(raw: Any) -> None:
    policy = Policy(
        "notes", using="tenant IN (SELECT t.name FROM teams t WHERE t.boss = 'Ann')"
    )
    connection: Any = kysera_dbapi.wrap(raw, plugins=[RowLevelSecurity(policy)])
    connection.execute("CREATE TEMP TABLE teams (name varchar(9), boss varchar(9))")
    connection.execute("INSERT INTO pg_temp.teams VALUES ('b', 'Ann')")
    assert seen(connection) == [1]
    connection.execute("CREATE SCHEMA mine")
    connection.execute("CREATE TABLE mine.teams (name varchar(9), boss varchar(9))")
    connection.execute("INSERT INTO mine.teams VALUES ('b', 'Ann')")
    connection.execute("SET search_path = mine, public")
    assert seen(connection) == [1]
    connection.execute("SET search_path = mine")
    found = connection.execute("SELECT id FROM public.notes").fetchall()
    assert found == [(1,)]
