"""The kinds of PostgreSQL's statements, told by their words.

https://www.postgresql.org/docs/current/sql-commands.html
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from kysera_dbapi.dialect import Rule
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dialects.additions import added
from kysera_dialects.postgresql_rules import RULES, SETTINGS
from kysera_dialects.postgresql_strings import says

__all__ = [
    "RULES",
    "SETTINGS",
    "classify",
    "evaluates",
    "explained",
    "runs_explained",
]

_BY_KIND = {rule.kind: rule for rule in RULES}
_FIRST = {
    "SELECT": "select",
    "VALUES": "select",
    "INSERT": "insert",
    "UPDATE": "update",
    "DELETE": "delete",
    "MERGE": "merge",
    "TABLE": "select",
    "BEGIN": "transaction",
    "START": "transaction",
    "COMMIT": "transaction",
    "END": "transaction",
    "ROLLBACK": "transaction",
    "ABORT": "transaction",
    "SAVEPOINT": "transaction",
    "RELEASE": "transaction",
    "SHOW": "show",
    "LISTEN": "notify",
    "NOTIFY": "notify",
    "UNLISTEN": "notify",
    "DEALLOCATE": "discard",
    "PREPARE": "prepare",
    "EXECUTE": "prepare",
    "DECLARE": "declare",
    "FETCH": "fetch",
    "MOVE": "fetch",
    "CLOSE": "fetch",
    "DO": "run",
    "CALL": "run",
    "LOAD": "run",
    "REFRESH": "create view",
    "IMPORT": "second name",
    "GRANT": "privileges",
    "REVOKE": "privileges",
    "REASSIGN": "privileges",
    "COMMENT": "privileges",
    "SECURITY": "privileges",
    "LOCK": "lock",
    "CHECKPOINT": "maintenance",
    "CLUSTER": "maintenance",
    "REINDEX": "maintenance",
    "ANALYZE": "maintenance",
    "ANALYSE": "maintenance",
    "VACUUM": "maintenance",
}
#: What CREATE and ALTER may be of.
_CODE = dict.fromkeys(
    "ACCESS AGGREGATE CAST CONVERSION EVENT FUNCTION LANGUAGE OPERATOR PROCEDURAL "
    "PROCEDURE ROUTINE TRANSFORM TRUSTED".split(),
    "code",
)
_NAMES = dict.fromkeys(
    "DATABASE FOREIGN PUBLICATION SERVER SUBSCRIPTION".split(), "second name"
)
_ROLES = dict.fromkeys("GROUP ROLE TABLESPACE USER".split(), "privileges")
_CREATE = {
    **_CODE,
    **_NAMES,
    **_ROLES,
    **dict.fromkeys(
        "COLLATION DOMAIN EXTENSION SEQUENCE STATISTICS TEXT TYPE".split(), "define"
    ),
    **dict.fromkeys("CONSTRAINT POLICY RULE SCHEMA TRIGGER".split(), "create trigger"),
    **dict.fromkeys("MATERIALIZED RECURSIVE VIEW".split(), "create view"),
    "TABLE": "create table",
    "INDEX": "create index",
    "UNIQUE": "create unique index",
}
_ALTER = {
    **_CODE,
    **_NAMES,
    **_ROLES,
    **dict.fromkeys(
        "COLLATION INDEX MATERIALIZED POLICY RULE SEQUENCE STATISTICS TABLE TEXT "
        "TRIGGER TYPE VIEW".split(),
        "alter",
    ),
    **dict.fromkeys("DOMAIN EXTENSION LARGE SCHEMA SYSTEM".split(), "alter unnamed"),
    "DEFAULT": "privileges",
}
#: What may stand between CREATE and what is created.
_KINDS_OF = frozenset("OR REPLACE GLOBAL LOCAL TEMP TEMPORARY UNLOGGED".split())


def classify(words: Sequence[str]) -> Rule | None:
    """The rule for a statement of these words."""
    words = tuple(words)
    opened = next((i for i, word in enumerate(words) if word != "("), 0)
    first = words[opened] if words else ""
    if opened:  # (SELECT ...) UNION ...
        query = first in ("SELECT", "VALUES", "WITH", "TABLE")
        kind = "select" if query else None
    else:
        kind = _OWN[first](words) if first in _OWN else _FIRST.get(first)
    if kind == "select" and "INTO" in words:
        kind = "create table as"
    if kind == "maintenance" and "verbose" in map(_said, words):
        kind = "verbose maintenance"
    if kind == "transaction" and words[1:2] == ("PREPARED",):
        kind = "two-phase commit"
    rule = _BY_KIND.get(kind) if kind else None
    return replace(rule, outside=True) if rule and _is_outside(words) else rule


def _is_outside(words: Sequence[str]) -> bool:
    """Whether the server runs it in no transaction (PreventInTransactionBlock)."""
    return "CONCURRENTLY" in words or words[:2] in _OUTSIDE


_OUTSIDE = (
    *(("DROP", what) for what in ("DATABASE", "SUBSCRIPTION", "TABLESPACE")),
    ("DISCARD", "ALL"),
)


def _create(words: Sequence[str]) -> str | None:
    at = next((i for i, w in enumerate(words) if i and w not in _KINDS_OF), 0)
    kind = _CREATE.get(words[at])
    if kind == "privileges" and words[at + 1 : at + 2] == ("MAPPING",):
        return "second name"
    if kind != "create table":
        return kind
    if "INHERITS" in words or ("PARTITION", "OF") in pairwise(words):
        return "create child table"
    return "create table as" if _has_query(words) else kind


def _alter(words: Sequence[str]) -> str | None:
    what = words[1] if len(words) > 1 else ""
    if what == "USER" and words[2:3] == ("MAPPING",):
        return "second name"
    return _added(words) if what == "TABLE" else _ALTER.get(what)


def _has_query(words: Sequence[str]) -> bool:
    """Whether AS or EXECUTE stands outside of the parentheses."""
    depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        if word in ("AS", "EXECUTE") and not depth:
            return True
    return False


def _added(words: Sequence[str]) -> str:
    """The kind of an ALTER TABLE by what it adds, if that is all it does."""
    begins = words.index("ADD") if "ADD" in words else len(words)
    if not set(words[2:begins]).isdisjoint(_ACTIONS):
        return "alter"
    return added(words, begins, _CONSTRAINTS)


#: What ADD may be of, but a column; NOT NULL is a constraint since PostgreSQL 18.
_CONSTRAINTS = ("CHECK", "CONSTRAINT", "EXCLUDE", "FOREIGN", "NOT", "PRIMARY", "UNIQUE")
_ACTIONS = frozenset(
    "ALL ALTER ATTACH CLUSTER DETACH DISABLE DROP ENABLE FORCE INHERIT NO NOT OF OWNER "
    "RENAME REPLICA RESET SET VALIDATE ,".split()
)


def _drop(words: Sequence[str]) -> str:
    cascades = "CASCADE" in words or words[1:2] == ("OWNED",)
    return "cascade" if cascades else "drop"


def _truncate(words: Sequence[str]) -> str:
    return "cascade" if "CASCADE" in words else "truncate"


def _prepare(words: Sequence[str]) -> str:
    return "two-phase commit" if words[1:2] == ("TRANSACTION",) else "prepare"


def _discard(words: Sequence[str]) -> str:
    return "discard" if words[1:2] in (("PLANS",), ("SEQUENCES",)) else "set name space"


def _copy(words: Sequence[str]) -> str:
    if words[-1:] == (")",):  # options, WITH before them or not
        words = words[: _opening(words)]
    depth = 0
    for i, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if depth and word in ("INSERT", "UPDATE", "DELETE", "MERGE"):
            return "other copy"
        if not depth and word in _COPIED:
            known = words[i + 1 : i + 2] == (_COPIED[word][0],)
            return _COPIED[word][1] if known else "other copy"
    return "other copy"


_COPIED = {"TO": ("STDOUT", "copy"), "FROM": ("STDIN", "copy from")}


def _opening(words: Sequence[str]) -> int:
    depth = 0
    for i in range(len(words) - 1, -1, -1):
        depth += (words[i] == ")") - (words[i] == "(")
        if not depth:
            return i
    return 0


def _set(words: Sequence[str]) -> str:
    rest = words[1:]
    local = rest[:1] == ("LOCAL",)
    session = rest[:1] == ("SESSION",) and rest[1:2] != ("AUTHORIZATION",)
    rest = rest[local or session :]
    name = _setting(rest)
    if name in ("transaction", "characteristics", "constraints"):
        return "set transaction"
    if name in _NAME_SPACE:
        return "set local name space" if local else "set name space"
    if name in ("client_encoding", "names"):
        harmless = rest[-1:] in (("UTF8",), ("'UTF8'",), ("'UTF-8'",))
    else:
        harmless = name in SETTINGS or rest[1:2] == (".",)
    return "set" if harmless else "other setting"


def _setting(rest: Sequence[str]) -> str:
    """The name of a setting, of SESSION AUTHORIZATION and TIME ZONE, too."""
    name = rest[0] if rest else ""
    if tuple(rest[:2]) == ("TIME", "ZONE"):
        return "timezone"
    if tuple(rest[:2]) == ("SESSION", "AUTHORIZATION"):
        return "session_authorization"
    return (name[1:-1] if name[:1] == '"' else name).lower()


_NAME_SPACE = frozenset(
    "all role schema search_path session_authorization temp_schema".split()
)
_OWN = {
    "CREATE": _create,
    "ALTER": _alter,
    "DROP": _drop,
    "TRUNCATE": _truncate,
    "PREPARE": _prepare,
    "DISCARD": _discard,
    "COPY": _copy,
    "SET": _set,
    "RESET": _set,
}


def explained(words: Sequence[str]) -> int:
    """The number of words that EXPLAIN and its options are, 0 if there is none.

    So it is of DECLARE: what follows is planned, and what was before it stays there.
    """
    words = tuple(words)
    at = _explaining(words)
    return at + _declaring(words[at:])


def _declaring(words: tuple[str, ...]) -> int:
    if words[:1] != ("DECLARE",) or "CURSOR" not in words:
        return 0
    at = words.index("CURSOR")
    return words.index("FOR", at) + 1 if "FOR" in words[at:] else 0


def _explaining(words: tuple[str, ...]) -> int:
    if words[:1] != ("EXPLAIN",):
        return 0
    at = 1
    if words[1:2] == ("(",) and not _begins_query(words, 1):
        depth = 0
        for at in range(1, len(words)):
            depth += (words[at] == "(") - (words[at] == ")")
            if not depth:
                return at + 1
        return 1
    while words[at : at + 1] in (("ANALYZE",), ("ANALYSE",), ("VERBOSE",)):
        at += 1
    return at


def runs_explained(words: Sequence[str]) -> bool:
    """Whether EXPLAIN, by these words, runs the statement.

    An option may be quoted, and the last of a name holds (``defGetBoolean``).
    """
    words = tuple(words)
    if words[:1] != ("EXPLAIN",):
        return False
    if words[1:2] != ("(",):
        return bool({"ANALYZE", "ANALYSE"}.intersection(words))
    runs = False
    for before, name, value in zip(words[1:], words[2:], words[3:], strict=False):
        if before in ("(", ",") and _said(name) in ("analyze", "analyse"):
            runs = _said(value) not in ("off", "false", "0")
    return runs


def _said(word: str) -> str:
    """The option that a word says; it may be quoted."""
    try:
        return says(word).lower()
    except UnsupportedStatement:  # the server does not take it either
        return ""


def _begins_query(words: Sequence[str], at: int) -> bool:
    """Whether a parenthesis opens a query, not options."""
    inner = next((w for w in words[at:] if w != "("), "")
    return inner in ("SELECT", "VALUES", "WITH", "TABLE")


def evaluates(words: Sequence[str]) -> bool:
    """Whether CREATE INDEX or ADD COLUMN tries expressions on the rows there are."""
    if words[:1] == ("ALTER",):
        return "CHECK" in words or "AS" in words
    if words[:1] != ("CREATE",) or "INDEX" not in words[1:3]:
        return False
    listed = words[words.index("(") + 1 :] if "(" in words else ()
    plain = all(word in (",", ")") or _is_name(word) for word in listed)
    return not plain or "WHERE" in listed


def _is_name(word: str) -> bool:
    return word[0].isalpha() or word[0] in '_"'
