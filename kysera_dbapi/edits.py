"""The edit vocabulary, spliced into the original text by position, and its self-proof.

A plugin says what it wants of a statement; ``Draft.finish`` turns that into splices of
the caller's text, makes the same edits on the tree, and proves that the spliced text
parses to the edited tree. What cannot be proved is refused.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.deletion import Deletion
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.image import pinned_splices, pinned_tree
from kysera_dbapi.layout import Layout
from kysera_dbapi.names import KEPT, alias_positions, kept_names
from kysera_dbapi.params import Bind
from kysera_dbapi.placement import Placement
from kysera_dbapi.splices import Fragment, Splice, Value, spell, splice, unproved
from kysera_dbapi.statement import Reference, Statement, tree_of

__all__ = ["Companion", "Draft", "Edit", "Fragment", "Predicate", "Splice", "Value"]

#: Companion statements: yields (sql, parameters) and is sent the rows that came back.
#: It is given the rows about to be hit, and the values to be bound, to settle them.
Companion = Callable[
    [list[tuple[Any, ...]], dict[Bind, object]],
    Generator[tuple[str, Sequence[Any]], list[tuple[Any, ...]], None],
]

_TIGHT = (exp.Is, exp.EQ, exp.NEQ, exp.In, exp.Not, exp.Boolean, exp.Paren)


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


class Predicate:
    """A condition on one relation, compiled once: its columns are unqualified names.

    Raises ``UnsupportedStatement`` (unparsed-statement) for text that is no condition.
    """

    def __init__(self, sql: str, dialect: Dialect) -> None:
        self.sql = sql
        try:
            tree = _sqlglot.expression(sql, dialect)
        except _sqlglot.ParseError as error:
            raise UnsupportedStatement(
                f"not a condition: {sql}", code="unparsed-statement"
            ) from error
        columns = [c.this for c in tree.find_all(exp.Column) if not c.table]
        spans = [where for c in columns if (where := _sqlglot.span(c))]
        self._cuts = sorted(start for start, _ in spans)
        self._tight = isinstance(tree, _TIGHT)

    def about(self, qualifier: str) -> Fragment:
        """The condition on the relation of that (quoted) name."""
        pieces: list[str] = []
        at = 0
        for cut in self._cuts:
            pieces += [self.sql[at:cut], qualifier, "."]
            at = cut
        text = "".join((*pieces, self.sql[at:]))
        return (text,) if self._tight else (f"({text})",)


_compiled = lru_cache(maxsize=1024)(Predicate)


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
    #: Whether the plan stands on the columns that the catalogue knows.
    reads_columns: bool = False
    _filters: dict[Reference, list[Predicate]] = field(
        default_factory=dict[Reference, list[Predicate]]
    )
    _assignments: dict[str, tuple[Value, str | None]] = field(
        default_factory=dict[str, tuple[Value, str | None]]
    )
    _deletes: bool = True
    _keys: Bind | None = None

    # -- the vocabulary -----------------------------------------------------------

    def filter(
        self, reference: Reference, predicate: Predicate | str, *, reason: str
    ) -> None:
        """Let only rows that satisfy the predicate pass through the reference."""
        if isinstance(predicate, str):
            predicate = _compiled(predicate, self.dialect)
        self._filters.setdefault(reference, []).append(predicate)
        self._note(f"filter {reference.exposed} by {predicate.sql}", reason)

    def replace_delete(
        self, assignments: Mapping[str, tuple[Value, str]], *, reason: str
    ) -> None:
        """Turn a DELETE into an UPDATE of the same rows.

        ``assignments`` maps a column to its new value and to the SQL of the value
        that it had in every row hit (what RETURNING shows).
        """
        self._deletes = False
        self._assignments.update(assignments)
        self._note(f"update {', '.join(assignments)} instead of deleting", reason)

    def assign(self, column: str, value: Value, *, reason: str) -> None:
        """Set a column of every row that an UPDATE (or a soft DELETE) changes."""
        self._assignments[column] = (value, None)
        self._note(f"set {column}", reason)

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
    def deletes(self) -> bool:
        """Whether a DELETE still deletes: no plugin has made it an UPDATE."""
        return self._deletes

    @property
    def changed(self) -> bool:
        """Whether the final text differs from the caller's."""
        return bool(self._filters or self._assignments)

    def finish(self) -> None:
        """Compute the splices and prove them; raises ``UnsupportedStatement``."""
        if not self.changed:
            return
        try:
            self._finish()
        except _DEFECTS as error:
            # a name that sqlglot reads in its own way where an edit repeats it, or a
            # defect of ours: nothing is sent
            raise unproved() from error

    def _finish(self) -> None:
        aliases = alias_positions(self.tree)
        Placement(self, self._filters).place()
        if not self._deletes:
            Deletion(self, self._assignments).place()
        elif self._assignments:
            self._assign()
        self.splices += kept_names(self, aliases)
        self._prove(self.splices, self.tree)
        if self._keys is not None:
            key = self.row_key()
            self.pinned = pinned_splices(self, key, self._keys)
            self._prove(self.pinned, pinned_tree(self, key))

    def fragment_tree(self, parts: Fragment) -> exp.Expression:
        """The tree of a condition or value of ours."""
        return _sqlglot.expression(spell(parts), self.dialect)

    def quoted(self, name: str) -> str:
        """A name as it can stand in the text: bare if it may, else quoted."""
        bare = name.isascii() and name.isidentifier() and name == name.lower()
        reserved = name.upper() in self.dialect.keywords
        if bare and not reserved and _sqlglot.is_plain(name, self.dialect):
            return name
        return self.dialect.quote(name)

    def end_of(self, token: int) -> int:
        """Where the text of a token ends; a placeholder may be longer there."""
        found = self.layout.tokens[token]
        return self._placeholders.get(int(found.start), int(found.end) + 1)

    @cached_property
    def _placeholders(self) -> dict[int, int]:
        return {t.start: t.end for t in self.source.placeholders}

    def start_of(self, token: int) -> int:
        """Where the text of a token starts."""
        return int(self.layout.tokens[token].start)

    def _assign(self) -> None:
        tree, block = self.tree, self.target.block if self.target else None
        if not isinstance(tree, exp.Update) or block is None or block.set is None:
            self.refuse(f"cannot set a column in this {self.kind}")
        assert block is not None
        stop = min(x for x in (block.source, block.where, block.tail) if x is not None)
        parts: list[str | Bind] = []
        for column, (value, _) in self._assignments.items():
            parts += [f", {self.quoted(column)} = ", value.part]
            tree.append("expressions", self.assignment_tree(column, value))
        at = self.end_of(stop - 1)
        self.splices.append(Splice(at, at, tuple(parts)))

    def assignment_tree(self, column: str, value: Value) -> exp.Expression:
        """The tree of ``column = value`` in a SET."""
        parts = (f"{self.quoted(column)} = ", value.part)
        return self.fragment_tree(parts)

    def _prove(self, splices: Sequence[Splice], expected: exp.Expression) -> None:
        text = splice(self.stand_in, splices)
        layout = Layout(_sqlglot.tokenize(text, self.dialect))
        tree = tree_of(text, layout, self.dialect)
        for alias in list(tree.find_all(exp.Alias)):
            if alias.alias == KEPT:
                alias.replace(alias.this)
        if not _sqlglot.same(tree, expected):
            raise unproved()
