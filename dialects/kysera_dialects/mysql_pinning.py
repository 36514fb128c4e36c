"""Conditions that mean the same whatever a session's sql_mode comes to be.

https://dev.mysql.com/doc/refman/8.4/en/sql-mode.html
"""

from collections.abc import Sequence

from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.shape import Lexeme, Lexer

__all__ = ["check_condition"]

#: Where an operand of NOT must end, so that no operator may belong to it.
_ENDS = ("", ")", ",", "AND", "OR", "XOR", "THEN", "ELSE", "END", "WHEN", "&")
#: What comes before a NOT that begins an operand, and is no part of an operator.
_BEGINS = ("", "(", ",", "AND", "OR", "XOR", "NOT", "WHEN", "THEN", "ELSE", "CASE", "&")


def check_condition(dialect: Dialect, condition: str) -> None:
    """Refuse what is read by the modes ANSI_QUOTES, NO_BACKSLASH_ESCAPES and others.

    Raises ``UnsupportedStatement`` (unsupported-construct).
    """
    every = list(Lexer(dialect.lexical, named=True).lex(condition))
    for lexeme, after in zip(every, [*every[1:], None], strict=True):
        if lexeme.text.startswith('"'):
            raise _moody('"', "write strings in single quotes, names in backticks")
        if lexeme.kind == "string" and "\\" in lexeme.text:
            raise _moody("a backslash in a string", "compare with CHAR(92)")
        spaced = after is not None and after.kind in ("blank", "comment")
        called = spaced and _next(every, lexeme) == "("
        if lexeme.kind == "word" and called and lexeme.word not in dialect.keywords:
            raise _moody("a blank after a function's name", "take it out")
    words = [t.word for t in every if t.kind not in ("blank", "comment")]
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        doubled = word == "|" and "|" in (before, *words[at + 1 : at + 2])
        if doubled or word == "||":
            raise _moody("||", "write OR or CONCAT()")
        negates = word == "NOT" and before in _BEGINS
        if (negates or word == "!") and words[at + 1 : at + 2] != ["="]:
            end = _operand(words, at + 1)
            if (words[end] if end < len(words) else "") not in _ENDS:
                raise _moody("NOT", "put parentheses round all that it is about")


def _next(lexemes: Sequence[Lexeme], of: Lexeme) -> str:
    """The token that follows."""
    rest = lexemes[lexemes.index(of) + 1 :]
    return next((t.text for t in rest if t.kind not in ("blank", "comment")), "")


def _operand(words: Sequence[str], at: int) -> int:
    """Where the name, the call or the parentheses that begin there end."""
    while words[at : at + 1] in (["NOT"], ["EXISTS"], ["!"]):
        at += 1
    while at + 1 < len(words) and words[at + 1] == ".":
        at += 2
    if at + 1 < len(words) and words[at] != "(" and words[at + 1] == "(":
        at += 1
    if words[at : at + 1] != ["("]:
        return at + 1
    depth = 0
    for i in range(at, len(words)):
        depth += (words[i] == "(") - (words[i] == ")")
        if not depth:
            return i + 1
    return len(words)


def _moody(what: str, cure: str) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"{what} means another thing in another sql_mode; {cure}",
        code="unsupported-construct",
    )
