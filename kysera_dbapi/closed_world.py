"""What a statement may use: its kind, its functions, and what its relations reach.

What is not known to be safe is refused; with no protected table nothing is.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from kysera_dbapi.catalogue import (
    Catalogue,
    ForeignKey,
    Function,
    Table,
    Trigger,
    parts_of,
)
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.edits import Draft
from kysera_dbapi.errors import ProgrammingError, UnsupportedStatement
from kysera_dbapi.functions import Functions
from kysera_dbapi.mentions import Event
from kysera_dbapi.mode import Mode
from kysera_dbapi.reach import Effects, Reach
from kysera_dbapi.referring import but_referred, copies_keys
from kysera_dbapi.searching import check_search
from kysera_dbapi.shape import Lexeme, Lexer
from kysera_dbapi.source import Source, read

__all__ = ["ClosedWorld", "Judge"]


class Judge(Protocol):
    """What plugins say of what a statement sets off."""

    bars: bool
    hides_rows: bool

    def protected(self, catalogue: Catalogue) -> Collection[str]:
        """The keys of the tables that a plugin must see the statements of."""
        ...

    def accepts_trigger(self, trigger: Trigger) -> bool:
        """Whether a trigger may use protected tables unfiltered."""
        ...

    def reaches_hidden(self, key: ForeignKey, catalogue: Catalogue) -> bool:
        """Whether the action of a foreign key may change rows that are hidden."""
        ...


class ClosedWorld:
    """The rules of one catalogue; ``protected`` holds the keys of protected tables."""

    def __init__(
        self,
        dialect: Dialect,
        catalogue: Catalogue,
        mode: Mode,
        declared: Collection[str] = (),
    ) -> None:
        self._dialect = dialect
        self._catalogue = catalogue
        self._strict = mode == "strict"
        self.functions = Functions(dialect, catalogue, declared)
        self.reach = Reach(dialect, catalogue)
        self._lexer = Lexer(dialect.lexical)

    # -- kinds --------------------------------------------------------------------

    def check_kind(
        self, source: Source, protected: Collection[str], judges: Sequence[Judge] = ()
    ) -> None:
        """Refuse several statements in one text, and kinds that are not understood."""
        rule = source.rule
        if rule is not None and rule.treatment == "refused":
            raise UnsupportedStatement(  # of several, too: the body of a routine
                f"{self._title(source)} is refused: {rule.reason}",
                code="statement-kind",
            )
        if source.several and protected:
            raise ProgrammingError(self._dialect.several, code="multiple-statements")
        nul = "\x00" in source.text and self._dialect.refuses_nul
        if rule is None and source.words and not nul:
            raise self._unknown(source)
        if rule is None or not (rule.names_protected or source.planned):
            self._check_unnamed(source, protected)
        if protected:
            self._check_shadowing(source)
        if self._strict and protected:
            self._check_tells(source)
            self._check_copied(source, protected)
        if any(judge.bars for judge in judges):
            self._check_evaluated(source, protected)
        if rule is not None and rule.event:
            self._check_passed(source, rule.event, protected, judges)

    def _unknown(self, source: Source) -> UnsupportedStatement:
        """The error of a text that has no kind."""
        said = f"{self._title(source)} is no statement that is understood; "
        code, unclosed = "statement-kind", source.unclosed
        if unclosed is not None:
            line, column = unclosed
            said = (
                f"what begins at line {line}, column {column} has no end that is "
                "known; mend it, or "
            )
            code = "unparsed-statement"
        return UnsupportedStatement(
            f"{said}run it under bypass() if it touches no protected table", code=code
        )

    def _check_shadowing(self, source: Source) -> None:
        """No temporary table may take the name of a table: a policy may read that."""
        for old, new in self._dialect.temporary_names(source.lexemes):
            known = self._catalogue.resolve(new)
            if known is not None and not (old and self._catalogue.resolve(old)):
                raise UnsupportedStatement(
                    f"{self._title(source)}: a temporary table would take the place of "
                    f"{known.name}; choose another name",
                    code="protected-ddl",
                )

    def _check_tells(self, source: Source) -> None:
        """Strict mode: nothing tells how many rows there are, or which are broken."""
        if source.words[:1] == ("PRAGMA",):
            for word in source.words[1:4]:
                self._check_statistics(f"pragma_{self._dialect.unquote(word).lower()}")
        if self._dialect.tells_of_rows(source.words):
            raise UnsupportedStatement(
                f"{self._title(source)} is refused: it tells of rows that a filter "
                "hides; run it under bypass()",
                code="statement-kind",
            )

    def _check_copied(self, source: Source, protected: Collection[str]) -> None:
        """Strict mode: no new key of a hidden row is written where all may see it."""
        if not copies_keys(source):
            return
        names = {self._name(key) for key in protected} | self._sharing(protected)
        if not names.isdisjoint(map(self._folded, source.lexemes)):
            raise UnsupportedStatement(
                f"{self._title(source)} is refused: ON UPDATE CASCADE would show new "
                "keys of hidden rows; leave it out, or run it under bypass()",
                code="protected-ddl",
            )

    def _check_evaluated(self, source: Source, protected: Collection[str]) -> None:
        """No definition may be tried on rows that are hidden."""
        if not self._dialect.evaluates(source.words):
            return
        name = self._named(source, {self._name(key) for key in protected})
        if name:
            raise UnsupportedStatement(
                f"{self._title(source)} would try an expression on hidden rows of "
                f"{name}; name columns alone, or run it under bypass()",
                code="protected-ddl",
            )

    def writes(self, source: Source, tables: Collection[str]) -> set[str]:
        """Those of ``tables`` that a statement, parsed or not, may write to."""
        if source.kind == "select" or (source.rule and not source.planned):
            return set()
        return {key for key in tables if self._named(source, self._reading({key}))}

    def _title(self, source: Source) -> str:
        """The words that tell what a statement is; none of the caller's constants."""
        lexemes = [t for t in source.lexemes if t.kind not in ("blank", "comment")]
        title: list[str] = []
        for lexeme, word in zip(lexemes[:4], source.words, strict=False):
            keyword = word in self._dialect.keywords
            pragma = title[:1] == ["PRAGMA"] and (lexeme.kind == "word" or word == ".")
            first = not title and (word.isalpha() or lexeme.kind == "symbol")
            if title == ["("] or not (keyword or pragma or first):
                break
            title.append(word)
        return " ".join(title).replace(" . ", ".") or "the text"

    def _check_unnamed(self, source: Source, protected: Collection[str]) -> None:
        kept = source.rule is not None and source.rule.keeps_text
        names = {self._name(key) for key in protected}
        names |= self._reading(protected) if kept else self._sharing(protected)
        name = self._named(source, names)
        if name:
            what = source.rule.reason if source.rule else "it has no parse"
            raise UnsupportedStatement(
                f"{self._title(source)} names the protected table {name}: "
                f"{what}; run it under bypass()",
                code="protected-ddl",
            )
        if kept and protected:
            self._check_shown(source)

    def _check_shown(self, source: Source) -> None:
        """Refuse relations that show stored rows, in a text that is not parsed."""
        tables = self._catalogue.tables.values()
        system = {table.schema.lower() for table in tables if table.kind == "system"}
        lexemes = [t for t in source.lexemes if t.kind not in ("blank", "comment")]
        for i, lexeme in enumerate(lexemes):
            if lexeme.kind not in ("word", "quoted"):
                continue
            name = self._folded(lexeme)
            dotted = i > 1 and lexemes[i - 1].text == "."
            schema = self._folded(lexemes[i - 2]).lower() if dotted else ""
            if schema in system:
                self._check_name(name.lower(), schema)
            table = None if dotted else self._catalogue.resolve([name])
            if table is not None and table.kind == "system":
                self._check_name(table.name, table.schema)

    def _folded(self, lexeme: Lexeme) -> str:
        """The name that a token says, of a relation."""
        name = self._dialect.unquote(lexeme.text)
        return self._dialect.fold_relation(name, quoted=name != lexeme.text)

    def _name(self, key: str) -> str:
        """A table's name without its schema; either may hold a dot."""
        table = self._catalogue.tables.get(key)
        return table.name if table is not None else parts_of(key)[1]

    def _sharing(self, protected: Collection[str]) -> set[str]:
        """The names of the tables that have rows of a protected one."""
        tables = (self._catalogue.tables.get(key) for key in protected)
        kin = (self.reach.kin(table) for table in tables if table is not None)
        return {self._name(key) for keys in kin for key in keys}

    def _reading(self, protected: Collection[str]) -> set[str]:
        """The names of the relations and functions that read a protected table."""
        found: set[str] = set()
        catalogue = self._catalogue
        every: list[Table | Function] = [*catalogue.tables.values()]
        every += catalogue.routines_of(catalogue.routines)
        for one in every:
            try:
                hit = not self.reach.beneath(one).tables.isdisjoint(protected)
            except UnsupportedStatement:
                hit = True
            found |= {one.name} if hit else set()
        return found

    def _named(self, source: Source, names: Collection[str]) -> str:
        """The first of ``names`` that the text holds, as a name or in a string."""
        for lexeme in but_referred(source) if names else ():
            if lexeme.kind in ("word", "quoted", "string", "blob"):
                folded = self._folded(lexeme)
                if folded in names:
                    return folded
                quoted = self._dialect.unquote(lexeme.text) != lexeme.text
                if lexeme.kind == "string" or (lexeme.kind == "blob" and quoted):
                    for one in names:
                        if one in folded:
                            return one
        return ""

    def _check_passed(
        self,
        source: Source,
        event: str,
        protected: Collection[str],
        judges: Sequence[Judge],
    ) -> None:
        """What is not parsed and writes to tables: triggers fire, foreign keys act."""
        events = [(table, event) for table in self.reach.named_in(source.text)]
        effects = self._check_effects(events, protected, judges)
        self._check_actions([key for key, _ in effects.actions], judges)

    # -- functions ----------------------------------------------------------------

    def check_functions(
        self, source: Source, protected: Collection[str], judges: Sequence[Judge] = ()
    ) -> None:
        """Refuse functions that are dangerous, and in strict mode unknown ones.

        Of those that are none of the database's own, what they use is judged.
        """
        self.functions.check(source, strict=self._strict)
        self._check_routines(self.functions.routines(source), protected, judges)

    def _check_routines(
        self,
        called: Iterable[Function],
        protected: Collection[str],
        judges: Sequence[Judge],
    ) -> None:
        pending, seen = list(called), set[int]()
        while pending:
            one = pending.pop()
            if id(one) in seen:
                continue
            seen.add(id(one))
            beneath = self.reach.beneath(one)
            if not beneath.tables.isdisjoint(protected):
                raise _touching(one)
            for key in beneath.tables:
                self._check_system(key)
            for routine in beneath.routines:
                # an operator in C is a part of its types
                trusted = one.is_operator and routine.language == "c"
                strict = self._strict and not trusted
                self.functions.check_routine(routine, strict=strict)
            effects = self._check_events(self.reach.writes(one), protected, judges)
            pending += self._called_by(effects)

    def _called_by(self, effects: Effects) -> list[Function]:
        """What the defaults and checks of written tables call; a view has its query."""
        written = (self._catalogue.tables.get(key) for key in sorted(effects.written))
        tables = [t for t in written if t is not None and t.reads is None]
        return [f for t in tables for f in self._catalogue.routines_of(t.calls)]

    def _check_system(self, key: str) -> None:
        """Refuse what shows stored rows, beneath a view or a function."""
        table = self._catalogue.tables.get(key)
        if table is not None and table.kind == "system":
            self._check_name(table.name, table.schema)

    # -- relations ----------------------------------------------------------------

    def check_relations(
        self,
        draft: Draft,
        protected: Collection[str],
        judges: Sequence[Judge] = (),
    ) -> None:
        """Refuse relations that read a protected table where nothing filters it."""
        self._check_explained(draft, protected)
        check_search(draft, protected, strict=self._strict)
        if self._strict:
            self._check_kept(draft, protected)
        for name in draft.unknown:
            self._check_name(*name.rpartition(".")[::-2])
        for reference in draft.references:
            table = reference.table
            if table.key not in protected:
                if table.kind not in ("table", "view"):
                    self._check_name(table.name, table.schema)
                self._check_beneath(table, protected, judges)
            elif table.is_view:
                if reference.role == "target":
                    raise _undeclared(table.name, "no write goes through such a view")
                missing = self._undeclared_for(table, judges)
                self._check_beneath(table, missing, judges)
        for table in self.reach.called(draft.source):
            self._check_beneath(table, protected, judges)

    def _check_explained(self, draft: Draft, protected: Collection[str]) -> None:
        """Strict mode tells of no hidden rows; no mode shows what they hold."""
        read = {reference.table.key for reference in draft.references}
        words, dialect = draft.source.words, self._dialect
        explains = words[0] in _EXPLAINING and draft.source.explained
        if not explains or read.isdisjoint(protected):
            return
        said = words[: dialect.explained(words)]
        shows = not dialect.explains_values.isdisjoint(said)
        if shows or (self._strict and dialect.explains_rows):
            raise UnsupportedStatement(
                "EXPLAIN is refused: it tells how many rows a filter hides, and of "
                "which values; run it under bypass()",
                code="statement-kind",
            )

    def _check_kept(self, draft: Draft, protected: Collection[str]) -> None:
        """No value may be kept that a condition was tried on before the filter."""
        read = {reference.table.key for reference in draft.references}
        found = self._dialect.keeping(draft.source.words)
        if found and not read.isdisjoint(protected):
            raise UnsupportedStatement(
                f"{found} is refused: it would keep values of rows that a filter "
                "hides; compute it in the program",
                code="dangerous-function",
            )

    def _undeclared_for(self, view: Table, judges: Sequence[Judge]) -> Collection[str]:
        """What plugins protect that a view is not declared for."""
        found: set[str] = set()
        for judge in judges:
            own = judge.protected(self._catalogue) if judge.hides_rows else ()
            found |= set() if view.key in own else set(own)
        return found

    def check_effects(
        self, draft: Draft, protected: Collection[str], judges: Sequence[Judge]
    ) -> None:
        """Refuse a write, as plugins have edited it, for what it sets off."""
        target = draft.target
        if target is not None:
            if target.table.key in protected and not target.table.atomic:
                raise UnsupportedStatement(
                    f"a write to {target.table.name} is refused: its engine has no "
                    "transactions, and would keep half of what a check refuses; use "
                    "another engine",
                    code="unsupported-statement",
                )
            events = _events(draft, target.table)
            effects = self._check_effects(events, protected, judges)
            own = target.table.key
            acting = [
                key
                for key, gone in effects.actions
                if gone or key.parent != own or self._moves(draft, key)
            ]
            self._check_actions(acting, judges)

    def check_unseen(self, draft: Draft, unseen: Collection[str]) -> None:
        """Refuse a write to rows of tables whose plugins look at their names alone."""
        target = draft.target.table if draft.target is not None else None
        if target is None or target.key in unseen:
            return
        below = self.reach.kin(target)
        below |= self.reach.reads(target) if target.kind == "view" else set()
        if not below.isdisjoint(unseen):
            name = self._name(min(below & set(unseen)))
            raise UnsupportedStatement(
                f"a write to {target.name} would change rows of {name} unseen by its "
                "plugins; write to that",
                code="undeclared-view",
            )

    def _check_name(self, name: str, schema: str) -> None:
        name, schema = (self._dialect.fold(n, quoted=True) for n in (name, schema))
        if self._dialect.is_dangerous(name):
            raise _undeclared(name, "it shows stored rows past any filter")
        if self._strict:
            self._check_statistics(name, schema)

    def _check_statistics(self, name: str, schema: str = "") -> None:
        if not self._dialect.statistics.isdisjoint((name, schema)):
            raise _undeclared(name, "it tells of rows that a filter hides")

    def _check_beneath(
        self, table: Table, protected: Collection[str], judges: Sequence[Judge]
    ) -> None:
        shared = self.reach.kin(table) & set(protected)
        if shared:
            name = self._name(min(shared))
            raise _undeclared(table.name, f"it has rows of the protected table {name}")
        beneath = self.reach.beneath(table)
        if not beneath.tables.isdisjoint(protected):
            raise _undeclared(table.name, "it reads a protected table")
        for key in beneath.tables:
            self._check_system(key)
        self._check_routines(beneath.routines, protected, judges)
        if table.is_view:
            for one in (table, *self._views_beneath(table)):
                self._check_query(one)
        if self._strict and table.kind == "virtual":
            module = self._dialect.module(table.text)
            if module not in self._dialect.modules:
                raise _undeclared(table.name, "strict mode does not know its module")

    def _check_query(self, view: Table) -> None:
        """Refuse a view for the functions it calls, and for what is not known."""
        if view.reads is not None:
            self._check_calls(view)
            return
        self.functions.check(self.reach.query(view), strict=self._strict)
        for name in self.reach.view(view).unknown:
            self._check_name(*name.rpartition(".")[::-2])

    def _check_calls(self, table: Table) -> None:
        """Refuse what the definition of a relation calls of the database's own."""
        own = sorted(table.calls - self._catalogue.routines.keys())
        self.functions.check_names((parts_of(k)[1] for k in own), strict=self._strict)

    def _views_beneath(self, table: Table) -> list[Table]:
        below = (self._catalogue.tables.get(k) for k in self.reach.reads(table))
        return [one for one in below if one is not None and one.is_view]

    def _check_effects(
        self,
        events: Iterable[Event],
        protected: Collection[str],
        judges: Sequence[Judge],
    ) -> Effects:
        effects = self._check_events(events, protected, judges)
        self._check_routines(self._called_by(effects), protected, judges)
        return effects

    def _check_events(
        self,
        events: Iterable[Event],
        protected: Collection[str],
        judges: Sequence[Judge],
    ) -> Effects:
        effects = self.reach.effects(events)
        if not effects.removed.isdisjoint(protected):
            removed = self._name(sorted(effects.removed & set(protected))[0])
            raise UnsupportedStatement(
                f"a foreign key would remove rows of the protected table {removed} for "
                "good (ON DELETE CASCADE); delete them first, or run the statement "
                "under bypass()",
                code="foreign-key-action",
            )
        for table, trigger in effects.triggers:
            self._check_trigger(table, trigger, protected, judges)
        for key in sorted(effects.written & self._catalogue.tables.keys()):
            written = self._catalogue.tables[key]
            if written.kind == "system" and not self._dialect.writes_own:
                raise _of_the_database(written.name)
            if written.reads is None:
                self._check_calls(written)
        return effects

    def _check_actions(
        self, keys: Sequence[ForeignKey], judges: Sequence[Judge]
    ) -> None:
        for key in keys:
            if any(judge.reaches_hidden(key, self._catalogue) for judge in judges):
                raise UnsupportedStatement(
                    f"a foreign key of {self._name(key.child)} would change rows that "
                    "the caller does not see, too; let it hold what tells them apart, "
                    "or run the statement under bypass()",
                    code="foreign-key-action",
                )

    def _moves(self, draft: Draft, key: ForeignKey) -> bool:
        """Whether a statement may change what a foreign key refers to."""
        parent = self._catalogue.tables[key.parent]
        fold = self._dialect.fold
        columns = key.parent_columns or parent.primary_key
        named = {fold(column, quoted=True) for column in columns}
        return not named.isdisjoint(draft.altered)

    def _check_trigger(
        self,
        table: Table,
        trigger: Trigger,
        protected: Collection[str],
        judges: Sequence[Judge],
    ) -> None:
        touched = self.reach.touches(trigger)
        accepted = any(judge.accepts_trigger(trigger) for judge in judges)
        if not touched.isdisjoint(protected) and not accepted:
            raise UnsupportedStatement(
                f"the trigger {trigger.name} of {table.name} touches a protected "
                "table where nothing filters it; declare it, or run the statement "
                "under bypass()",
                code="undeclared-trigger",
            )
        if not accepted:
            for one in self.reach.routines_of(trigger):
                for routine in self.reach.beneath(one).routines:
                    self.functions.check_routine(routine, strict=self._strict)
        self.functions.check(
            read(trigger.text, self._dialect, self._lexer), strict=False
        )


_EXPLAINING = ("ANALYZE", "DESC", "DESCRIBE", "EXPLAIN")
#: What follows ON CONFLICT, and ON.
_UPSERTS = frozenset((("DO", "UPDATE"), ("DUPLICATE", "KEY")))


def _events(draft: Draft, target: Table) -> list[Event]:
    """What a statement does to its target's rows."""
    words = draft.source.words
    kinds = {draft.kind.upper()}
    if draft.conflict == "REPLACE":
        kinds.add("DELETE")
    if not _UPSERTS.isdisjoint(pairwise(words)):
        kinds.add("UPDATE")
    if draft.kind == "delete" and not draft.deletes:
        kinds = {"UPDATE"}
    return [(target, kind) for kind in sorted(kinds)]


def _touching(routine: Function) -> UnsupportedStatement:
    unnamed = ", which the database may call by itself," if routine.implicit else ""
    return UnsupportedStatement(
        f"the {routine.kind} {routine.name}{unnamed} is refused: it touches a "
        "protected table where nothing filters it; write its query into the statement, "
        "or run the statement under bypass()",
        code="dangerous-function",
    )


def _of_the_database(name: str) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"a write to {name} is refused: it is the database's own, and would change "
        "definitions or settings unseen; run the statement under bypass()",
        code="protected-ddl",
    )


def _undeclared(name: str, why: str) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"{name} is refused: {why}; do without it, or run the statement under bypass()",
        code="undeclared-view",
    )
