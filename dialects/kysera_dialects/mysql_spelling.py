"""What the grammars of MySQL and MariaDB have and the parser lacks.

Each stand-in is as long as what it stands for, so that everything keeps its place. What
says nothing of the relations that a statement reads is left out, and belongs to the
token before: so ``PARTITION`` and ``FOR SYSTEM_TIME`` stay with their table.

https://dev.mysql.com/doc/refman/8.4/en/select.html
https://mariadb.com/docs/server/reference/sql-structure
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from kysera_dbapi.shape import Lexeme
from kysera_dialects.clauses import SIGNS, Reader, Stand, hidden

__all__ = ["advice", "stand_ins"]

_Clause = Callable[[Sequence[Lexeme], int], Stand]
_QUERIES = frozenset("SELECT TABLE VALUES WITH".split())
_HINTS = ("USE", "FORCE", "IGNORE")


def stand_ins(lexemes: Sequence[Lexeme], *, mariadb: bool) -> Stand:
    """What the parser is to read for tokens that it does not know, by their places.

    It is empty for those that it is not to see.
    """
    clauses = {**_CLAUSES, **_OF_MARIADB} if mariadb else _CLAUSES
    found: Stand = {}
    for i, lexeme in enumerate(lexemes):
        if i not in found and lexeme.kind in ("word", "symbol"):
            clause = clauses.get(lexeme.word)
            found |= clause(lexemes, i) if clause else {}
    return found


def _word(lexemes: Sequence[Lexeme], at: int) -> str:
    """The word, or the symbol, that stands there."""
    known = 0 <= at < len(lexemes) and lexemes[at].kind in ("word", "symbol")
    return lexemes[at].word if known else ""


def _group(lexemes: Sequence[Lexeme], at: int) -> range:
    """The tokens in the parentheses that open there; none where none do."""
    reader = Reader(lexemes, at)
    reader.group()
    return range(at + 1, reader.at - 1) if reader.right else range(0)


def _holds_query(lexemes: Sequence[Lexeme], where: range) -> bool:
    return any(_word(lexemes, i) in _QUERIES for i in where)


# -- tables ---------------------------------------------------------------------------


def _partition(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``PARTITION (p0, p1)`` after the name of a table."""
    reader = Reader(lexemes, at + 1)
    reader.take("(")
    reader.names(",")
    reader.take(")")
    return hidden(at, reader.at) if reader.right else {}


def _for(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``USE INDEX FOR ORDER BY (i)``, and ``FOR SYSTEM_TIME`` of MariaDB."""
    reader = Reader(lexemes, at + 1)
    if reader.has("SYSTEM_TIME"):
        return _system_time(lexemes, at, reader)
    hint = _word(lexemes, at - 1) in ("INDEX", "KEY")
    if not (hint and _word(lexemes, at - 2) in _HINTS):
        return {}
    if not reader.has("JOIN"):
        reader.take("ORDER", "GROUP")
        reader.take("BY")
    return hidden(at, reader.at) if reader.right else {}


def _system_time(lexemes: Sequence[Lexeme], at: int, reader: Reader) -> Stand:
    """https://mariadb.com/docs/server/reference/sql-structure/temporal-tables"""
    if reader.has("AS"):
        reader.take("OF")
        _moment(lexemes, reader)
    elif reader.has("BETWEEN", "FROM"):
        _moment(lexemes, reader)
        reader.take("AND", "TO")
        _moment(lexemes, reader)
    else:
        reader.take("ALL")
    return hidden(at, reader.at) if reader.right else {}


def _moment(lexemes: Sequence[Lexeme], reader: Reader) -> None:
    """A constant, a variable or a call; a day or so before it, or after it."""
    while reader.right:
        reader.has("TIMESTAMP", "TRANSACTION", "DATE", "INTERVAL")
        _operand(lexemes, reader)
        reader.has(*_UNITS)
        if not reader.has("+", "-"):
            break
    reader.right = reader.right and _word(lexemes, reader.at)[:1] not in SIGNS


def _operand(lexemes: Sequence[Lexeme], reader: Reader) -> None:
    kind = lexemes[reader.at].kind if reader.at < len(lexemes) else ""
    start = reader.at
    if kind in ("string", "number", "placeholder"):
        reader.at += 1
    elif reader.has("@"):
        reader.has("@")
        reader.name()
    else:
        called = kind == "word"
        reader.at += called
        if not called or _word(lexemes, reader.at) == "(":
            reader.group()
    where = range(start, min(reader.at, len(lexemes)))
    reader.right = reader.right and not _holds_query(lexemes, where)


def _hints(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``UPDATE t USE INDEX (i) SET``: of queries the parser knows hints."""
    before = {_word(lexemes, i) for i in range(at)}
    if "UPDATE" not in before or not before.isdisjoint(("SET", "SELECT")):
        return {}
    reader = Reader(lexemes, at + 1)
    reader.take("INDEX", "KEY")
    reader.group()
    return hidden(at, reader.at) if reader.right else {}


def _rows(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``INSERT ... VALUES ROW(1, 2), ROW(3, 4)``."""
    before = {_word(lexemes, i) for i in range(at)}
    if before.isdisjoint(("INSERT", "REPLACE")) or "SELECT" in before:
        return {}
    found: Stand = {}
    reader = Reader(lexemes, at + 1)
    while reader.right and reader.has("ROW"):
        found[reader.at - 1] = ""
        reader.group()
        reader.take(",")
    return found


def _options(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``SELECT SQL_NO_CACHE DISTINCT a``: options are no part of the first column."""
    found: Stand = {}
    i = at + 1
    while (word := _word(lexemes, i)) in _DISTINCT or word in _OPTIONS:
        if word in _OPTIONS and _word(lexemes, i + 1) not in _AFTER_NAME:
            found[i] = ""
        i += 1
    return found


# -- expressions ----------------------------------------------------------------------


def _escape(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``{d '2020-01-01'}`` and others of ODBC are what stands in them."""
    depth, end = 1, at + 1
    while depth and end < len(lexemes):
        depth += (_word(lexemes, end) == "{") - (_word(lexemes, end) == "}")
        end += 1
    named = _word(lexemes, at + 1).isalpha()
    return {} if depth or not named else {at: "(", at + 1: "", end - 1: ")"}


def _default(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``DEFAULT(column)`` is a call, where a value may stand."""
    called = _word(lexemes, at + 1) == "(" and at > 0
    return {at: "fn__dft"} if called and _word(lexemes, at - 1) in _BEFORE_VALUE else {}


def _json_table(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """What columns of JSON_TABLE do where there is nothing, or an error."""
    found: Stand = {}
    for i in _group(lexemes, at + 1):
        if _word(lexemes, i) == "COLUMNS":
            found |= _json_columns(lexemes, _group(lexemes, i + 1))
    return found


def _json_columns(lexemes: Sequence[Lexeme], where: range) -> Stand:
    found: Stand = {}
    for i in where:
        words = _word(lexemes, i), _word(lexemes, i + 1)
        if words == ("EXISTS", "PATH"):
            found[i] = ""
        if words == ("FOR", "ORDINALITY"):
            found |= {i: "INT", i + 1: ""}
        found |= _on_empty(lexemes, i)
    return found


def _on_empty(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``NULL ON EMPTY``, ``ERROR ON ERROR``, ``DEFAULT '0' ON EMPTY``."""
    reader = Reader(lexemes, at)
    if reader.has("DEFAULT"):
        reader.constant()
    else:
        reader.take("NULL", "ERROR")
    reader.take("ON")
    reader.take("EMPTY", "ERROR")
    return hidden(at, reader.at) if reader.right else {}


def _json_value(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``JSON_VALUE(doc, path RETURNING type ...)``."""
    where = _group(lexemes, at + 1)
    starts = [i for i in where if _word(lexemes, i) == "RETURNING"]
    starts += [i for i in where if _on_empty(lexemes, i)]
    if not starts or _holds_query(lexemes, where):
        return {}
    return hidden(min(starts), where.stop)


# -- of MariaDB -----------------------------------------------------------------------


def _sequence(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``NEXT VALUE FOR s`` is a value: no sequence has rows that are hidden."""
    reader = Reader(lexemes, at + 1)
    reader.take("VALUE")
    reader.take("FOR")
    start = reader.at
    reader.right = reader.right and not reader.has("UPDATE", "SHARE", "SYSTEM_TIME")
    reader.names(".")
    return hidden(at, start) if reader.right else {}


def _null(lexemes: Sequence[Lexeme], at: int) -> Stand:
    r"""``\N`` is NULL."""
    said = at + 1 < len(lexemes) and lexemes[at + 1].text == "N"
    return {at: "0", at + 1: ""} if said else {}


def _cycle(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``) CYCLE a, b RESTRICT`` after a common table expression."""
    reader = Reader(lexemes, at - 1)
    reader.take(")")
    reader.take("CYCLE")
    reader.names(",")
    reader.take("RESTRICT")
    return hidden(at, reader.at) if reader.right else {}


def _examined(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``LIMIT 1 ROWS EXAMINED 1000``."""
    reader = Reader(lexemes, at + 1)
    reader.take("EXAMINED")
    reader.constant()
    limited = _word(lexemes, at - 1) != "LIMIT"
    return hidden(at, reader.at) if reader.right and limited else {}


def _grouped(lexemes: Sequence[Lexeme], at: int) -> Stand:
    """``GROUP BY a DESC``."""
    found: Stand = {}
    depth, i = 0, at + 2 if _word(lexemes, at + 1) == "BY" else len(lexemes)
    while i < len(lexemes) and depth >= 0:
        word = _word(lexemes, i)
        depth += (word == "(") - (word == ")")
        if not depth and word in _AFTER_GROUP:
            break
        if not depth and word in ("ASC", "DESC"):
            found[i] = ""
        i += 1
    return found


_AFTER_GROUP = frozenset(
    "EXCEPT FOR HAVING INTERSECT INTO LIMIT LOCK ON ORDER UNION WINDOW WITH ;".split()
)
_BEFORE_VALUE = frozenset("( , = + - * / < > SELECT WHERE AND OR NOT ON ELSE".split())
_UNITS = (
    *("MICROSECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER"),
    "YEAR",
)
_OPTIONS = frozenset(
    "HIGH_PRIORITY STRAIGHT_JOIN SQL_BIG_RESULT SQL_BUFFER_RESULT SQL_CACHE "
    "SQL_CALC_FOUND_ROWS SQL_NO_CACHE SQL_SMALL_RESULT".split()
)
_DISTINCT = ("ALL", "DISTINCT", "DISTINCTROW")
#: What follows a column that is called like an option.
_AFTER_NAME = (",", ".", ")", ";", "AS", "FROM")
_CLAUSES: dict[str, _Clause] = {
    "{": _escape,
    "DEFAULT": _default,
    "FOR": _for,
    "JSON_TABLE": _json_table,
    "JSON_VALUE": _json_value,
    "PARTITION": _partition,
    "SELECT": _options,
    "VALUES": _rows,
    **dict.fromkeys(_HINTS, _hints),
}
_OF_MARIADB: dict[str, _Clause] = {
    "\\": _null,
    "CYCLE": _cycle,
    "GROUP": _grouped,
    "NEXT": _sequence,
    "PREVIOUS": _sequence,
    "ROWS": _examined,
}

# -- what has no parse ----------------------------------------------------------------


def advice(words: Sequence[str]) -> str:
    """What a statement without a parse may have, and what to write instead."""
    if words[:1] == ("VALUES",):
        return "write SELECT .. UNION ALL SELECT .. for VALUES (..), (..)"
    for (first, *rest), said in _ADVICE.items():
        if first in words and any(word in words for word in rest or (first,)):
            return said
    return _NESTED if _nests_joins(words) else ""


def _nests_joins(words: Sequence[str]) -> bool:
    """Whether two conditions of joins follow one another."""
    told = [word for word in words if word in _OF_JOINS]
    return ("ON", "ON") in pairwise(told)


_OF_JOINS = frozenset(
    "ON JOIN STRAIGHT_JOIN , WHERE SELECT DUPLICATE EMPTY ERROR".split()
)
_NESTED = "joins that nest want parentheses: a JOIN (b JOIN c ON ..) ON .."
_ADVICE = {
    ("\\",): "write NULL for \\N",
    ("BEFORE", "SYSTEM_TIME"): "history is removed within bypass() alone",
    ("EXAMINED",): "LIMIT ROWS EXAMINED wants a number of rows before it",
}
