"""The kinds of SQLite's statements, and what becomes of each.

https://www.sqlite.org/lang.html
"""

from collections.abc import Sequence
from itertools import pairwise

from kysera_dbapi.dialect import Rule

__all__ = [
    "MODULES",
    "PRAGMAS",
    "READ_PRAGMAS",
    "RULES",
    "classify",
    "evaluates",
    "statement_ends",
]

#: Pragmas that show no row and change nothing that a filter stands on. The checks are
#: of what is stored: of a broken row, hidden or not, they tell table and rowid.
PRAGMAS = frozenset(
    """
analysis_limit application_id auto_vacuum automatic_index busy_timeout cache_size
cache_spill cell_size_check checkpoint_fullfsync collation_list
compile_options data_version database_list defer_foreign_keys encoding foreign_key_check
foreign_key_list freelist_count fullfsync function_list hard_heap_limit
incremental_vacuum index_info index_list index_xinfo integrity_check journal_mode
journal_size_limit legacy_alter_table locking_mode max_page_count mmap_size module_list
optimize page_count page_size pragma_list query_only quick_check read_uncommitted
recursive_triggers reverse_unordered_selects secure_delete shrink_memory soft_heap_limit
stats synchronous table_info table_list table_xinfo threads trusted_schema user_version
wal_autocheckpoint wal_checkpoint
""".split()
)

#: Harmless as long as they are only asked: setting them would show nothing, but changes
#: how columns are named, or hides a change of the schema.
READ_PRAGMAS = frozenset(
    """
full_column_names schema_version short_column_names
""".split()
)

#: Their definitions name all that they read.
MODULES = frozenset(
    "fts3 fts3tokenize fts4 fts4aux fts5 fts5vocab geopoly rtree rtree_i32".split()
)

_QUOTES = "'`[]" + '"'
_COLLATIONS = frozenset(("BINARY", "NOCASE", "RTRIM"))
_FROZEN = "its text would be kept and run outside the shim"

RULES = (
    Rule(
        "select",
        "`SELECT`, `VALUES`, `WITH ... SELECT`",
        "planned",
        "every relation it reads is filtered",
        (
            "SELECT * FROM orders",
            "VALUES ((SELECT count(*) FROM orders))",
            "WITH c AS (SELECT * FROM orders) SELECT comment FROM c",
        ),
    ),
    Rule(
        "insert",
        "`INSERT`, `INSERT OR ...`, `REPLACE`",
        "planned",
        "its sources and sub-selects are filtered; see the plugins for its target",
        (
            "INSERT INTO log SELECT id + 10, comment FROM orders",
            "INSERT OR IGNORE INTO log SELECT id, comment FROM orders",
            "REPLACE INTO log SELECT id, comment FROM orders",
        ),
    ),
    Rule(
        "update",
        "`UPDATE`, `UPDATE OR ...`",
        "planned",
        "its target and every relation it reads are filtered",
        (
            "UPDATE orders SET total = 1",
            "UPDATE OR FAIL log SET text = (SELECT max(comment) FROM orders)",
        ),
    ),
    Rule(
        "delete",
        "`DELETE`",
        "planned",
        "its target and every relation it reads are filtered; soft delete makes it "
        "an UPDATE",
        (
            "DELETE FROM orders WHERE total > 10",
            "DELETE FROM log WHERE id IN (SELECT id FROM orders)",
        ),
    ),
    Rule(
        "explain",
        "`EXPLAIN`, `EXPLAIN QUERY PLAN` of the above (of those below: as they are)",
        "planned",
        "shows how the edited statement would run",
        ("EXPLAIN QUERY PLAN SELECT * FROM orders", "EXPLAIN DELETE FROM orders"),
    ),
    Rule(
        "create table as",
        "`CREATE [TEMP] TABLE ... AS SELECT`",
        "planned",
        "the SELECT is filtered, so the copy holds what the caller may see",
        (
            "CREATE TABLE copy AS SELECT * FROM orders",
            "CREATE TEMP TABLE copy AS VALUES (4 IN (SELECT id FROM orders))",
        ),
        effect="catalogue",
    ),
    Rule(
        "transaction",
        "`BEGIN`, `COMMIT`, `END`, `ROLLBACK`, `SAVEPOINT`, `RELEASE`",
        "passed",
        "touches no row by itself; the transaction stack follows it",
        ("BEGIN IMMEDIATE", "SAVEPOINT orders"),
        effect="transaction",
    ),
    Rule(
        "pragma",
        "`PRAGMA` of the list below",
        "passed",
        "shows no row and changes nothing that a filter stands on",
        ("PRAGMA table_info(orders)", "PRAGMA main.user_version"),
    ),
    Rule(
        "catalogue pragma",
        "`PRAGMA foreign_keys`, `PRAGMA temp_store`",
        "passed",
        "the catalogue is read again: foreign keys act or do not, temporary tables are "
        "gone",
        ("PRAGMA foreign_keys = ON", "PRAGMA temp_store = MEMORY"),
        effect="catalogue",
        outside=True,
    ),
    Rule(
        "other pragma",
        "any other `PRAGMA`",
        "refused",
        "unknown pragmas, `writable_schema` and the like can go round a filter; "
        "without a journal a write that violates a policy is not undone",
        (
            "PRAGMA writable_schema = 1",
            "PRAGMA journal_mode = OFF",
            "PRAGMA unheard_of",
        ),
    ),
    Rule(
        "create table",
        "`CREATE [TEMP] TABLE`",
        "passed",
        "defines a table; catalogue and plans are dropped",
        ("CREATE TABLE lists (id INTEGER)", "CREATE TEMP TABLE orders (id INTEGER)"),
        effect="catalogue",
        refers=True,
    ),
    Rule(
        "create index",
        "`CREATE [UNIQUE] INDEX`",
        "passed",
        "changes no row; catalogue and plans are dropped",
        ("CREATE INDEX i ON orders (total)",),
        effect="catalogue",
    ),
    Rule(
        "create view",
        "`CREATE [TEMP] VIEW`",
        "passed",
        "refused if it names a protected table, or what reads one: " + _FROZEN,
        ("CREATE VIEW v AS SELECT * FROM log",),
        effect="catalogue",
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "create trigger",
        "`CREATE [TEMP] TRIGGER`",
        "passed",
        "refused if it names a protected table, or what reads one: " + _FROZEN,
        ("CREATE TRIGGER t AFTER INSERT ON log BEGIN SELECT 1; END",),
        effect="catalogue",
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "create virtual table",
        "`CREATE VIRTUAL TABLE` by a module of the list below",
        "passed",
        "refused if it names a protected table, or what reads one: it would read it "
        "unfiltered",
        ("CREATE VIRTUAL TABLE f USING fts5(body)",),
        effect="catalogue",
        names_protected=False,
        keeps_text=True,
    ),
    Rule(
        "other virtual table",
        "`CREATE VIRTUAL TABLE` by any other module",
        "refused",
        "a module may read files, or tables that its definition does not name",
        ("CREATE VIRTUAL TABLE f USING csv(filename='x')",),
    ),
    Rule(
        "add column",
        "`ALTER TABLE ... ADD [COLUMN]`",
        "passed",
        "changes no row; catalogue and plans are dropped",
        ("ALTER TABLE orders ADD COLUMN note TEXT",),
        effect="catalogue",
        refers=True,
    ),
    Rule(
        "alter table",
        "`ALTER TABLE` otherwise (`RENAME`, `DROP COLUMN`)",
        "passed",
        "refused if it names a protected table: it would take the protection away",
        ("ALTER TABLE log RENAME COLUMN id TO number",),
        effect="catalogue",
        names_protected=False,
    ),
    Rule(
        "drop",
        "`DROP TABLE`, `DROP VIEW`, `DROP INDEX`, `DROP TRIGGER`",
        "passed",
        "refused if it names a protected table, or if ON DELETE CASCADE leads to one: "
        "it would remove hidden rows",
        ("DROP TABLE log", "DROP VIEW everything", "DROP INDEX orders_comment"),
        effect="catalogue",
        names_protected=False,
        event="DELETE",
    ),
    Rule(
        "maintenance",
        "`ANALYZE`, `REINDEX`, `VACUUM`",
        "passed",
        "shows no row and changes none",
        ("ANALYZE", "REINDEX orders", "VACUUM"),
    ),
    Rule(
        "vacuum into",
        "`VACUUM INTO`",
        "refused",
        "copies hidden rows into another file; dump through the connection instead",
        ("VACUUM INTO 'copy.db'",),
    ),
    Rule(
        "attach",
        "`ATTACH`, `DETACH`",
        "refused",
        "gives tables a second name; do it under `bypass(...)`",
        ("ATTACH ':memory:' AS other", "DETACH other"),
        effect="catalogue",
        outside=True,
    ),
)

_BY_KIND = {rule.kind: rule for rule in RULES}
_FIRST = {
    "SELECT": "select",
    "VALUES": "select",
    "INSERT": "insert",
    "REPLACE": "insert",
    "UPDATE": "update",
    "DELETE": "delete",
    "BEGIN": "transaction",
    "COMMIT": "transaction",
    "END": "transaction",
    "ROLLBACK": "transaction",
    "SAVEPOINT": "transaction",
    "RELEASE": "transaction",
    "ANALYZE": "maintenance",
    "REINDEX": "maintenance",
    "ATTACH": "attach",
    "DETACH": "attach",
    "DROP": "drop",
}
_CREATE = {
    "TABLE": "create table",
    "INDEX": "create index",
    "VIEW": "create view",
    "TRIGGER": "create trigger",
    "VIRTUAL": "create virtual table",
}


def classify(words: Sequence[str], pragma: str, module: str) -> Rule | None:
    """The rule for a statement of these words, of that pragma, by that module."""
    first = words[0] if words else ""
    kind = _FIRST.get(first)
    if first == "CREATE":
        kind = _create(words)
    elif first == "ALTER":
        kind = "add column" if _adds_column(words) else "alter table"
    elif first == "VACUUM":
        kind = "vacuum into" if "INTO" in words else "maintenance"
    elif first == "PRAGMA":
        kind = _pragma(pragma, words)
    if kind == "create virtual table" and module not in MODULES:
        kind = "other virtual table"
    return _BY_KIND.get(kind) if kind else None


def _pragma(name: str, words: Sequence[str]) -> str:
    if name in ("foreign_keys", "temp_store"):
        return "catalogue pragma"
    given = next((i for i, word in enumerate(words) if word in ("=", "(")), None)
    harmless = name in PRAGMAS or (given is None and name in READ_PRAGMAS)
    if name == "journal_mode" and given is not None:
        # SQLite takes the beginning of the word for it, in any quotes
        harmless = not "OFF".startswith(
            "".join(words[given + 1 : given + 2]).strip(_QUOTES)
        )
    return "pragma" if harmless else "other pragma"


def _create(words: Sequence[str]) -> str | None:
    for word in words[1:4]:
        if word in _CREATE:
            kind = _CREATE[word]
            as_query = kind == "create table" and _has_query(words)
            return "create table as" if as_query else kind
    return None


def _has_query(words: Sequence[str]) -> bool:
    """Whether AS stands outside of the parentheses: within them it is a column's."""
    depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        if word == "AS" and not depth:
            return True
    return False


def _adds_column(words: Sequence[str]) -> bool:
    at = 5 if len(words) > 3 and words[3] == "." else 3
    return len(words) > at and words[at] == "ADD"


def evaluates(words: Sequence[str]) -> bool:
    """Whether CREATE INDEX or ADD COLUMN tries expressions on the rows there are."""
    if words[:1] == ("ALTER",):
        return "CHECK" in words or "AS" in words
    if words[:1] != ("CREATE",) or "INDEX" not in words[1:3]:
        return False
    listed = words[words.index("(") + 1 :] if "(" in words else ()
    collations = [after for w, after in pairwise(listed) if w == "COLLATE"]
    plain = all(word == "," or _is_name(word) for word in listed[:-1])
    return not plain or "WHERE" in listed or not _COLLATIONS.issuperset(collations)


def _is_name(word: str) -> bool:
    return word[0].isalpha() or word[0] in '_"`['


def statement_ends(words: Sequence[str]) -> list[int]:
    """As sqlite3_complete(): the body of a trigger ends with ``; END ;``."""
    ends: list[int] = []
    start = 0
    for i, word in enumerate(words):
        if word != ";":
            continue
        if _is_trigger(words[start : start + 5]) and words[i - 2 : i] != [
            ";",
            "END",
        ]:
            continue
        ends.append(i)
        start = i + 1
    return ends


def _is_trigger(words: Sequence[str]) -> bool:
    head = [w for w in words if w not in ("EXPLAIN", "TEMP", "TEMPORARY")]
    return head[:2] == ["CREATE", "TRIGGER"]
