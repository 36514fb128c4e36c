"""What of statements keeps values of rows, tells of their number, or hides a table.

https://dev.mysql.com/doc/refman/8.4/en/user-variables.html
https://mariadb.com/docs/server/reference/sql-statements/data-definition/rename-table
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from kysera_dbapi.dialect import Dialect
from kysera_dbapi.shape import Lexeme

__all__ = ["keeping", "tells_of_rows", "temporary_names"]

_Names = tuple[tuple[str, ...], tuple[str, ...]]

_TELLING = frozenset(
    "CLIENT_STATISTICS INDEX INDEXES INDEX_STATISTICS KEYS PROFILE STATUS "
    "TABLE_STATISTICS THREAD_STATISTICS USER_STATISTICS".split()
)
#: What may stand between SHOW and what it shows.
_BESIDE = ("EXTENDED", "GLOBAL", "LOCAL", "SESSION")


def tells_of_rows(words: Sequence[str]) -> bool:
    """Whether a SHOW tells how many rows, or values, there are about."""
    rest = words[2:] if words[1:2] and words[1] in _BESIDE else words[1:]
    told = rest[:1] and (rest[0] in _TELLING or rest[:2] == ("TABLE", "STATUS"))
    return words[:1] == ("SHOW",) and bool(told)


def keeping(words: Sequence[str]) -> str:
    """What keeps a value of a row that it is tried on.

    The server tries a condition that an index covers before the others.
    """
    if (":", "=") in pairwise(words) or ":=" in words:
        return "an assignment by :="
    if "SELECT" not in words:
        if words[0] in ("INSERT", "REPLACE"):
            return ""
        if words[0] == "UPDATE" and "JOIN" not in words and "WHERE" in words:
            words = words[words.index("WHERE") :]
    calls = zip(words, words[1:], words[2:], strict=False)
    kept = any(
        word.strip("`") == "LAST_INSERT_ID" and opens == "(" and after != ")"
        for word, opens, after in calls
    )
    return "LAST_INSERT_ID of an expression" if kept else ""


def temporary_names(dialect: Dialect, lexemes: Sequence[Lexeme]) -> list[_Names]:
    """What CREATE TEMPORARY TABLE names; and, whatever they are of, new names."""
    tokens = [t for t in lexemes if t.kind not in ("blank", "comment")]
    words = [t.word for t in tokens]
    if words[:1] == ["CREATE"] and "TEMPORARY" in words[1:5] and "TABLE" in words[2:6]:
        at = words.index("TABLE") + 1
        at += 3 if words[at : at + 3] == ["IF", "NOT", "EXISTS"] else 0
        return [((), _name(dialect, tokens, at))]
    if words[:1] in (["RENAME"], ["ALTER"]):
        return list(_renamed(dialect, tokens, words))
    return []


def _renamed(
    dialect: Dialect, tokens: Sequence[Lexeme], words: Sequence[str]
) -> Iterator[_Names]:
    """Those after TO of a RENAME TABLE, or after RENAME of an ALTER TABLE."""
    at = next((i for i, word in enumerate(words) if word in _TABLE), len(words)) + 1
    at += 2 if words[at : at + 2] == ["IF", "EXISTS"] else 0
    old = _name(dialect, tokens, at)
    first: dict[tuple[str, ...], tuple[str, ...]] = {}
    for i, word in enumerate(words[at:], at):
        if words[0] == "RENAME":
            if word == ",":
                old = _name(dialect, tokens, i + 1)
            elif word == "TO":
                new = _name(dialect, tokens, i + 1)
                first[new] = first.get(old, old)
                yield first[new], new
        elif word == "RENAME" and words[i + 1 : i + 2] not in _PARTS:
            follows = words[i + 1 : i + 2] in (["TO"], ["AS"], ["="])
            yield old, _name(dialect, tokens, i + 2 if follows else i + 1)


_TABLE = ("TABLE", "TABLES")
_PARTS = (["COLUMN"], ["INDEX"], ["KEY"])


def _name(dialect: Dialect, tokens: Sequence[Lexeme], at: int) -> tuple[str, ...]:
    """The (folded) parts of the name that begins there."""
    parts: list[str] = []
    while at < len(tokens):
        said = tokens[at].text
        name = dialect.unquote(said)
        parts.append(dialect.fold_relation(name, quoted=name != said))
        if at + 1 >= len(tokens) or tokens[at + 1].text != ".":
            break
        at += 2
    return tuple(parts)
