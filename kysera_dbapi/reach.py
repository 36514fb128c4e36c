"""What a statement reaches beneath the relations that it names.

Views and virtual tables read others; writes fire triggers and the actions of foreign
keys. All of it is learned from the catalogue, and where a name is not sure it counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from kysera_dbapi import statement
from kysera_dbapi.catalogue import Catalogue, ForeignKey, Table, Trigger
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.functions import Functions
from kysera_dbapi.shape import Lexeme, Lexer
from kysera_dbapi.source import Source, read
from kysera_dbapi.statement import Statement

__all__ = ["Effects", "Event", "Reach"]

#: A table, and what happens to its rows: INSERT, UPDATE or DELETE.
Event = tuple[Table, str]

_NAMES = ("word", "quoted", "string")
_SETS = ("CASCADE", "SET NULL", "SET DEFAULT")


@dataclass(slots=True)
class Effects:
    """What writes set off, at any depth."""

    #: The triggers that fire, each with the table it is on.
    triggers: list[tuple[Table, Trigger]]
    #: The keys of the tables whose rows foreign keys remove.
    removed: set[str]
    #: The keys of the tables that foreign keys write to.
    cascaded: set[str]
    #: The keys of all tables written to.
    written: set[str]
    #: The foreign keys that act, each with whether its parent rows are removed.
    actions: list[tuple[ForeignKey, bool]] = field(
        default_factory=list[tuple[ForeignKey, bool]]
    )


class Reach:
    """Follows the relations of one catalogue."""

    def __init__(self, dialect: Dialect, catalogue: Catalogue) -> None:
        self._dialect = dialect
        self._catalogue = catalogue
        self._lexer = Lexer(dialect.lexical)
        self._functions = Functions(dialect, catalogue)
        self._reads: dict[str, frozenset[str]] = {}

    # -- reading ------------------------------------------------------------------

    def reads(self, table: Table) -> frozenset[str]:
        """The keys of the relations that a relation reads beneath it, at any depth.

        Raises ``UnsupportedStatement`` for a view without a parse.
        """
        known = self._reads.get(table.key)
        if known is not None:
            return known
        found: set[str] = set()
        pending = [table]
        while pending:
            below = self._read_by(pending.pop())
            pending += [one for one in below if one.key not in found]
            found.update(one.key for one in below)
        # put in when it is whole: threads share the catalogue
        known = self._reads[table.key] = frozenset(found - {table.key})
        return known

    def _read_by(self, table: Table) -> list[Table]:
        if table.reads is not None:
            return self._of(table.reads)
        if table.kind == "view":
            named = [r.table for r in self.view(table).references]
            return named + self.called(self.query(table))
        if table.kind == "virtual":
            return self.named_in(table.text)
        if table.kind == "shadow":
            return self._owners(table)
        return []

    def _of(self, keys: Iterable[str]) -> list[Table]:
        found = (self._catalogue.tables.get(key) for key in sorted(keys))
        return [table for table in found if table is not None]

    def view(self, table: Table) -> Statement:
        """The query of a view, its names resolved as the view resolves them.

        Raises ``UnsupportedStatement`` if it has no parse.
        """
        path = self._dialect.view_path(table.schema, self._catalogue.path)
        home = replace(self._catalogue, path=tuple(path))
        return statement.parse(self.query(table), self._dialect, home, Statement)

    def query(self, table: Table) -> Source:
        """The text of a view's query."""
        words = list(self._lexer.lex(table.text))
        at = next((t.end for t in words if t.word == "AS"), 0)
        return read(table.text[at:], self._dialect, self._lexer)

    def called(self, source: Source) -> list[Table]:
        """The virtual tables that a text calls as functions."""
        names = set(self._functions.calls(source))
        virtual = self._catalogue.of_kind("virtual")
        return [table for table in virtual if table.name in names]

    def _owners(self, shadow: Table) -> list[Table]:
        """The virtual tables that may keep their rows in a table of that name."""
        return [
            table
            for table in self._catalogue.of_kind("virtual")
            if table.schema == shadow.schema
            and shadow.name.startswith(f"{table.name}_")
        ]

    def shadows(self, virtual: Table) -> set[str]:
        """The keys of the tables in which a virtual table may keep its rows."""
        return {
            table.key
            for table in self._catalogue.of_kind("shadow")
            if virtual in self._owners(table)
        }

    def named_in(self, text: str) -> list[Table]:
        """The relations of any schema that a definition may name, in strings too."""
        return self._tables(_significant(self._lexer, text))

    def _tables(self, lexemes: Sequence[Lexeme]) -> list[Table]:
        names = dict.fromkeys(self._names(lexemes))
        return [table for name in names for table in self._by_name.get(name, ())]

    @cached_property
    def _by_name(self) -> dict[str, list[Table]]:
        found: dict[str, list[Table]] = {}
        for table in self._catalogue.tables.values():
            found.setdefault(table.name, []).append(table)
        return found

    def _names(self, lexemes: Sequence[Lexeme]) -> Iterator[str]:
        for i, lexeme in enumerate(lexemes):
            if lexeme.kind not in _NAMES or _is_of_row(lexemes, i):
                continue
            name = self._folded(lexeme.text)
            yield name
            if lexeme.kind == "string":
                yield from self._names(_significant(self._lexer, name))

    def _folded(self, text: str) -> str:
        name = self._dialect.unquote(text)
        return self._dialect.fold(name, quoted=name != text)

    # -- writing ------------------------------------------------------------------

    def effects(self, events: Iterable[Event]) -> Effects:
        """What happens besides when rows are written."""
        found = Effects([], set(), set(), set())
        pending = list(events)
        seen: set[tuple[str, str]] = set()
        while pending:
            table, event = pending.pop()
            if (table.key, event) in seen:
                continue
            seen.add((table.key, event))
            found.written.add(table.key)
            if event != "DELETE" and "REPLACE" in table.on_conflict:
                pending.append((table, "DELETE"))
            for trigger in table.triggers:
                if trigger.event == event:
                    found.triggers.append((table, trigger))
                    pending += self._writes(trigger)
            pending += self._referring(table, event, found)
        return found

    def touches(self, trigger: Trigger) -> frozenset[str]:
        """The keys of the relations that a trigger may read or write."""
        tables = (
            self._tables(self._body(trigger))
            if trigger.uses is None
            else self._of(trigger.uses)
        )
        return frozenset(t.key for t in tables).union(*(self.reads(t) for t in tables))

    def _referring(self, table: Table, event: str, found: Effects) -> Iterator[Event]:
        """The actions of the foreign keys that refer to a table."""
        if not self._catalogue.enforces_foreign_keys or event == "INSERT":
            return
        for key in self._catalogue.children.get(table.key, ()):
            child = self._catalogue.tables.get(key.child)
            action = key.on_delete if event == "DELETE" else key.on_update
            if child is None or action.upper() not in _SETS:
                continue
            gone = event == "DELETE" and action.upper() == "CASCADE"
            found.cascaded.add(child.key)
            found.actions.append((key, event == "DELETE"))
            found.removed |= {child.key} if gone else set()
            yield child, "DELETE" if gone else "UPDATE"

    def related(self, key: str) -> Iterator[str]:
        """The tables that are looked into for the foreign keys of a table."""
        for one in self._catalogue.foreign_keys:
            if key in (one.child, one.parent):
                yield from (one.child, one.parent)

    def _body(self, trigger: Trigger) -> list[Lexeme]:
        """A trigger's condition and statements, without its head."""
        lexemes = _significant(self._lexer, trigger.text)
        if trigger.function:
            return lexemes
        starts = (i for i, t in enumerate(lexemes) if t.word in ("WHEN", "BEGIN"))
        return lexemes[next(starts, 0) :]

    def _writes(self, trigger: Trigger) -> Iterator[Event]:
        for table in self._of(trigger.uses or ()):
            yield from ((table, event) for event in ("INSERT", "UPDATE", "DELETE"))
        lexemes = self._body(trigger)
        words = [t.word for t in lexemes]
        updates = _follow(words, ("DO", "UPDATE"))
        for i, word in enumerate(words):
            events: list[str] = []
            at = i + 1
            if word == "INTO":
                events = ["INSERT", *(["UPDATE"] if updates else [])]
                events += ["DELETE"] if "REPLACE" in words[i - 1 : i] else []
            elif word == "UPDATE" and words[at : at + 1] != ["SET"]:
                at += 2 if words[at : at + 1] == ["OR"] else 0
                events = ["UPDATE"]
                events += ["DELETE"] if words[at - 1 : at] == ["REPLACE"] else []
            elif word == "DELETE" and words[at : at + 1] == ["FROM"]:
                at, events = at + 1, ["DELETE"]
            if events:
                at += 2 if words[at + 1 : at + 2] == ["."] else 0
                for table in self._tables(lexemes[at : at + 1]):
                    yield from ((table, event) for event in events)


def _significant(lexer: Lexer, text: str) -> list[Lexeme]:
    return [t for t in lexer.lex(text) if t.kind not in ("blank", "comment")]


def _is_of_row(lexemes: Sequence[Lexeme], at: int) -> bool:
    """Whether a name is a column of NEW or OLD."""
    before = [t.word for t in lexemes[max(at - 2, 0) : at]]
    return before in (["NEW", "."], ["OLD", "."])


def _follow(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether ``wanted`` stand somewhere in ``words``, one after the other."""
    size = len(wanted)
    return any(
        tuple(words[i : i + size]) == tuple(wanted)
        for i in range(len(words) - size + 1)
    )
