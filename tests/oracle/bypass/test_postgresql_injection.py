"""Injected texts on PostgreSQL: those of SQLite in its words, and some of its own."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from kysera_dbapi import PolicyViolation, UnsupportedStatement
from tests.oracle.bypass.payloads import POINTS, payloads
from tests.oracle.bypass.postgresql import PostgreSQL, answer, databases
from tests.oracle.bypass.tenants import shows_secret

SEED = 20_261_121
COUNT = 1_000
#: What SQLite calls so, and a bit of what PostgreSQL has besides.
_WORDS = {
    "main.": ("public.",),
    # the copy would be changed for good
    "COMMIT": ("LISTEN x", "SHOW search_path"),
    "ROLLBACK": ("NOTIFY x", "UNLISTEN x"),
    " OR 1": (" OR true", " OR id > 0"),
    "OR/**/1": ("OR/**/true",),
    " WHERE 1": (" WHERE true",),
    "(1) ": ("(101) OR true ",),
    "x' UNION": ("x' OR true UNION",),
    "temp.orders": ("pg_temp.orders",),
    "'orders'": ("prices_of_others", "of_caller"),
    "[Orders]": ('"orders"', "ONLY orders"),
    "[orders]": ('"orders"', "orders *"),
    "`orders`": ('U&"orders"',),
    "words_data": ("pg_stats", "prices_of_7"),
    "sqlite_master": ("pg_class", "pg_stats"),
    "sqlite_temp_master": ("pg_catalog.pg_statistic",),
    "sqlite_stat1": ("pg_stat_activity", "pg_stat_user_tables"),
    "dbstat": ("pg_prepared_statements",),
    "pragma_table_info('orders')": ("secret()", "ROWS FROM (secret())"),
    "json_each('[1]')": ("LATERAL (SELECT * FROM orders) l", "unnest(ARRAY[1])"),
    "load_extension(": ("pg_read_file(", "run_it("),
    "json_extract('{}', '$' || ": ("wiped(1 + ", "secret_of(("),
    "zeroblob(": ("repeat('x', ", "pg_sleep(0 * "),
    "printf('%d', ": ("format('%s', ",),
    "json(": ("json(", "secret() || (", "query_to_xml("),
    "unicode(": ("ascii(",),
    " GLOB ": (" ~ ", " @@@ ", " SIMILAR TO "),
    "rowid": ("ctid", "tableoid", "orders", "xmin"),
    "hex(status)": ("orders::text", "(orders).status", "orders.secret_of"),
    "typeof(total)": ("row_to_json(orders)", "pg_typeof(total)", "(orders.*)::text"),
    "quote(body)": ("notes.*", "quote_literal(body)"),
    "PRAGMA writable_schema = 1": (
        "SET standard_conforming_strings = off",
        "UPDATE pg_settings SET setting = 'x' WHERE name = 'search_path'",
        "SET search_path = public",
    ),
    "ATTACH ':memory:' AS x": ("LOCK orders", "DO $$ BEGIN END $$"),
    "VACUUM": ("TRUNCATE prices_of_others", "TABLE orders", "EXECUTE x"),
    "REPLACE INTO notes VALUES": ("INSERT INTO notes VALUES",),
    "INSERT OR REPLACE INTO": ("INSERT INTO", "MERGE INTO"),
}


def spelled(rng: random.Random, text: str) -> str:
    """A payload in PostgreSQL's words."""
    for word, others in _WORDS.items():
        if word in text:
            text = text.replace(word, rng.choice(others))
    return text


def texts() -> Iterator[str]:
    """What a careless program sends."""
    rng = random.Random(SEED)
    for point, payload in payloads(SEED, COUNT):
        yield POINTS[point].replace("{}", spelled(rng, payload))


def outcome(tenants: PostgreSQL, sql: str) -> str:
    """What came of a text: same, refused, error; raises for anything else."""
    with tenants.undone():
        got, due = answer(tenants.shim, sql), answer(tenants.copy, sql)
        assert not shows_secret(got, sql), f"{sql!r} shows {got}"
        stopped = isinstance(got[0], (UnsupportedStatement, PolicyViolation))
        failed = any(isinstance(one[0], Exception) for one in (got, due))
        faults = tenants.faults(hidden_alone=failed)
        assert not faults, f"{sql!r}: {faults}"
        if stopped:
            return "refused"
        if failed:
            return "error"
        assert got == due, f"{sql!r}: {got}, due {due}"
        return "same"


@pytest.mark.parametrize("mode", ["normal", "strict"])
def test_no_payload_leads_out_of_the_tenant(postgresql_url: str, mode: str) -> None:
    with databases(postgresql_url) as urls:
        tenants = PostgreSQL(urls, mode=mode)
        tally: Counter[Any] = Counter(outcome(tenants, sql) for sql in texts())
        tenants.close()
    assert min(tally["same"], tally["refused"]) > COUNT / 20, tally


def test_the_payloads_are_attacks(postgresql_url: str) -> None:
    """Without the plugins they show hidden rows."""
    shown = 0
    with databases(postgresql_url) as urls:
        tenants = PostgreSQL(urls)
        for sql in texts():
            shown += shows_secret(answer(tenants.full, sql), sql)
            tenants.full.rollback()
        tenants.close()
    assert shown > COUNT / 70, shown
