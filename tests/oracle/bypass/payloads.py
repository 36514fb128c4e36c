"""Texts that attackers put into statements, made at random from a small grammar."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["AFTER", "BEFORE", "FITTING", "POINTS", "SQLITE", "Words", "payloads"]

#: What stands before a payload, and what after it.
Ends: TypeAlias = tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True)
class Words:
    """What a database calls what attackers look for."""

    points: Mapping[str, str]
    #: What closes and reopens the text round a place, and what it may be besides.
    fitting: Mapping[str, Ends]
    others: Ends
    tables: Sequence[str]
    #: For the first column of a UNION, and for the others.
    firsts: Sequence[str]
    columns: Sequence[str]
    wheres: Sequence[str]
    secrets: Sequence[str]
    #: Of a secret: what is true or false by it, and what fails by it.
    tests: Sequence[str]
    errors: Sequence[str]
    #: How either is put beside what is there.
    tested: Sequence[str]
    failing: Sequence[str]
    truths: Sequence[str]
    writes: Sequence[str]
    comments: Sequence[str]
    #: Other spellings of `orders`.
    spellings: Sequence[str]


#: What a careless program sends, with the place that a payload is put into.
POINTS = {
    "string": "SELECT id, status, total FROM orders WHERE status = '{}' AND total > 1",
    "like": "SELECT id, name FROM customers WHERE name LIKE '%{}%' ORDER BY id",
    "number": "SELECT id, status FROM orders WHERE id = {} AND total < 1000",
    "order": "SELECT id, status FROM orders ORDER BY {}",
    "limit": "SELECT id, status FROM orders ORDER BY id LIMIT {}",
    "list": "SELECT id, body FROM notes WHERE id IN ({})",
    "column": "SELECT {} FROM orders",
    "alias": "SELECT id AS {} FROM orders ORDER BY id",
    "table": "SELECT count(*) FROM {}",
    "join": "SELECT o.id, c.name FROM orders o LEFT JOIN customers c ON c.id = {}",
    "update": "UPDATE orders SET status = '{}' WHERE id = 101",
    "update where": "UPDATE log SET message = 'seen' WHERE id = {}",
    "insert": "INSERT INTO orders (id, tenant_id, status) VALUES (500, 7, '{}')",
    "insert number": "INSERT INTO log (id, message, tenant_id) VALUES (500, 'x', {})",
    "delete": "DELETE FROM orders WHERE id = {}",
    "script": "UPDATE log SET message = '{}' WHERE id = 1;",
}

#: What closes and reopens the text round the place, by the kind of place.
_QUOTED = ("' ", "open' ", "x'", "' OR 1 "), (" --", "--", "/*", " --\n")
_WITHIN = ("1 ", "101", "0 ", "(1)", "id ", "NULL "), ("", "", " --", " /*", "\n")
_LISTED = ("1) ", "101, 103) ", "1)"), (" --", "/*", "--")
FITTING: dict[str, Ends] = {
    **dict.fromkeys(("string", "update", "script"), _QUOTED),
    "like": (("%' ", "' "), (" --", "--", "/*")),
    "insert": (("x') ", "') "), (" --", "/*")),
    "insert number": (("7", "7) ", "(7"), (" --", ") --", "")),
    "list": _LISTED,
    "column": (("id ", "id, status ", "1 "), (" FROM orders --", "", " --", "/*")),
    "alias": (("x FROM orders ", "x, status FROM orders "), (" --", "/*")),
    "table": (("orders ", "notes ", "orders o WHERE 1 "), ("", " --", "/*")),
    **dict.fromkeys(
        ("number", "order", "limit", "join", "update where", "delete"), _WITHIN
    ),
}
BEFORE = ("", "", "'", "' ", "1", "0", "x'", "1)", "')", "1'", "%'", '"', "1 ", "*/")
AFTER = (
    "",
    "",
    "--",
    "-- ",
    " /*",
    "; --",
    " --'",
    "'",
    " AND '1'='1",
    ")",
    "\n",
    "#",
)
_TABLES = (
    "orders", "customers", "notes", "prices", "main.orders", '"orders"', "'orders'",
    "[Orders]", "ORDERS", "temp.orders", "all_orders", "words", "words_data", "log",
    "sqlite_master", "sqlite_temp_master", "sqlite_stat1", "dbstat",
    "pragma_table_info('orders')", "json_each('[1]')", "(SELECT * FROM orders)",
    "orders AS customers", "orders/**/", "orders o2", "nowhere",
)  # fmt: skip
_COLUMNS = (
    "id", "status", "total", "name", "email", "body", "sku", "amount", "tenant_id",
    "deleted_at", "rowid", "*", "max(id)", "count(*) OVER ()", "NULL", "1", "sql",
    '"status"', "hex(status)", "length(name)", "quote(body)", "typeof(total)",
)  # fmt: skip
_SECRETS = (
    "SELECT status FROM orders WHERE id = 103",
    "SELECT total FROM orders WHERE id = 102",
    "SELECT max(total) FROM orders",
    "SELECT min(body) FROM notes WHERE id IN (2, 3, 5)",
    "SELECT count(*) FROM orders WHERE tenant_id = 8",
    "SELECT max(email) FROM customers WHERE tenant_id <> 7",
    "SELECT max(amount) FROM prices",
    "SELECT max(name) FROM main.customers WHERE deleted_at IS NOT NULL",
    "SELECT body FROM words WHERE words MATCH 'tenant'",
    "SELECT max(status) FROM all_orders",
    "WITH orders AS (SELECT * FROM main.orders) SELECT max(status) FROM orders",
)
_WRITES = (
    "DELETE FROM orders", "UPDATE orders SET tenant_id = 7", "DROP TABLE orders",
    "UPDATE customers SET email = NULL", "DELETE FROM main.customers WHERE 1",
    "INSERT INTO log (message) SELECT status FROM orders", "DELETE FROM notes",
    "INSERT OR REPLACE INTO orders (id, tenant_id) VALUES (103, 7)",
    "REPLACE INTO notes VALUES (3, 101, 'mine')", "PRAGMA writable_schema = 1",
    "UPDATE OR REPLACE orders SET id = 103 WHERE id = 101", "DROP VIEW all_orders",
    "INSERT INTO prices VALUES (8, 'bolt', 1, NULL) ON CONFLICT DO NOTHING",
    "CREATE VIEW v AS SELECT * FROM orders", "ATTACH ':memory:' AS x", "VACUUM",
    "CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM orders; END",
    "ALTER TABLE orders RENAME TO mine", "COMMIT", "ROLLBACK", "INSERT INTO events "
    "(what) VALUES ('x')", "CREATE TABLE kept AS SELECT * FROM orders",
)  # fmt: skip

_TESTS = (
    "substr(({}), 1, 1) = 'g'",
    "({}) LIKE 'gh%'",
    "({}) > 9000",
    "length(({})) BETWEEN 1 AND 99",
    "({}) IS NOT NULL",
    "unicode(({})) > 64",
    "EXISTS ({})",
    "1 IN ({})",
    "({}) GLOB '[a-z]*'",
)
_ERRORS = (
    "json_extract('{{}}', '$' || ({}))",
    "CASE WHEN ({}) > 9000 THEN json('{{') ELSE 1 END",
    "abs(CASE WHEN ({}) IS NULL THEN 1 ELSE -9223372036854775807 - 1 END)",
    "json(({}))",
    "load_extension(({}))",
    "zeroblob(CASE WHEN ({}) IS NULL THEN 1 ELSE 9999999999 END)",
    "printf('%d', ({}))",
    "json_extract('{{}}', '$' || status)",
    "json(CASE WHEN tenant_id = 8 THEN '{{' ELSE '1' END)",
)
SQLITE = Words(
    points=POINTS,
    fitting=FITTING,
    others=(BEFORE, AFTER),
    tables=_TABLES,
    firsts=_COLUMNS,
    columns=_COLUMNS,
    wheres=("", "", " WHERE 1", " WHERE tenant_id = 8", " WHERE id = 103"),
    secrets=_SECRETS,
    tests=_TESTS,
    errors=_ERRORS,
    tested=(" OR {}", " AND {}", " OR NOT {}", "*({})", " = ({})"),
    failing=(" AND {}", " OR {}", "+{}", ", {}", "||{}"),
    truths=("1=1", "tenant_id = 8", "1 OR 1", "NULL IS NULL"),
    writes=_WRITES,
    comments=(
        " --", "/*", "/* */ OR 1", " OR 1 -- x", "/*!50000 OR 1*/", " -- \n OR 1",
        " OR/**/1", "*/ OR 1 /*", " OR 1 #", "--\n;", " OR '' = '", ') OR ("" = "',
    ),
    spellings=('"orders"', "[orders]", "`orders`"),
)  # fmt: skip


def payloads(words: Words, seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Pairs of an injection point's name and a payload."""
    rng = random.Random(seed)
    kinds = (_union, _boolean, _error, _stacked, _comment, _expression, _nested)
    points = list(words.points)
    for number in range(count):
        point = points[number % len(points)]
        body = rng.choice(kinds)(rng, words)
        before, after = words.fitting[point]
        if rng.random() < 0.2:
            before, after = words.others
        payload = rng.choice(before) + body + rng.choice(after)
        yield point, _disguised(rng, words, payload)


def _union(rng: random.Random, words: Words) -> str:
    number = rng.choice((1, 2, 2, 2, 3, 3))
    kinds = [words.firsts, *[words.columns] * (number - 1)]
    columns = ", ".join(rng.choice(kind) for kind in kinds)
    join = rng.choice(("UNION", "UNION ALL", "EXCEPT", "INTERSECT", "union/**/all"))
    where = rng.choice(words.wheres)
    return f" {join} SELECT {columns} FROM {rng.choice(words.tables)}{where}"


def _boolean(rng: random.Random, words: Words) -> str:
    secret = rng.choice(words.secrets)
    test = rng.choice(words.tests).format(secret)
    return rng.choice(words.tested).format(rng.choice((test, test, *words.truths)))


def _error(rng: random.Random, words: Words) -> str:
    secret = rng.choice(words.secrets)
    test = rng.choice(words.errors).format(secret)
    return rng.choice(words.failing).format(test)


def _stacked(rng: random.Random, words: Words) -> str:
    writes = "; ".join(rng.choice(words.writes) for _ in range(rng.randint(1, 2)))
    return f"; {writes}{rng.choice(('', ';'))}"


def _comment(rng: random.Random, words: Words) -> str:
    more = rng.choice(("", " OR tenant_id = 8", " OR deleted_at IS NOT NULL"))
    return rng.choice(words.comments) + more


def _expression(rng: random.Random, words: Words) -> str:
    return rng.choice(
        ("({})", "1, ({})", "1 + ({})", "' || ({}) || '", "max(({}))")
    ).format(rng.choice(words.secrets))


def _nested(rng: random.Random, words: Words) -> str:
    inner = rng.choice((_union, _boolean))(rng, words)
    depth = rng.randint(1, 3)
    return f" IN ({'SELECT id FROM orders WHERE id IN (' * depth}1{inner}{')' * depth})"


def _disguised(rng: random.Random, words: Words, text: str) -> str:
    """Written in another way that databases read the same, at times."""
    way = rng.randrange(10)
    if way == 0:
        return text.replace(" ", "/**/")
    if way == 1:
        return "".join(rng.choice((c.lower(), c.upper())) for c in text)
    if way == 2:
        return text.replace(" ", rng.choice(("\t", "\n", "\r\n", "\f", "  ")))
    if way == 3:
        return text.replace("orders", rng.choice(words.spellings))
    return text
