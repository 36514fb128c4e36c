"""A policy's condition with every name resolved: it means the same wherever it stands.

Put into a caller's statement as it is written, it could be captured: by an alias or a
common table expression of the caller's that has the name of a table in it. So columns
of its own table are marked, relations are written with their schema, and their aliases
are reserved names, which callers may not use.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from kysera_dbapi import _sqlglot, parsing
from kysera_dbapi.binding import Bind
from kysera_dbapi.catalogue import Catalogue, Table
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import ConfigurationError, UnsupportedStatement
from kysera_dbapi.predicate import OWN, Piece, Predicate
from kysera_dbapi.shape import Lexeme, Lexer
from kysera_dbapi.source import read
from kysera_dbapi.splices import Splice
from kysera_dbapi.statement import Reference

__all__ = ["Resolver", "pin"]

#: Makes the value of a ``:name``, a single one or (true) a list.
_BindOf = Callable[[str, bool], Bind]
_OWN = "_k0"
_BOUND = re.compile(r":_k([0-9]+)")
_OURS = re.compile(r"_k\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves conditions by one catalogue."""

    dialect: Dialect
    catalogue: Catalogue
    bind: _BindOf
    #: Numbers for reserved names, no two alike: policies may come to nest.
    numbers: Iterator[int]

    def resolved(
        self, sql: str, table: Table, filters: Callable[[Draft], None]
    ) -> Predicate:
        """The condition on rows of ``table``; ``filters`` edits what it reads.

        Raises ``ConfigurationError`` (policy) for what is no condition, or has names
        that mean nothing.
        """
        condition = _Condition(self, table, sql)
        text = condition.canonical()
        draft = self.draft(text, table, f" AS {_OWN}")
        del draft.references[0]
        if draft.references:
            filters(draft)
            draft.finish()
        return Predicate(
            sql,
            self._pieces(draft, condition),
            columns=condition.columns,
            reads=draft.reads,
        )

    def draft(self, condition: str, table: Table, alias: str = "") -> Draft:
        """A query of the rows of a table that meet the condition."""
        name = f"{self.dialect.quote(table.schema)}.{self.dialect.quote(table.name)}"
        text = f"SELECT * FROM {name}{alias} WHERE ({condition}\n)"
        lexer = Lexer(self.dialect.lexical, named=True)
        source = read(text, self.dialect, lexer)
        if source.several:
            raise _wrong("it is more than one statement")
        path = self.dialect.policy_path(self.catalogue, table.schema)
        # as of a view: no temporary table takes the place of one
        home = replace(self.catalogue, path=tuple(path))
        draft = parsing.parse(source, self.dialect, home, Draft)
        draft.catalogue = self.catalogue
        return draft

    def _pieces(self, draft: Draft, condition: "_Condition") -> tuple[Piece, ...]:
        """What stands between the outermost parentheses, in pieces."""
        said = self._spliced(draft, condition)
        try:
            return pin(said, self.dialect, self.catalogue, condition.types)
        except UnsupportedStatement as error:
            raise _wrong(str(error), condition.sql) from error

    def _spliced(self, draft: Draft, condition: "_Condition") -> list[Piece]:
        """The same, as they stand in the text, its own table being ``_k0``."""
        opening = draft.text.index(" WHERE (") + len(" WHERE (")
        marks: list[Splice] = [*draft.splices]
        said = [t for t in draft.source.lexemes if t.kind not in ("blank", "comment")]
        for i, lexeme in enumerate(said):
            if lexeme.kind != "placeholder":
                continue
            listed = lexeme.text in condition.lists
            bind = self.bind(lexeme.text[1:], listed)
            before, after, first, last = "", "", lexeme, lexeme
            if listed:  # NOT IN (:list), in the parentheses that canonical() put there
                negated = said[i - 3].word == "NOT"
                before, after = self.dialect.in_list(negated=negated)
                first, last = said[i - 2 - negated], said[i + 1]
            parts = (before, bind, after)
            marks.append(Splice(first.start, last.end, parts, rank=9))
        pieces: list[Piece] = []
        at = opening
        for one in sorted(marks, key=lambda s: (s.start, s.rank)):
            pieces += [draft.text[at : one.start], *one.parts]
            at = max(at, one.end)
        pieces.append(draft.text[at:].rpartition("\n")[0])
        return pieces


def pin(
    pieces: Sequence[Piece],
    dialect: Dialect,
    catalogue: Catalogue,
    types: Collection[str],
) -> tuple[Piece, ...]:
    """A condition by ``Dialect.pinned``, which may repeat a part of it."""
    binds = [piece for piece in pieces if isinstance(piece, Bind)]
    numbers = iter(range(len(binds)))
    text = "".join(
        f":_k{next(numbers)}" if isinstance(p, Bind) else p if isinstance(p, str)
        else f"{_OWN}."
        for p in pieces
    )  # fmt: skip
    parts = _BOUND.split(dialect.pinned(text, catalogue, types))
    found = (binds[int(part)] if i % 2 else part for i, part in enumerate(parts))
    return tuple(p for piece in found for p in _marked(piece) if p != "")


def _marked(piece: Piece) -> Iterator[Piece]:
    if not isinstance(piece, str):
        yield piece
        return
    first, *rest = piece.split(f"{_OWN}.")
    yield first
    for part in rest:
        yield OWN
        yield part


class _Condition:
    """One condition on its way to the canonical text."""

    def __init__(self, resolver: Resolver, table: Table, sql: str) -> None:
        self._resolver = resolver
        self._table = table
        self.sql = sql
        #: The types that the columns in it are declared with.
        self.types: set[str] = set()
        #: The placeholders of lists, as ``:ids``.
        self.lists: frozenset[str] = frozenset()
        #: The columns of its own table, if it reads nothing else.
        self.columns: frozenset[str] | None = None

    def canonical(self) -> str:
        """The condition with its names resolved, those of its own table by ``_k0``."""
        if _OURS.search(self.sql):
            raise _wrong("names that begin with _k are reserved", self.sql)
        text, self.lists = self._expanded()
        draft = self._parsed(text)
        if draft.unknown:
            raise _wrong(f"there is no table {draft.unknown[0]!r}", self.sql)
        for with_ in draft.tree.find_all(exp.With):
            raise _wrong(f"{with_.key.upper()} cannot be in it", self.sql)
        if any(join.method == "NATURAL" for join in draft.tree.find_all(exp.Join)):
            raise _wrong("new columns would change a NATURAL JOIN", self.sql)
        aliases = self._aliases(draft)
        splices: list[Splice] = []
        for reference in draft.references[1:]:
            splices += self._named(draft, reference, aliases)
        splices += _renamed(aliases, draft)
        for column in draft.tree.find_all(exp.Column):
            if not any(r.node is column for r in draft.references):
                splices += self._column(draft, column, aliases)
        columns = list(draft.tree.find_all(exp.Column))
        if len(list(draft.tree.find_all(exp.Select))) == 1 and not draft.references[1:]:
            self.columns = frozenset(draft.name_of(c.this) for c in columns)
        spelled = _spliced(draft.text, splices)
        return spelled[spelled.index(" WHERE (") + len(" WHERE (") :].rpartition("\n")[
            0
        ]

    def _parsed(self, text: str) -> Draft:
        try:
            # alone first, so that it cannot close the parentheses that it is put in
            lexer = Lexer(self._resolver.dialect.lexical, named=True)
            plain = "".join(_qmark(t) for t in lexer.lex(text))
            _sqlglot.expression(plain, self._resolver.dialect)
            return self._resolver.draft(text, self._table)
        except (_sqlglot.ParseError, UnsupportedStatement) as error:
            raise _wrong("it does not parse as a condition", self.sql) from error

    def _expanded(self) -> tuple[str, frozenset[str]]:
        """``IN :list`` as ``IN (:list)``, and which they are; without comments.

        So is ``:name::type``, which the parser does not read, ``(:name)::type``.
        """
        lexemes = list(Lexer(self._resolver.dialect.lexical, named=True).lex(self.sql))
        said = [t for t in lexemes if t.kind not in ("blank", "comment")]
        lists: set[int] = set()
        for lexeme, last in zip(said[1:], said, strict=False):
            if lexeme.kind == "placeholder" and lexeme.text[0] != ":":
                raise _wrong(f"{lexeme.text} is no :name", self.sql)
            if lexeme.kind == "placeholder" and last.text.upper() == "IN":
                lists.add(lexeme.start)
        if said and said[0].kind == "placeholder" and said[0].text[0] != ":":
            raise _wrong(f"{said[0].text} is no :name", self.sql)
        cast = {
            one.start
            for one, *after in zip(said, said[1:], said[2:], strict=False)
            if one.kind == "placeholder" and [t.text for t in after] == [":", ":"]
        }
        text = "".join(
            f" ({t.text})" if t.start in lists | cast else _plain(t) for t in lexemes
        )
        several = {t.text for t in said if t.start in lists}
        for lexeme in said:
            if lexeme.text in several and lexeme.start not in lists:
                raise _wrong(f"{lexeme.text} is a list and a single value", self.sql)
        return text, frozenset(several)

    # -- names --------------------------------------------------------------------

    def _aliases(self, draft: Draft) -> "dict[int, str]":
        """New names for all that the blocks within expose, by the ids of nodes."""
        found: dict[int, str] = {}
        for block in draft.tree.find_all(exp.Select):
            if block is draft.tree:
                found[id(draft.references[0].node)] = _OWN
                continue
            for _, node in draft.exposures(block):
                found[id(node)] = f"_k{next(self._resolver.numbers)}"
        return found

    def _named(
        self, draft: Draft, reference: Reference, aliases: "dict[int, str]"
    ) -> list[Splice]:
        """A relation by its schema and name, and with an alias of ours."""
        quote = self._resolver.dialect.quote
        table = reference.table
        full = f"{quote(table.schema)}.{quote(table.name)}"
        named = aliases.get(id(reference.node))
        if named is not None and reference.node.args.get("alias") is None:
            full += f" AS {named}"
        return [Splice(reference.start, reference.end, (full,))]

    def _column(
        self, draft: Draft, column: exp.Column, aliases: "dict[int, str]"
    ) -> list[Splice]:
        """A column by the reserved name of the relation that it is of."""
        where = _sqlglot.span(column.this)
        if where is None:
            raise _wrong(f"{column.name} is not understood where it stands", self.sql)
        table = column.args.get("table")
        node = self._owner(draft, column, draft.name_of(table) if table else "")
        if _table_of(draft, node) is None and node.args.get("alias") is None:
            raise _wrong(f"what {column.name} is of needs an alias", self.sql)
        start = where[0]
        for part in ("table", "db", "catalog"):
            said = column.args.get(part)
            if said is not None:
                span = _sqlglot.span(said)
                start = span[0] if span else start
        return [Splice(start, where[0], (f"{aliases[id(node)]}.",))]

    def _owner(self, draft: Draft, column: exp.Column, name: str) -> exp.Expression:
        """What a column is of: SQL looks in the innermost block first.

        So a column added to a table there would take the place of a bare outer one.
        """
        own = block = column.find_ancestor(exp.Select)
        while block is not None:
            exposed = draft.exposures(block)
            found = [
                (said, node)
                for said, node in exposed
                if (said == name if name else self._has(draft, node, column))
            ]
            if len(found) == 1:
                said, node = found[0]
                if not name and block is not own:
                    raise _wrong(
                        f"{column.name} is not of the sub-select that it is in; write "
                        f"{said}.{column.name}",
                        self.sql,
                    )
                self._check(draft, node, column)
                return node
            if found:
                raise _wrong(f"{column.name} is ambiguous", self.sql)
            block = block.find_ancestor(exp.Select)
        raise _wrong(f"there is no column {column.sql()!r}", self.sql)

    def _has(self, draft: Draft, node: exp.Expression, column: exp.Column) -> bool:
        table = _table_of(draft, node)
        if table is None:
            raise _wrong(
                f"{column.name} must be qualified, as there is a sub-select in FROM",
                self.sql,
            )
        return self._knows(table, draft.name_of(column.this))

    def _check(self, draft: Draft, node: exp.Expression, column: exp.Column) -> None:
        table = _table_of(draft, node)
        name = draft.name_of(column.this)
        found = table.column(name) if table is not None else None
        self.types |= {found.type} if found is not None else set()
        if table is not None and not self._knows(table, name):
            raise _wrong(f"table {table.name!r} has no column {name!r}", self.sql)

    def _knows(self, table: Table, name: str) -> bool:
        if table.kind == "unknown":
            return True
        fold = self._resolver.dialect.fold
        # no row identifier: a new column may have its name
        return name in {fold(c.name, quoted=True) for c in table.columns}


def _table_of(draft: Draft, node: exp.Expression) -> Table | None:
    found = (r.table for r in draft.references if r.node is node)
    return next(found, None)


def _renamed(aliases: dict[int, str], draft: Draft) -> list[Splice]:
    """The aliases that are written, by the reserved names."""
    splices: list[Splice] = []
    for node in draft.tree.find_all(exp.Table, exp.Subquery, exp.Values, exp.Lateral):
        alias = node.args.get("alias")
        said = _sqlglot.span(alias.this) if alias is not None and alias.this else None
        if said is not None and id(node) in aliases and aliases[id(node)] != _OWN:
            splices.append(Splice(*said, (aliases[id(node)],)))
    return splices


def _spliced(text: str, splices: Sequence[Splice]) -> str:
    pieces: list[str] = []
    at = 0
    for one in sorted(splices, key=lambda s: (s.start, s.end)):
        pieces += [text[at : one.start], *(str(part) for part in one.parts)]
        at = one.end
    return "".join((*pieces, text[at:]))


def _plain(lexeme: Lexeme) -> str:
    """A lexeme as it can be put into a caller's line: without comments."""
    return " " if lexeme.kind == "comment" else lexeme.text


def _qmark(lexeme: Lexeme) -> str:
    return "?" if lexeme.kind == "placeholder" else lexeme.text


def _wrong(what: str, sql: str = "") -> ConfigurationError:
    return ConfigurationError(f"policy {sql!r}: {what}", code="policy")
