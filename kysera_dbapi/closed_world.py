"""What a statement may use: its kind, its functions, and what its relations reach.

What is not known to be safe is refused; with no protected table nothing is.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace

from kysera_dbapi import statement
from kysera_dbapi.catalogue import Catalogue, Table
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import ProgrammingError, UnsupportedStatement
from kysera_dbapi.plugin import Mode
from kysera_dbapi.shape import Lexer
from kysera_dbapi.statement import Source

__all__ = ["ClosedWorld"]


class ClosedWorld:
    """The rules of one catalogue; ``protected`` holds the keys of protected tables."""

    def __init__(self, dialect: Dialect, catalogue: Catalogue, mode: Mode) -> None:
        self._dialect = dialect
        self._catalogue = catalogue
        self._strict = mode == "strict"
        self._lexer = Lexer(dialect.lexical)
        self._reads: dict[str, frozenset[str]] = {}

    def check_kind(self, source: Source, protected: Collection[str]) -> None:
        """Refuse several statements in one text, and kinds that are not understood."""
        if source.several:
            if not protected:
                return  # the driver's own error
            raise ProgrammingError(
                # the drivers' own words, which programs look for
                "You can only execute one statement at a time; use executescript()",
                code="multiple-statements",
            )
        rule = source.rule
        if rule is None and source.words and "\x00" not in source.text:
            raise UnsupportedStatement(
                f"{source.words[0]} is no statement that is understood; run it "
                "under bypass() if it touches no protected table",
                code="statement-kind",
            )
        if rule is not None and rule.treatment == "refused":
            raise UnsupportedStatement(
                f"{' '.join(source.words[:2])} is refused: {rule.reason}",
                code="statement-kind",
            )
        if rule is None or not (rule.names_protected or source.planned):
            self._check_unnamed(source, protected)

    def _check_unnamed(self, source: Source, protected: Collection[str]) -> None:
        name = self._named(source, protected)
        if name:
            what = source.rule.reason if source.rule else "it has no parse"
            raise UnsupportedStatement(
                f"{' '.join(source.words[:2])} names the protected table {name}: "
                f"{what}; run it under bypass()",
                code="protected-ddl",
            )

    def _named(self, source: Source, protected: Collection[str]) -> str:
        """A protected table that the text names, as a name or as a string."""
        names = _bare(protected)
        for lexeme in source.lexemes:
            if lexeme.kind in ("word", "quoted", "string"):
                name = self._dialect.unquote(lexeme.text)
                folded = self._dialect.fold(name, quoted=name != lexeme.text)
                if folded in names or (
                    lexeme.kind == "string" and any(n in folded for n in names)
                ):
                    return folded
        return ""

    def check_functions(self, source: Source) -> None:
        """Refuse functions that are dangerous, and in strict mode unknown ones."""
        words = source.words
        lexemes = [t for t in source.lexemes if t.kind not in ("blank", "comment")]
        for i, lexeme in enumerate(lexemes[:-1]):
            if words[i + 1 : i + 2] != ("(",) or lexeme.kind not in ("word", "quoted"):
                continue
            name = self._dialect.unquote(lexeme.text).lower()
            dangerous = name in self._dialect.dangerous_functions
            if name.startswith("pragma_"):
                rule = self._dialect.classify(("PRAGMA", name[7:].upper()))
                dangerous = rule is None or rule.treatment == "refused"
            known = name in self._catalogue.functions or not lexeme.text.isalnum()
            unknown = self._strict and not known and lexeme.text.upper() not in _CALLS
            if dangerous or (unknown and i and words[i - 1] not in _NAMING):
                raise UnsupportedStatement(
                    f"the function {name} is refused: it is not known to be safe",
                    code="dangerous-function",
                )

    def check_relations(self, draft: Draft, protected: Collection[str]) -> None:
        """Refuse relations that reach a protected table where nothing filters it."""
        for name in draft.unknown:
            if name.rpartition(".")[2] in self._dialect.dangerous_relations:
                raise _undeclared(name, "it shows stored rows past any filter")
        names = _bare(protected)
        for reference in draft.references:
            table = reference.table
            if table.key in protected:
                continue
            if table.name in self._dialect.dangerous_relations:
                raise _undeclared(table.name, "it shows stored rows past any filter")
            if table.kind == "view" and not self._view_reads(table).isdisjoint(
                protected
            ):
                raise _undeclared(table.name, "it reads a protected table")
            if table.kind in ("virtual", "shadow") and self._mentions(table, names):
                raise _undeclared(table.name, "it reads a protected table")
            if reference.role == "target":
                self._check_triggers(table, draft.kind, names)

    def _mentions(self, table: Table, names: Collection[str]) -> bool:
        """Whether a virtual table's definition, or a shadow's name, tells of one."""
        if table.kind == "shadow":
            return any(table.name.startswith(f"{name}_") for name in names)
        return not self._names_in(table.text).isdisjoint(names)

    def _check_triggers(self, table: Table, kind: str, names: Collection[str]) -> None:
        for trigger in table.triggers:
            if trigger.event != kind.upper():
                continue
            if not self._names_in(trigger.text).isdisjoint(names):
                raise UnsupportedStatement(
                    f"the trigger {trigger.name} of {table.name} touches a protected "
                    "table where nothing filters it; run the statement under bypass()",
                    code="undeclared-trigger",
                )

    def _names_in(self, definition: str) -> set[str]:
        return {
            self._dialect.fold(self._dialect.unquote(t.text), quoted=True)
            for t in self._lexer.lex(definition)
        }

    def _view_reads(self, view: Table) -> frozenset[str]:
        """The keys of the relations that a view reads, views within views too.

        Raises ``UnsupportedStatement`` for a view without a parse.
        """
        # kept when all is known: another thread may look at any time
        known = self._reads.get(view.key)
        if known is None:
            found: dict[str, Table] = {}
            todo = [view]
            while todo:
                for table in self._relations(todo.pop()):
                    if table.key not in found:
                        found[table.key] = table
                        todo += [table] if table.kind == "view" else []
            known = self._reads[view.key] = frozenset(found)
        return known

    def _relations(self, view: Table) -> Iterator[Table]:
        """The relations that a view names. Its names mean those of its own schema.

        Those of a temporary view alone are looked up as anywhere: https://www.sqlite.org/lang_createview.html
        """
        catalogue = self._catalogue
        if view.schema != catalogue.path[0]:
            catalogue = replace(catalogue, path=(view.schema,))
        words = list(self._lexer.lex(view.text))
        at = next((t.end for t in words if t.text.upper() == "AS"), 0)
        body = statement.read(view.text[at:], self._dialect, self._lexer)
        parsed = statement.parse(body, self._dialect, catalogue, Draft)
        return (reference.table for reference in parsed.references)


#: Keywords that may stand before a parenthesis without being functions.
_CALLS = frozenset(
    "IN VALUES AND OR NOT ON USING AS FROM JOIN WHERE SELECT EXISTS OVER FILTER BY "
    "WHEN "
    "THEN ELSE LIMIT OFFSET UNION ALL EXCEPT INTERSECT SET DISTINCT HAVING CASE LIKE "
    "GLOB BETWEEN IS RETURNING CAST REPLACE MATERIALIZED CONFLICT".split()
)
_NAMING = ("INTO", "WITH", ",", "RECURSIVE", "AS", "TABLE")


def _bare(keys: Collection[str]) -> set[str]:
    return {key.rpartition(".")[2] for key in keys}


def _undeclared(name: str, why: str) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"{name} is refused: {why}; declare it, or run the statement under bypass()",
        code="undeclared-view",
    )
