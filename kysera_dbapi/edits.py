"""The edit vocabulary, spliced into the original text by position, and its self-proof.

A plugin says what it wants of a statement; ``Draft.finish`` turns that into splices of
the caller's text, makes the same edits on the tree, and proves that the spliced text
parses to the edited tree. What cannot be proved is refused.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from kysera_dbapi import _sqlglot, several
from kysera_dbapi.action import Action
from kysera_dbapi.binding import Bind
from kysera_dbapi.changing import assigned_on_change
from kysera_dbapi.checking import Checking
from kysera_dbapi.condition import condition
from kysera_dbapi.conflict import Conflict, Guard
from kysera_dbapi.deletion import Deletion
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.functions import Functions
from kysera_dbapi.holding import Held, Supplied, hold_rows, hold_values
from kysera_dbapi.image import pinned_splices, pinned_tree
from kysera_dbapi.insertion import Insertion
from kysera_dbapi.names import KEPT, alias_positions, kept_names, projections
from kysera_dbapi.parsing import layout_of, tree_of
from kysera_dbapi.placement import Placement
from kysera_dbapi.predicate import Predicate
from kysera_dbapi.proposed import hold_new, new_rows
from kysera_dbapi.row_images import BEFORE, refuse_image
from kysera_dbapi.splices import (
    Fragment,
    Splice,
    Value,
    spell,
    spelled_tables,
    splice,
    unproved,
)
from kysera_dbapi.statement import Reference, Statement

if TYPE_CHECKING:
    from kysera_dbapi.plugin import Plugin

__all__ = ["Companion", "Draft", "Edit", "Fragment", "Predicate", "Splice", "Value"]

#: Companion statements: yields (sql, parameters) and is sent the rows that came back.
#: It is given the rows about to be hit, and the values to be bound, to settle them.
Companion = Callable[
    [list[tuple[Any, ...]], dict[Bind, object]],
    Generator[tuple[str, Sequence[Any]], list[tuple[Any, ...]], None],
]


_DEFECTS = (
    _sqlglot.ParseError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One visible edit: which plugin made it, what it does, and why."""

    plugin: str
    action: str
    reason: str


@dataclass(eq=False)
class Draft(Statement):
    """A statement being planned, with what the plugins want of it."""

    edits: list[Edit] = field(default_factory=list[Edit])
    splices: list[Splice] = field(default_factory=list[Splice])
    #: Run before the statement with the rows of ``image``, in its transaction.
    companions: list[Companion] = field(default_factory=list[Companion])
    #: The columns of the target in the image: its row key, and what companions want.
    image_columns: list[str] = field(default_factory=list[str])
    #: The splices of the statement that hits the rows of the image.
    pinned: list[Splice] = field(default_factory=list[Splice])
    #: The name of the plugin at work.
    plugin: str = ""
    #: All plugins of the connection, those apart that are bypassed.
    plugins: "tuple[Plugin, ...]" = ()
    #: Whether the plan stands on the columns that the catalogue knows.
    reads_columns: bool = False
    #: Where references stand whose hidden rows no expression of the caller's may meet.
    barriers: set[int] = field(default_factory=set[int])
    #: The relations in whose places derived tables are put.
    derived: list[Reference] = field(default_factory=list[Reference])
    #: The splices of what is tried if a unique key refuses an INSERT, and the flag of
    #: the block that it is planned in.
    retry: list[Splice] = field(default_factory=list[Splice])
    retry_flag: str = ""
    #: The caller's values that ours take the place of, if they are the same.
    supplied: list[Supplied] = field(default_factory=list[Supplied])
    #: The column of the written rows that the session is told.
    told: str = ""
    #: Whether new rows are checked by the values that they have in the statement.
    checks_values: bool = False
    _filters: dict[Reference, list[Predicate]] = field(
        default_factory=dict[Reference, list[Predicate]]
    )
    _assignments: dict[str, tuple[Value, str | None]] = field(
        default_factory=dict[str, tuple[Value, str | None]]
    )
    _on_change: list[str] = field(default_factory=list[str])
    _checks: list[tuple[Predicate, str]] = field(
        default_factory=list[tuple[Predicate, str]]
    )
    _held: list[Held] = field(default_factory=list[Held])
    #: The columns of the key that an upsert names.
    _key: Sequence[str] = ()
    _guards: list[Guard] = field(default_factory=list[Guard])
    _met: dict[str, Value] = field(default_factory=dict[str, Value])
    #: The plugin that is named if what it wants cannot be done.
    _checker: str = ""
    _deletes: bool = True
    _keys: Bind | None = None

    # -- the vocabulary -----------------------------------------------------------

    def filter(
        self,
        reference: Reference,
        predicate: Predicate | str,
        *,
        reason: str,
        barrier: bool = False,
    ) -> None:
        """Let only rows that satisfy the predicate pass through the reference.

        With ``barrier`` nothing of the caller's is evaluated on other rows.
        """
        if isinstance(predicate, str):
            predicate = condition(predicate, self.dialect)
        self._filters.setdefault(reference, []).append(predicate)
        if barrier:
            self.barriers.add(reference.start)
        self._note(f"filter {reference.exposed} by {predicate.sql}", reason)

    def replace_delete(
        self, assignments: Mapping[str, tuple[Value, str]], *, reason: str
    ) -> None:
        """Turn a DELETE into an UPDATE of the same rows.

        ``assignments`` maps a column to its new value and to the SQL of the value
        that it had in every row hit (what RETURNING shows).
        """
        self._deletes = False
        self._checker = self.plugin
        self._assignments.update(assignments)
        self._note(f"update {', '.join(assignments)} instead of deleting", reason)

    def assign(
        self, column: str, value: Value, *, reason: str, on_change: bool = False
    ) -> None:
        """Set a column of every row that an UPDATE (or a soft DELETE) finds.

        Of an INSERT, of every row; the statement must not supply it (``supplies``).
        With ``on_change`` only of rows that are changed anyhow, where the database
        counts those and it can be said which they are.
        """
        self._assignments[column] = (value, None)
        if on_change and self.kind == "update" and self.dialect.counts_changes:
            self._on_change.append(column)
        self._note(f"set {column}", reason)

    def assign_met(self, column: str, value: Value, *, reason: str) -> None:
        """Set a column of the row that an upsert updates: as with ``on_change``."""
        self._met[column] = value
        self._note(f"set {column} of a row that is there", reason)

    def supplies(self, column: str) -> bool:
        """Whether an INSERT has values of its own for a column."""
        return Insertion(self).supplies(column)

    def check(
        self,
        predicate: Predicate,
        label: str,
        *,
        reason: str,
        equal: tuple[str, Bind] | None = None,
    ) -> None:
        """Fail the statement if a row, as written, does not satisfy the predicate.

        ``label`` is what the error says of it; see ``Violation``. Where the predicate
        is that a column has a value of ours, ``equal`` are those.
        """
        if equal and self.kind == "insert" and self.dialect.checks_in_place:
            self._held.append((*equal, label))
        else:
            self._checks.append((predicate, label))
        self._checker = self.plugin
        self._note(f"check {predicate.sql}", reason)

    def guard(
        self,
        predicate: Predicate,
        label: str,
        *,
        reason: str,
        proposed: bool = False,
    ) -> None:
        """Fail an upsert, or INSERT OR IGNORE, that meets a row without the predicate.

        With ``proposed`` it is about the row that is not inserted because of it.
        ``label`` as in ``check``.
        """
        self._guards.append((predicate, label, proposed))
        self._checker = self.plugin
        self._note(f"guard {predicate.sql}", reason)

    def name_key(self, columns: Sequence[str]) -> None:
        """Let an upsert that names no unique key name the one of those columns."""
        self._key = columns

    def retry_as_upsert(
        self, columns: Sequence[str], flag: str, *, reason: str
    ) -> None:
        """Where a unique key refuses an INSERT, let it be tried as an upsert.

        That sets ``columns`` as the INSERT would. It is planned as a statement of its
        own, in a block of ``flag``: so each plugin guards it as any upsert. Where it
        meets a row that a guard fails on, the error of the INSERT stands.
        """
        refuse_image(self, BEFORE, of="an INSERT that may revive a deleted row")
        try:
            splice_, tree = Conflict(self).replaced(columns)
            self._prove([splice_], tree)
        except _DEFECTS as error:
            raise unproved() from error
        self.retry, self.retry_flag = [splice_], flag
        self._note("upsert if a unique key refuses it", reason)

    def tell_row(self) -> None:
        """Let the session know of the last row what drivers tell as ``lastrowid``.

        They do not know it of a row that an upsert updates.
        """
        self.told = self.dialect.row_number(self.target.table) if self.target else ""

    def companion_before(
        self, columns: Sequence[str], companion: Companion, *, reason: str
    ) -> None:
        """Run ``companion`` first, with those columns of the rows about to be hit.

        The rows begin with the columns of ``row_key``, in that order.
        """
        if not self.companions:
            self.image_columns += self.row_key()
            self.companions.append(self._choose())
        self.image_columns += [c for c in columns if c not in self.image_columns]
        self.companions.append(companion)
        self._note("companion statements", reason)

    def row_key(self) -> tuple[str, ...]:
        """What tells the rows of the target apart; refuses if nothing does."""
        found = self.dialect.row_key(self.target.table) if self.target else ()
        if not found:
            self.refuse("the table hides its rowid, by which rows are chosen")
        return tuple(found)

    def _choose(self) -> Companion:
        """Makes the statement hit the rows of the image, and no others."""
        dialect, width = self.dialect, len(self.image_columns)
        keys = self._keys = Bind("keys", lambda: dialect.listed(()))

        def choose(
            rows: list[tuple[Any, ...]], values: dict[Bind, object]
        ) -> Generator[tuple[str, Sequence[Any]], list[tuple[Any, ...]], None]:
            values[keys] = dialect.listed([row[:width] for row in rows])
            yield from ()

        return choose

    def refuse(self, reason: str, *, code: str = "unsupported-statement") -> None:
        """Refuse the statement; raises ``UnsupportedStatement``."""
        raise UnsupportedStatement(f"{self.plugin}: {reason}", code=code)

    def _note(self, action: str, reason: str) -> None:
        self.edits.append(Edit(self.plugin, action, reason))

    # -- carrying it out ----------------------------------------------------------

    @property
    def filters_read(self) -> frozenset[str]:
        """The keys of the tables that filters read besides those that they filter."""
        said = (p for filters in self._filters.values() for p in filters)
        return frozenset[str]().union(*(predicate.reads for predicate in said))

    @property
    def reads(self) -> frozenset[str]:
        """The keys of all tables that it names, once it is edited."""
        said = [predicate for predicate, _ in self._checks]
        said += [predicate for predicate, _, _ in self._guards]
        named = (reference.table.key for reference in self.references)
        beneath = [predicate.reads for predicate in said]
        beneath += [nested.reads for nested in self.nested]
        return self.filters_read.union(named, *beneath)

    @property
    def deletes(self) -> bool:
        """Whether a DELETE still deletes: no plugin has made it an UPDATE."""
        return self._deletes

    @property
    def changed(self) -> bool:
        """Whether the final text differs from the caller's."""
        edits = (self._filters, self._assignments, self._met)
        return any(edits) or self.checked or any(n.changed for n in self.nested)

    @property
    def checked(self) -> bool:
        """Whether rows are checked as they are written, or written over."""
        own = self._checks or self._held or self._guards or self.told
        return bool(own) or any(nested.checked for nested in self.nested)

    @property
    def silent(self) -> bool:
        """Whether checks give rows back that nobody asked for."""
        shown = self._checks and not (self.checks_in_set or self.checks_values)
        return bool(shown or self.told) and not self.returns

    @property
    def checks_in_set(self) -> bool:
        """Whether rows are checked by the last assignment of a SET."""
        return self.dialect.checks_in_place and self.kind == "update"

    @property
    def upserts(self) -> bool:
        """Whether an INSERT updates a row that is there: ON CONFLICT DO UPDATE."""
        conflict = self.tree.args.get("conflict")
        return conflict is not None and bool(conflict.expressions)

    @cached_property
    def calls(self) -> frozenset[str]:
        """The (folded) names of the functions that the caller calls."""
        return frozenset(Functions(self.dialect, self.catalogue).calls(self.source))

    @cached_property
    def returns(self) -> bool:
        """Whether the caller has written RETURNING."""
        return self.tree.args.get("returning") is not None

    def finish(self) -> None:
        """Compute the splices and prove them; raises ``UnsupportedStatement``."""
        if not self.changed:
            return
        parts: list[Draft] = [*self.nested, self]
        if self.kind == "merge":
            # what filters its source looks at its actions, as the caller wrote them
            parts.insert(0, parts.pop())
        try:
            aliases = alias_positions(self.tree)
            for part in parts:
                part.edit()
            for one in self.nested:
                self._take_over(one)
            self.splices += kept_names(self, aliases)
            self.splices += spelled_tables(self)
            self._prove(self.splices, self.tree)
            self._pin()
        except _DEFECTS as error:
            # a name that sqlglot reads in its own way where an edit repeats it, or a
            # defect of ours: nothing is sent
            raise unproved() from error

    def edit(self) -> None:
        """Compute the splices, and make the same edits on the tree."""
        _ = self.returns  # as the caller has it: the tree is about to change
        if self.merge is not None:
            self._act(self.merge)
            return
        if self.whole is not None:
            self._check_part()
            return
        parts = [one for one in self.nested if one.whole is self]
        for part in parts:
            self._filters.update(part._filters)
        Placement(self, self._filters).place()
        if self._held:
            self.plugin = self._checker
            hold_values(self, self._held)
        if self._checks and self.dialect.checks_in_place and self.kind == "insert":
            self._check_values()
        if parts:
            self._write_several(parts)
        elif not self._deletes:
            Deletion(self, self._assignments).place()
        elif self._assignments:
            self._assign()
        self._hold()

    def _check_values(self) -> None:
        """Check new rows by their values, or else as they are shown, if they can be."""
        self.plugin = self._checker
        try:
            rows = new_rows(self, self._checks, self._held, self._assignments)
        except UnsupportedStatement:
            if "insert" not in self.dialect.returning:
                raise
        else:
            hold_new(self, rows)
            self.checks_values = True

    def _hold(self) -> None:
        """Check and guard the rows as they are written."""
        self.plugin = self._checker or self.plugin
        if self._key:
            Conflict(self).name(self._key)
        if self._met:
            Conflict(self).assign(self._met)
        if self._guards:
            Conflict(self).guard(self._guards)
        if self._checks and self.checks_in_set:
            hold_rows(self, self._checks)
        elif (self._checks and not self.checks_values) or self.told:
            Checking(self, self._checks).place()

    def _check_part(self) -> None:
        """Refuse what cannot be done to one table of several."""
        if self.barriers:
            self.refuse(
                "barrier: what joins the tables could meet hidden rows; choose the "
                "rows of one by a sub-select",
                code="unsupported-construct",
            )
        if self._checks or self._held or self._guards:
            self.plugin = self._checker
            self.refuse(
                "an UPDATE of several tables cannot be checked, as its assignments are "
                "made in no certain order; leave out the columns that policies speak "
                "of, or choose the rows by a sub-select"
            )
        if self.companions:
            self.refuse(
                "a DELETE of several tables cannot have declared children; choose the "
                "rows by a sub-select"
            )

    def _write_several(self, parts: Sequence["Draft"]) -> None:
        wanted = [
            (part.target, {c: value for c, (value, _) in part._assignments.items()})
            for part in parts
            if part.target and part._assignments
        ]
        for part in parts:
            if part.target:
                several.qualify(self, part.target, part.sets)
            self.plugin = part._checker or self.plugin
        if wanted and self.kind == "delete":
            several.mark(self, wanted)
        elif wanted:
            several.assign(self, wanted)

    def _act(self, merge: "Draft") -> None:
        """Edit an action of a MERGE: its rows are found, and checked, by its WHEN."""
        action = Action(self)
        found = self._filters.pop(self.target, []) if self.target else []
        action.filter(found, merge._filters)
        Placement(self, self._filters).place()
        values = {column: value for column, (value, _) in self._assignments.items()}
        self.plugin = self._checker or self.plugin
        action.hold(self._guards, self._checks, values)
        if not self._deletes:
            action.mark(values)
        elif values and self.kind == "insert":
            Insertion(self).append(values)
        elif values:
            action.assign(values)

    def _take_over(self, nested: "Draft") -> None:
        """What was wanted of a write in a WITH is wanted of the statement."""
        if nested.companions:
            where = "WITH" if nested.merge is None else "MERGE"
            nested.refuse(f"a write in {where} cannot have companion statements")
        self.splices += nested.splices
        self.derived += nested.derived
        self.edits += nested.edits
        self.reads_columns |= nested.reads_columns

    def become(self, tree: exp.Expression) -> None:
        """Put another tree in the place of its own."""
        if self.tree.parent is not None:
            self.tree.replace(tree)
        self.tree = tree

    def _pin(self) -> None:
        if self._keys is not None:
            key = self.row_key()
            self.pinned = pinned_splices(self, key, self._keys)
            self._prove(self.pinned, pinned_tree(self, key))

    def fragment_tree(self, parts: Fragment) -> exp.Expression:
        """The tree of a condition or value of ours."""
        return _sqlglot.expression(spell(parts), self.dialect)

    def case_tree(self, condition: Fragment, then: exp.Expression) -> exp.Expression:
        """The tree of ``CASE WHEN condition THEN then END``."""
        tree = self.fragment_tree(("CASE WHEN ", *condition, " THEN 1 END"))
        tree.args["ifs"][0].set("true", then)
        return tree

    def checked_by(self, condition: Fragment, label: str) -> Fragment:
        """What fails, with the label, where the condition is not true."""
        before, after = self.dialect.check(label)
        return (before, *condition, after)

    def quoted(self, name: str) -> str:
        """A name as it can stand in the text: bare if it may, else quoted."""
        bare = name.isascii() and name.isidentifier() and name == name.lower()
        reserved = name.upper() in self.dialect.keywords
        if bare and not reserved and _sqlglot.is_plain(name, self.dialect):
            return name
        return self.dialect.quote(name)

    def end_of(self, token: int) -> int:
        """Where the text of a token ends, with what the parser does not see of it."""
        found = self.layout.tokens[token]
        return self.ends.get(int(found.start), int(found.end) + 1)

    def start_of(self, token: int) -> int:
        """Where the text of a token starts."""
        return int(self.layout.tokens[token].start)

    def position_of(self, leaf: exp.Expression) -> int:
        """Where the text of a leaf of the tree starts."""
        found = _sqlglot.span(leaf)
        if found is None:
            raise unproved()
        return found[0]

    def end(self) -> int:
        """Where the last token of the statement ends."""
        last = self.stop - 1
        while self.layout.tokens[last].token_type is _sqlglot.TokenType.SEMICOLON:
            last -= 1
        return self.end_of(last)

    def _assign(self) -> None:
        values = {column: value for column, (value, _) in self._assignments.items()}
        if self.kind == "insert":
            Insertion(self).append(values)
            return
        tree, block = self.tree, self.target.block if self.target else None
        if not isinstance(tree, exp.Update) or block is None or block.set is None:
            self.refuse(f"cannot set a column in this {self.kind}")
        assert block is not None
        assert block.set is not None
        stop = min(x for x in (block.source, block.where, block.tail) if x is not None)
        if self._on_change and self._assign_on_change(block.set, stop):
            values = {c: v for c, v in values.items() if c not in self._on_change}
        parts: list[str | Bind] = []
        for column, value in values.items():
            parts += [f", {self.quoted(column)} = ", value.part]
            tree.append("expressions", self.assignment_tree(column, value))
        at = self.end_of(stop - 1)
        self.splices.append(Splice(at, at, tuple(parts)))

    def _assign_on_change(self, begin: int, stop: int) -> bool:
        """Set columns first, in rows that change; False if it is not known which do."""
        wanted = {column: self._assignments[column][0] for column in self._on_change}
        sets = list(self.tree.expressions)
        spans = projections(self, begin + 1, stop)
        first = assigned_on_change(self, wanted, sets, spans)
        if first is None:
            return False
        at = self.start_of(begin + 1)
        self.splices.append(Splice(at, at, (*first, ", "), rank=1))
        self.tree.set("expressions", [*self.assignment_trees(first), *sets])
        return True

    def assignment_trees(self, parts: Fragment) -> list[exp.Expression]:
        """The trees of assignments in a SET."""
        text = f"UPDATE t SET {spell(parts)}"
        tokens = _sqlglot.tokenize(text, self.dialect)
        return list(_sqlglot.parse(text, tokens, self.dialect).expressions)

    def assignment_tree(self, column: str, value: Value) -> exp.Expression:
        """The tree of ``column = value`` in a SET."""
        return self.fragment_tree((f"{self.quoted(column)} = ", value.part))

    def _prove(self, splices: Sequence[Splice], expected: exp.Expression) -> None:
        text = splice(self.stand_in, splices)
        tree = tree_of(text, layout_of(text, self.dialect), self.dialect)
        for alias in list(tree.find_all(exp.Alias)):
            if alias.alias == KEPT:
                alias.replace(alias.this)
        if not _sqlglot.same(tree, expected):
            raise unproved()
