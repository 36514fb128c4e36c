"""What a statement reaches beneath the relations that it names.

Views, virtual tables and functions read others; the rows of a partition are those of
its parents; writes fire triggers and the actions of foreign keys. All of it is learned
from the catalogue, and where a name is not sure it counts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from kysera_dbapi import parsing
from kysera_dbapi.catalogue import Catalogue, ForeignKey, Function, Table, Trigger
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.functions import Functions
from kysera_dbapi.mentions import Event, Mentions
from kysera_dbapi.shape import Lexeme, Lexer
from kysera_dbapi.source import Source, read
from kysera_dbapi.statement import Statement

__all__ = ["Beneath", "Effects", "Event", "Reach"]

_SETS = ("CASCADE", "SET NULL", "SET DEFAULT")


#: What may stand in the text of a parsed function: what it does to its tables.
_EVENTS = ("INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True, slots=True)
class Beneath:
    """What is reached beneath a relation or function, itself included."""

    #: The keys of the relations; with those that share rows with them.
    tables: frozenset[str]
    routines: tuple[Function, ...]


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
    """Follows the relations and functions of one catalogue."""

    def __init__(self, dialect: Dialect, catalogue: Catalogue) -> None:
        self._dialect = dialect
        self._catalogue = catalogue
        self._lexer = Lexer(dialect.lexical)
        self._functions = Functions(dialect, catalogue)
        self._mentions = Mentions(dialect, catalogue)
        self._known: dict[str | int, Beneath] = {}

    # -- reading ------------------------------------------------------------------

    def reads(self, table: Table) -> frozenset[str]:
        """The keys of the relations that a relation reads beneath it, at any depth.

        Those that share rows with it are among them. Raises ``UnsupportedStatement``
        for a view without a parse.
        """
        return self.beneath(table).tables - {table.key}

    def beneath(self, start: Table | Function) -> Beneath:
        """What a relation reads, or a function uses, at any depth."""
        known = self._known.get(_number(start))
        if known is not None:
            return known
        tables: set[str] = set()
        routines: list[Function] = []
        pending, seen = [start], {_number(start)}
        while pending:
            node = pending.pop()
            if isinstance(node, Table):
                tables |= {node.key, *self.kin(node)}
                below = self._read_by(node)
            else:
                routines.append(node)
                below = self._used_by(node)
            pending += [one for one in below if _number(one) not in seen]
            seen.update(map(_number, below))
        # put in when it is whole: threads share the catalogue
        found = Beneath(frozenset(tables), tuple(routines))
        self._known[_number(start)] = found
        return found

    def kin(self, table: Table) -> set[str]:
        """The keys of the tables that share rows with it: partitions and parents."""
        down = {table.key, *(one.key for one in self._descendants(table))}
        pending, found = list(down), set(down)
        while pending:
            one = self._catalogue.tables.get(pending.pop())
            above = set(one.parents if one else ()) - found
            found |= above
            pending += above
        return found - {table.key}

    def _descendants(self, table: Table) -> list[Table]:
        """The partitions of a table, and those that inherit, at any depth."""
        found: dict[str, Table] = {}
        pending = [table]
        while pending:
            for one in self._catalogue.offspring.get(pending.pop().key, ()):
                if one.key not in found:
                    found[one.key] = one
                    pending.append(one)
        return list(found.values())

    def _read_by(self, table: Table) -> "list[Table | Function]":
        found: list[Table | Function] = []
        if table.reads is not None:
            found += self._of(table.reads)
            found += self._catalogue.routines_of(table.calls)
        elif table.kind == "view":
            found += [r.table for r in self.view(table).references]
            found += self.called(self.query(table))
        elif table.kind == "virtual":
            found += self.named_in(table.text)
        elif table.kind == "shadow":
            found += self._owners(table)
        return found

    def _used_by(self, function: Function) -> "list[Table | Function]":
        found: list[Table | Function] = [
            *self._catalogue.routines_of(function.calls),
            *self._tables_of(function),
        ]
        if function.reads is None:
            text, mentions = function.text, self._mentions
            if function.language in self._dialect.languages:
                found += mentions.routines(mentions.code(text))
            else:
                found += mentions.routines_within(text)
        return found

    def _tables_of(self, function: Function) -> list[Table]:
        """The tables that a function names."""
        if function.reads is not None:
            return self._of(function.reads)
        if function.language in self._dialect.languages:
            return self._mentions.tables(self._mentions.code(function.text))
        return self._mentions.tables_within(function.text)

    def _of(self, keys: Iterable[str]) -> list[Table]:
        found = (self._catalogue.tables.get(key) for key in sorted(keys))
        return [table for table in found if table is not None]

    def view(self, table: Table) -> Statement:
        """The query of a view, its names resolved as the view resolves them.

        Raises ``UnsupportedStatement`` if it has no parse.
        """
        path = self._dialect.view_path(table.schema, self._catalogue.path)
        home = replace(self._catalogue, path=tuple(path))
        return parsing.parse(self.query(table), self._dialect, home, Statement)

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
        return self._mentions.tables(self._mentions.lexemes(text))

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
            pending += self._written_through(table, event)
            pending += self._referring(table, event, found)
        return found

    def _written_through(self, table: Table, event: str) -> Iterator[Event]:
        """The tables beneath a view, and those that keep the rows of another.

        An UPDATE that moves a row to another partition deletes and inserts it.
        """
        if table.kind == "view":
            yield from ((one, event) for one in self._of(table.reads or ()))
        moves = ("DELETE", "INSERT") if event == "UPDATE" else ()
        for one in self._descendants(table):
            yield from ((one, each) for each in (event, *moves))

    def touches(self, trigger: Trigger) -> frozenset[str]:
        """The keys of the relations that a trigger may read or write."""
        below = (self.beneath(one) for one in self._used_by_trigger(trigger))
        return frozenset(key for one in below for key in one.tables)

    def routines_of(self, trigger: Trigger) -> list[Function]:
        """The functions that a trigger calls."""
        keys = {trigger.function, *trigger.calls}
        return list(self._catalogue.routines_of(keys))

    def _used_by_trigger(self, trigger: Trigger) -> "list[Table | Function]":
        named = (
            self._mentions.tables(self._body(trigger))
            if trigger.uses is None
            else self._of(trigger.uses)
        )
        return [*self.routines_of(trigger), *named]

    def _referring(self, table: Table, event: str, found: Effects) -> Iterator[Event]:
        """The actions of the foreign keys that refer to a table."""
        if not self._catalogue.enforces_foreign_keys or event == "INSERT":
            return
        for key in self._catalogue.children.get(table.key, ()):
            child = self._catalogue.tables.get(key.child)
            # TRUNCATE is taken to cascade
            actions = {"UPDATE": key.on_update, "DELETE": key.on_delete}
            action = actions.get(event, "CASCADE")
            if child is None or action.upper() not in _SETS:
                continue
            gone = event != "UPDATE" and action.upper() == "CASCADE"
            found.cascaded.add(child.key)
            found.actions.append((key, event != "UPDATE"))
            found.removed |= {child.key} if gone else set()
            yield child, "DELETE" if gone else "UPDATE"

    def related(self, key: str) -> Iterator[str]:
        """The tables that are looked into for the foreign keys of a table."""
        for one in self._catalogue.foreign_keys:
            if key in (one.child, one.parent):
                yield from (one.child, one.parent)

    def _body(self, trigger: Trigger) -> list[Lexeme]:
        """A trigger's condition and statements, without its head."""
        lexemes = self._mentions.lexemes(trigger.text)
        if trigger.function:
            return lexemes
        starts = (i for i, t in enumerate(lexemes) if t.word in ("WHEN", "BEGIN"))
        return lexemes[next(starts, 0) :]

    def _writes(self, trigger: Trigger) -> Iterator[Event]:
        for table in self._of(trigger.uses or ()):
            yield from ((table, event) for event in _EVENTS)
        for one in self.routines_of(trigger):
            yield from self.writes(one)
        if not trigger.function:
            yield from self._mentions.writes(self._body(trigger))

    def writes(self, function: Function) -> Iterator[Event]:
        """What a function does to rows, by those that it calls, too."""
        for one in self.beneath(function).routines:
            if one.reads is None and one.language in self._dialect.languages:
                yield from self._mentions.writes(self._mentions.code(one.text))
                continue
            # of one that is parsed, its text tells what it does
            said = _EVENTS if one.reads is None else one.text.split()
            events = [event for event in _EVENTS if event in said]
            for table in self._tables_of(one):
                yield from ((table, event) for event in events)


def _number(node: Table | Function) -> str | int:
    """What tells relations and functions apart; overloads have one key."""
    return node.key if isinstance(node, Table) else id(node)
