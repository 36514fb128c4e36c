"""The text that is parsed in place of the caller's: of its length, token for token."""

from collections.abc import Sequence

from kysera_dbapi import _sqlglot
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.shape import Lexeme
from kysera_dbapi.source import MAX_TOKENS, Source, verb_of

__all__ = ["check_tokens", "ends_of", "pieces_of"]


def pieces_of(source: Source, dialect: Dialect) -> tuple[list[str], str]:
    """A text of the same length, read by sqlglot as the database reads the caller's.

    Placeholders become ``?``, comments blanks, ``REPLACE`` ``INSERT``; EXPLAIN and
    ``OR action`` are taken out.
    """
    pieces = [_plain(lexeme) for lexeme in source.lexemes]
    at = [i for i, t in enumerate(source.lexemes) if t.kind not in _SILENT]
    for i in at[: source.first]:
        pieces[i] = " " * len(pieces[i])
    verb = verb_of(source.words, source.first)
    conflict, extra = dialect.conflict_clause(source.words[verb:])
    if source.words[verb] == "REPLACE":
        pieces[at[verb]] = "INSERT "
    for i in at[verb + 1 : verb + 1 + extra]:
        pieces[i] = " " * len(pieces[i])
    said = [source.lexemes[i] for i in at]
    for i, text in dialect.stand_ins(said).items():
        size = len(said[i].text)
        if text and len(text) != size:
            raise _sqlglot.ParseError("a stand-in of another length")
        pieces[at[i]] = text or " " * size
    return pieces, conflict


def ends_of(source: Source, pieces: Sequence[str]) -> dict[int, int]:
    """Where tokens end in the caller's text, with what the parser does not see."""
    found: dict[int, int] = {}
    last = -1
    for lexeme, piece in zip(source.lexemes, pieces, strict=True):
        if lexeme.kind in _SILENT:
            continue
        if piece.strip():
            last = lexeme.start
        if not piece.strip() or lexeme.kind == "placeholder":
            found[last] = lexeme.end
    return found


_SILENT = ("blank", "comment")


def _plain(lexeme: Lexeme) -> str:
    if lexeme.text == "%%":
        return "% "
    if lexeme.kind == "placeholder":
        return "?".ljust(len(lexeme.text))
    if lexeme.kind == "comment":
        return " " * len(lexeme.text)
    if lexeme.kind == "blank":
        return "".join(c if c in _BLANKS else " " for c in lexeme.text)
    if lexeme.kind == "number" and lexeme.text[0] == ".":
        return "0" + lexeme.text[1:]
    return lexeme.text


def check_tokens(
    source: Source, pieces: Sequence[str], tokens: Sequence[_sqlglot.Token]
) -> None:
    """Both lexers must see the same tokens: the database's rules are ours alone."""
    if len(tokens) > MAX_TOKENS:
        raise _sqlglot.ParseError(f"more than {MAX_TOKENS} tokens")
    starts: set[int] = set()
    ends: set[int] = set()
    for lexeme, piece in zip(source.lexemes, pieces, strict=True):
        if lexeme.kind not in _SILENT and piece.strip():
            starts.add(lexeme.start)
            ends.add(lexeme.start + len(piece.rstrip()))
    text, at = "".join(pieces), 0
    for token in tokens:
        at_end = token.end + 1
        known = token.start in starts and at_end in ends
        if not known or text[at : token.start].strip(_BLANKS):
            raise _sqlglot.ParseError("unclear text")
        at = at_end
    if text[at:].strip(_BLANKS + ";"):
        raise _sqlglot.ParseError("unclear text at the end")


_BLANKS = " \t\n\f\r"
