"""The kinds of statements of MySQL and MariaDB, told by their words.

https://dev.mysql.com/doc/refman/8.4/en/sql-statements.html
https://mariadb.com/docs/server/reference/sql-statements
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from kysera_dbapi.dialect import Rule
from kysera_dialects.additions import added
from kysera_dialects.mysql_rules import CHARSETS, RULES, SETTINGS

__all__ = [
    "RULES",
    "classify",
    "evaluates",
    "explained",
    "statement_ends",
]

_BY_KIND = {rule.kind: rule for rule in RULES}
_FIRST = {
    **dict.fromkeys(("INSERT", "REPLACE"), "insert"),
    **dict.fromkeys(("SAVEPOINT", "RELEASE"), "transaction"),
    **dict.fromkeys(("COMMIT", "ROLLBACK"), "transaction"),
    **dict.fromkeys(("PREPARE", "EXECUTE"), "prepare"),
    **dict.fromkeys(("SIGNAL", "RESIGNAL", "GET"), "signal"),
    **dict.fromkeys(
        "BINLOG CALL CASE CLOSE DECLARE FETCH FOR GOTO IF ITERATE LEAVE LOOP OPEN "
        "REPEAT RETURN WHILE".split(),
        "run",
    ),
    **dict.fromkeys(
        "CHANGE CLONE IMPORT INSTALL PURGE RESET RESTART SHUTDOWN STOP "
        "UNINSTALL".split(),
        "administration",
    ),
    **dict.fromkeys("CACHE CHECK FLUSH OPTIMIZE REPAIR".split(), "maintenance"),
    **dict.fromkeys("LOCK UNLOCK BACKUP".split(), "lock"),
    **dict.fromkeys("GRANT REVOKE".split(), "privileges"),
    **dict.fromkeys("DESC DESCRIBE EXPLAIN HELP".split(), "show"),
    "UPDATE": "update",
    "HANDLER": "handler",
    "DO": "do",
    "DEALLOCATE": "deallocate",
    "XA": "two-phase commit",
    "USE": "set name space",
    "KILL": "kill",
    "TRUNCATE": "truncate",
    "CHECKSUM": "checksum",
}
_ROLES = dict.fromkeys("RESOURCE ROLE TABLESPACE UNDO USER LOGFILE".split())
_CODE = "AGGREGATE EVENT FUNCTION LIBRARY PACKAGE PROCEDURE".split()
#: What may stand between CREATE or ALTER and what it is of.
_BESIDE = frozenset("OR REPLACE TEMPORARY ONLINE OFFLINE IGNORE".split())
_SECURED = frozenset("ALGORITHM DEFINER SQL".split())
_ENGINES = frozenset(
    "CONNECT FEDERATED FEDERATEDX MERGE MRG_MYISAM OQGRAPH SPIDER VP".split()
)
#: Those that may be the default: they show no rows but their own.
_OWN_ROWS = frozenset("ARCHIVE ARIA CSV INNODB MEMORY MYISAM ROCKSDB".split())


def classify(words: Sequence[str]) -> Rule | None:
    """The rule for a statement of these words."""
    words = tuple(words)
    opened = next((i for i, word in enumerate(words) if word != "("), 0)
    first = words[opened] if words else ""
    queries = ("SELECT", "TABLE", "VALUES", "WITH")
    if opened or first in queries:
        kind = _query(words) if first in queries else None
    elif words[1:2] == (":",):  # a label
        kind = "run"
    else:
        kind = _OWN[first](words) if first in _OWN else _FIRST.get(first)
    return _BY_KIND.get(kind) if kind else None


def _query(words: Sequence[str]) -> str:
    for word, before, after in zip(words, ("", *words), (*words[1:], ""), strict=False):
        if word == "INTO" and before not in (".", "@") and after != "@":
            return "select into"
        if word == "PROCEDURE" and before not in (".", "@") and after != ".":
            return "procedure"
    return "select"


def _create(words: Sequence[str]) -> str | None:
    at = _what(words)
    what = words[at] if at < len(words) else ""
    if what in _CODE:
        return "code"
    if what in _ROLES or words[at : at + 2] == ("SPATIAL", "REFERENCE"):
        return "privileges"
    if what == "TABLE":
        return _create_table(words, at)
    return {
        **dict.fromkeys(("DATABASE", "SCHEMA", "SEQUENCE"), "define"),
        **dict.fromkeys(("INDEX", "FULLTEXT", "SPATIAL", "VECTOR"), "create index"),
        "SERVER": "second name",
        "TRIGGER": "create trigger",
        "UNIQUE": "create unique index",
        "VIEW": "create view",
    }.get(what)


def _what(words: Sequence[str]) -> int:
    """Where it is said what CREATE or ALTER is of."""
    at = 1
    while at < len(words) and (words[at] in _BESIDE or words[at] in _SECURED):
        if words[at] in _SECURED:  # DEFINER = user@host, SQL SECURITY DEFINER
            kinds = {"VIEW", "TRIGGER", "SEQUENCE", "SQL", *_SECURED, *_CODE}
            found = (i for i in range(at + 2, len(words)) if words[i] in kinds)
            at = next(found, len(words))
        else:
            at += 1
    return at


def _create_table(words: Sequence[str], at: int) -> str:
    replaces = "REPLACE" in words[1:at]
    if _has_query(words[at:]):
        return "create table of others" if replaces else "create table as"
    if replaces or "LIKE" in words or _has_engine(words):
        return "create table of others"
    return "create temporary table" if "TEMPORARY" in words[1:at] else "create table"


def _has_engine(words: Sequence[str]) -> bool:
    """Whether an engine is named, perhaps in quotes, that shows rows of others."""
    return not _ENGINES.isdisjoint(word.strip("'\"`") for word in words)


def _has_query(words: Sequence[str]) -> bool:
    """Whether a query follows a definition, in parentheses of its own or not."""
    return any(word in ("SELECT", "TABLE", "VALUES", "WITH") for word in words[1:])


def _alter(words: Sequence[str]) -> str | None:
    at = _what(words)
    what = words[at] if at < len(words) else ""
    if what in _CODE:
        return "code"
    if what in _ROLES:
        return "privileges"
    if what == "TABLE":
        if _has_engine(words):
            return "create table of others"
        return _added(words)
    return {
        **dict.fromkeys(("DATABASE", "SCHEMA", "SEQUENCE"), "define"),
        "INSTANCE": "administration",
        "SERVER": "second name",
        "VIEW": "create view",
    }.get(what)


def _added(words: Sequence[str]) -> str:
    """The kind of an ALTER TABLE by what it adds, if that is all it does."""
    begins = words.index("ADD") if "ADD" in words else len(words)
    if begins > 7 or not _ACTIONS.isdisjoint(words[2:]):
        return "alter"
    return added(words, begins, _CONSTRAINTS)


_CONSTRAINTS = frozenset(
    "CHECK CONSTRAINT FOREIGN FULLTEXT INDEX KEY PARTITION PERIOD PRIMARY SPATIAL "
    "SYSTEM UNIQUE VECTOR (".split()
)
_ACTIONS = frozenset(
    "ALTER CHANGE COALESCE CONVERT DISABLE DISCARD DROP ENABLE ENGINE EXCHANGE FORCE "
    "IMPORT MODIFY ORDER PARTITION RENAME REORGANIZE UNION UNIQUE WITH WITHOUT".split()
)


def _drop(words: Sequence[str]) -> str | None:
    rest = words[1:]
    what = rest[0] if rest else ""
    if what in ("DATABASE", "SCHEMA"):
        return "cascade"
    if what == "PREPARE":
        return "deallocate"
    if what in _ROLES or rest[:2] == ("SPATIAL", "REFERENCE"):
        return "privileges"
    return "drop temporary table" if what == "TEMPORARY" else "drop"


def _rename(words: Sequence[str]) -> str:
    return "privileges" if words[1:2] == ("USER",) else "alter"


def _begin(words: Sequence[str]) -> str:
    return "run" if words[1:] not in ((), ("WORK",)) else "transaction"


def _start(words: Sequence[str]) -> str:
    begins = words[1:2] == ("TRANSACTION",)
    return "transaction" if begins else "administration"


def _analyze(words: Sequence[str]) -> str | None:
    rest = [word for word in words[1:3] if word not in ("LOCAL", "NO_WRITE_TO_BINLOG")]
    return "maintenance" if rest[:1] in (["TABLE"], ["TABLES"]) else None


def _load(words: Sequence[str]) -> str | None:
    if words[1:2] == ("INDEX",):
        return "maintenance"
    if words[1:2] not in (("DATA",), ("XML",)):
        return None
    if "LOCAL" not in words[2:4]:  # LOW_PRIORITY may stand before it
        return "load of the server"
    return "load replacing" if "REPLACE" in words else "load"


def _show(words: Sequence[str]) -> str:
    rest = words[2:] if words[1:2] in (("FULL",), ("ALL",)) else words[1:]
    if rest[:1] in (("EXPLAIN",), ("ANALYZE",)):
        return "explain another"
    if rest[:1] in (("PROCESSLIST",), ("ENGINE",), ("PARSE_TREE",)) or (
        rest[:1] in (("BINLOG",), ("RELAYLOG",)) and "EVENTS" in rest
    ):
        return "show rows"
    return "show where" if "WHERE" in words else "show"


def _describe(words: Sequence[str]) -> str:
    return "explain another" if words[1:2] == ("FOR",) else "show"


# -- SET ----------------------------------------------------------------------------


def _set(words: Sequence[str]) -> str:
    rest = words[1:]
    scoped = rest[1:] if rest[:1] in (("SESSION",), ("LOCAL",)) else rest
    if scoped[:1] == ("TRANSACTION",):
        return "set transaction"
    if rest[:1] in (("PASSWORD",), ("RESOURCE",)) or rest[:2] == ("DEFAULT", "ROLE"):
        return "privileges"
    if rest[:1] == ("ROLE",):
        return "set name space"
    kinds = [_assignment(one) for one in _assignments(rest)]
    if len(kinds) == 1 or set(kinds) == {"set"}:
        return kinds[0]
    # what is called may fail when others have been set
    followed = set(kinds) <= {"set", "set mode"} and "(" not in rest
    return "set mode" if followed else "other setting"


def _assignments(words: Sequence[str]) -> Iterator[Sequence[str]]:
    """What stands between the commas that are outside of parentheses."""
    depth = start = 0
    for i, word in enumerate((*words, ",")):
        depth += (word == "(") - (word == ")")
        if word == "," and not depth:
            yield words[start:i]
            start = i + 1


def _assignment(words: Sequence[str]) -> str:
    """The kind of a SET that assigns this alone."""
    if words[:1] == ("@",) and words[1:2] != ("@",):
        return "set"
    if words[:1] in (("NAMES",), ("CHARSET",)):
        return _charset(words[1:])
    if words[:2] in (("CHARACTER", "SET"), ("CHAR", "SET")):
        return _charset(words[2:], followed=True)
    if words[:2] == ("@", "@"):
        words = words[2:]
        words = (words[0], *words[2:]) if words[1:2] == (".",) else words
    if words[:1] in (("SESSION",), ("LOCAL",)):
        words = words[1:]
    name = words[0].strip("`").lower() if words else ""
    value = words[3:] if words[1:3] == (":", "=") else words[2:]
    return _variable(name, value) if words[1:2] in (("=",), (":",)) else "other setting"


def _variable(name: str, value: Sequence[str]) -> str:
    """The kind of an assignment to a variable of the session."""
    if name in _VALUES:
        kind, values = _VALUES[name]
        kept = kind == "set mode" and value[:1] == ("@",) and "(" not in value
        return kind if kept or tuple(value) in values else "other setting"
    if name == "autocommit":
        return "transaction" if len(value) == 1 else "other setting"
    if name == "sql_mode":
        return "other setting" if any("ORACLE" in one for one in value) else "set mode"
    if name.startswith("character_set_") or name == "collation_connection":
        return _charset([one.partition("_")[0] for one in value])
    if name in ("default_storage_engine", "default_tmp_storage_engine"):
        one = value[0].strip("'\"").upper() if len(value) == 1 else ""
        return "set" if one in _OWN_ROWS else "other setting"
    return "set" if name in SETTINGS else "other setting"


_OFF = (("0",), ("OFF",), ("FALSE",))
#: Variables of which some values pass alone, and as what.
_VALUES = {
    "foreign_key_checks": ("set mode", (*_OFF, ("1",), ("ON",), ("TRUE",))),
    "sql_auto_is_null": ("set", _OFF),
    "character_set_filesystem": ("set", ()),
}


def _charset(words: Sequence[str], *, followed: bool = False) -> str:
    """Of a character set, with COLLATE or without.

    It is ``followed`` if it sets that of the database, too.
    """
    name = words[0].strip("'\"").lower() if words else ""
    rest = words[1:]
    collated = not rest or (rest[0] == "COLLATE" and len(rest) == 2)
    if name not in CHARSETS or not collated:
        return "other setting"
    return "set mode" if followed or name != "utf8mb4" else "set"


def _delete(words: Sequence[str]) -> str:
    history = words[1:3] == ("HISTORY", "FROM")
    return "delete history" if history else "delete"


_OWN = {
    "ALTER": _alter,
    "ANALYZE": _analyze,
    "BEGIN": _begin,
    "CREATE": _create,
    "DELETE": _delete,
    "DESC": _describe,
    "DESCRIBE": _describe,
    "DROP": _drop,
    "EXPLAIN": _describe,
    "LOAD": _load,
    "RENAME": _rename,
    "SET": _set,
    "SHOW": _show,
    "START": _start,
}

# -- EXPLAIN ------------------------------------------------------------------------

_EXPLAINED = ("SELECT", "INSERT", "REPLACE", "UPDATE", "DELETE", "WITH", "TABLE", "(")


def explained(words: Sequence[str]) -> int:
    """The number of words that EXPLAIN and its options are, 0 if there is none.

    It is none where a table is described. ANALYZE is one of MariaDB's.
    """
    words = tuple(words)
    if words[:1] not in (("EXPLAIN",), ("DESCRIBE",), ("DESC",), ("ANALYZE",)):
        return 0
    at = 1
    while at < len(words) and words[at] in _OPTIONS:
        valued = words[at] in ("FORMAT", "INTO")  # FORMAT = JSON, INTO @a
        at += 3 if valued else 1
    known = words[at : at + 1] and words[at] in _EXPLAINED
    return at if known and words[:2] != ("ANALYZE", "TABLE") else 0


_OPTIONS = ("ANALYZE", "EXTENDED", "PARTITIONS", "FORMAT", "INTO")


def evaluates(words: Sequence[str]) -> bool:
    """Whether CREATE INDEX or ADD COLUMN tries expressions on the rows there are."""
    if words[:1] == ("ALTER",):
        computed = ("DEFAULT", "(") in pairwise(words)
        return computed or "CHECK" in words or "AS" in words
    index = words[:1] == ("CREATE",) and "INDEX" in words[1:4]
    return index and ("(", "(") in pairwise(words)


# -- texts of several statements ----------------------------------------------------


def statement_ends(words: Sequence[str]) -> list[int]:
    """Which of the words are semicolons that end a statement.

    A trigger's body may hold some: from a BEGIN at the beginning of a statement in it
    to its END.
    """
    ends: list[int] = []
    start = depth = 0
    for i, word in enumerate(words):
        if words[start] == "CREATE":
            depth += _deepens(words, i, depth)
        if word == ";" and not depth:
            ends.append(i)
            start = i + 1
    return ends


def _deepens(words: Sequence[str], at: int, depth: int) -> int:
    """1 for a word that opens a block at that depth, -1 for one that closes it."""
    word, before = words[at], words[at - 1] if at else ""
    if word == "BEGIN" and before in _BEGINS:
        return 1
    if depth and word == "CASE" and before != "END":
        return 1
    closes = (
        depth
        and word == "END"
        and next(iter(words[at + 1 : at + 2]), "") not in _OTHER_ENDS
    )
    return -1 if closes else 0


_BEGINS = ("ROW", ";", "BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", ":")
_OTHER_ENDS = ("IF", "LOOP", "REPEAT", "WHILE", "FOR")
