"""How much of a statement is taken on: what would take for ever is refused at once."""

import re
from collections.abc import Sequence

from kysera_dbapi import _sqlglot
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.source import Source
from kysera_dbapi.statement import Statement

__all__ = ["check_relations", "check_text", "is_shallow"]

#: Nested parentheses that any stack has room for.
_SHALLOW = 12
#: Relations in one statement; databases take a few hundred a query.
_RELATIONS = 2_000
#: Aliases and functions that policies are written with, however they are quoted.
_RESERVED = re.compile(r"(?:U&)?[\"'`\[]?_K[\d_]")


def check_text(source: Source) -> None:
    """Refuse what nests too deep, and names that are ours."""
    if source.planned and any(map(_RESERVED.match, source.words)):
        raise UnsupportedStatement(
            "a name of the statement has the reserved prefix _k; rename it",
            code="reserved-name",
        )
    if source.lexer.format_style:
        _check_format(source)
    depth = _depth(source.words)
    if depth > _sqlglot.MAX_DEPTH:
        raise UnsupportedStatement(
            f"parentheses nest {depth} deep, at most {_sqlglot.MAX_DEPTH} are "
            "understood; use WITH or a temporary table",
            code="too-deep",
        )


def _check_format(source: Source) -> None:
    """Refuse what the driver would format within a token, or name by another name."""
    for lexeme in source.lexemes:
        bare = lexeme.kind == "symbol" and lexeme.text == "%"
        named = bare or (lexeme.kind == "quoted" and "%" in lexeme.text)
        if named or (lexeme.kind in _WHOLE and "%" in lexeme.text.replace("%%", "")):
            raise UnsupportedStatement(
                "a % in a name, a string or a comment, or alone, is formatted by the "
                "driver; write %%, and rename what has it in its name",
                code="unsupported-construct",
            )


_WHOLE = ("string", "blob", "comment")


def check_relations(statement: Statement) -> None:
    """Refuse statements that name too many relations."""
    count = len(statement.references)
    if count > _RELATIONS:
        raise UnsupportedStatement(
            f"the statement has {count} relations, at most {_RELATIONS} are "
            "understood; split it",
            code="unsupported-construct",
        )


def is_shallow(source: Source) -> bool:
    """Whether it can be tried on the caller's own stack."""
    return _depth(source.words) <= _SHALLOW


def _depth(words: Sequence[str]) -> int:
    depth = deepest = 0
    for word in words:
        if word == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif word == ")":
            depth -= 1
    return deepest
