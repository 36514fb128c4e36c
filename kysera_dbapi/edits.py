"""The edit vocabulary, spliced into the original text by position, and its self-proof.

A plugin says what it wants of a statement; ``Draft.finish`` turns that into splices of
the caller's text, makes the same edits on the tree, and proves that the spliced text
parses to the edited tree. What cannot be proved is refused.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.layout import Block, Item
from kysera_dbapi.params import Bind
from kysera_dbapi.statement import Reference, Statement

__all__ = ["Companion", "Draft", "Edit", "Fragment", "Predicate", "Splice", "Value"]

#: SQL text with values of ours in it.
Fragment = tuple[str | Bind, ...]
#: A companion statement yields (sql, parameters) and is sent the rows that came back.
Companion = Callable[
    [list[tuple[Any, ...]], Mapping[Bind, object]],
    Generator[tuple[str, Sequence[Any]], list[tuple[Any, ...]], None],
]

_TIGHT = (exp.Is, exp.EQ, exp.NEQ, exp.In, exp.Not, exp.Boolean, exp.Paren)


@dataclass(frozen=True, slots=True)
class Edit:
    """One visible edit: which plugin made it, what it does, and why."""

    plugin: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Splice:
    """Replace ``text[start:end]``; ``rank`` orders those at one place."""

    start: int
    end: int
    parts: Fragment
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Value:
    """The SQL of a value: text, or a bound value of ours."""

    part: str | Bind


class Predicate:
    """A condition on one relation, compiled once: its columns are unqualified names.

    Raises ``UnsupportedStatement`` (unparsed-statement) for text that is no condition.
    """

    def __init__(self, sql: str, dialect: Dialect) -> None:
        self.sql = sql
        try:
            tree = _sqlglot.expression(sql, dialect.grammar)
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
        pieces, at = [], 0
        for cut in self._cuts:
            pieces += [self.sql[at:cut], qualifier, "."]
            at = cut
        text = "".join((*pieces, self.sql[at:]))
        return (text,) if self._tight else (f"({text})",)


@dataclass(eq=False)
class Draft(Statement):
    """A statement being planned, with what the plugins want of it."""

    edits: list[Edit] = field(default_factory=list[Edit])
    splices: list[Splice] = field(default_factory=list[Splice])
    #: Run before the statement with the rows of ``image``, in its transaction.
    companions: list[Companion] = field(default_factory=list[Companion])
    #: The columns of the target that the companions want of the rows hit.
    image_columns: list[str] = field(default_factory=list[str])
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

    # -- the vocabulary -----------------------------------------------------------

    def filter(self, reference: Reference, predicate: Predicate, *, reason: str) -> None:
        """Let only rows that satisfy the predicate pass through the reference."""
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
        """Run ``companion`` first, with those columns of the rows about to be hit."""
        self.image_columns += [c for c in columns if c not in self.image_columns]
        self.companions.append(companion)
        self._note("companion statements", reason)

    def refuse(self, reason: str, *, code: str = "unsupported-statement") -> None:
        """Refuse the statement; raises ``UnsupportedStatement``."""
        raise UnsupportedStatement(f"{self.plugin}: {reason}", code=code)

    def _note(self, action: str, reason: str) -> None:
        self.edits.append(Edit(self.plugin, action, reason))

    # -- carrying it out ----------------------------------------------------------

    @property
    def changed(self) -> bool:
        """Whether the final text differs from the caller's."""
        return bool(self._filters or self._assignments)

    def finish(self) -> None:
        """Compute the splices and prove them; raises ``UnsupportedStatement``."""
        if not self.changed:
            return
        _Splicer(self, self._filters).place()
        if not self._deletes:
            _SoftDelete(self, self._assignments).place()
        elif self._assignments:
            self._assign()
        self._prove()

    def fragment_tree(self, parts: Fragment) -> exp.Expression:
        """The tree of a condition or value of ours."""
        return _sqlglot.expression(spell(parts), self.dialect.grammar)

    def quoted(self, name: str) -> str:
        """A name as it can stand in the text: bare if it may, else quoted."""
        bare = name.isascii() and name.isidentifier() and name == name.lower()
        if bare and name.upper() not in self.dialect.keywords:
            return name
        return self.dialect.quote(name)

    def end_of(self, token: int) -> int:
        """Where the text of a token ends."""
        return self.layout.tokens[token].end + 1

    def start_of(self, token: int) -> int:
        """Where the text of a token starts."""
        return self.layout.tokens[token].start

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

    def _prove(self) -> None:
        text = splice(self.stand_in, self.splices)
        try:
            tokens = _sqlglot.tokenize(text, self.dialect.grammar)
            tree = _sqlglot.parse(text, tokens, self.dialect.grammar)
        except _sqlglot.ParseError as error:
            raise _unproved(text) from error
        if not _sqlglot.same(tree, self.tree):
            raise _unproved(text)


def _unproved(text: str) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"the edits could not be proved right in: {text}; rephrase the statement",
        code="unproved-rewrite",
    )


def spell(parts: Fragment) -> str:
    """A fragment as text to parse, its values as ``?``."""
    return "".join(p if isinstance(p, str) else "?" for p in parts)


def splice(text: str, splices: Sequence[Splice]) -> str:
    """``text`` with the splices made, values as ``?``."""
    return "".join(spell((piece,)) for piece in pieces(text, splices))


def pieces(text: str, splices: Sequence[Splice]) -> list[str | Bind]:
    """``text`` with the splices made, as pieces; what lies in a cut is dropped."""
    found: list[str | Bind] = []
    at = 0
    for one in sorted(splices, key=lambda s: (s.start, s.rank)):
        if one.start > at:
            found.append(text[at : one.start])
        found.extend(one.parts)
        at = max(at, one.end)
    found.append(text[at:])
    return found


class _Splicer:
    """Places the filters of a statement (WHERE, ON, or a derived table)."""

    def __init__(
        self, draft: Draft, filters: Mapping[Reference, Sequence[Predicate]]
    ) -> None:
        self._draft = draft
        self._filters = filters
        self._where: dict[int, list[Fragment]] = {}
        self._blocks: dict[int, tuple[Block, exp.Expression]] = {}
        self._on: dict[tuple[int, int], list[Fragment]] = {}
        self._joins: dict[tuple[int, int], exp.Join] = {}

    def place(self) -> None:
        """Give every filter its place."""
        for reference, predicates in self._filters.items():
            if not (self._to_where(reference) or self._to_on(reference)):
                self._derive(reference, predicates)
        for start, fragments in self._where.items():
            self._write_where(*self._blocks[start], fragments)
        for span, fragments in self._on.items():
            self._write_on(span, fragments)

    # A predicate may stand in WHERE or ON if its alias is exposed and unambiguous.

    def _qualified(self, reference: Reference) -> list[Fragment] | None:
        node = _owner(reference.node)
        if node is None or reference.in_list or reference.block is None:
            return None
        if self._draft.exposures(node).count(reference.exposed) != 1:
            return None
        qualifier = self._draft.quoted(reference.exposed)
        return [p.about(qualifier) for p in self._filters[reference]]

    def _to_where(self, reference: Reference) -> bool:
        fragments = self._qualified(reference)
        if fragments is None:
            return False
        if reference.role == "source" and self._null_supplied(reference) is not None:
            return False
        block, node = reference.block, _owner(reference.node)
        assert block is not None
        assert node is not None
        if self._blocks.setdefault(block.start, (block, node))[1] is not node:
            return False
        self._where.setdefault(block.start, []).extend(fragments)
        return True

    def _to_on(self, reference: Reference) -> bool:
        fragments = self._qualified(reference)
        item = self._null_supplied(reference)
        if fragments is None or item is None or item.join is None:
            return False
        if item.join.on is None or item.join.side == "FULL" or not item.join.side:
            return False
        join = self._join_node(reference, item)
        if join is None or not isinstance(join.args.get("on"), exp.Expression):
            return False
        self._joins[item.join.on] = join
        self._on.setdefault(item.join.on, []).extend(fragments)
        return True

    def _null_supplied(self, reference: Reference) -> Item | None:
        """The item whose join is the first, outwards, to null-supply the reference.

        An item without a join stands for "in a derived table".
        """
        block = reference.block
        assert block is not None
        way = self._draft.layout.joined(block, reference.token)
        if way is None:
            return None if reference.role == "target" else Item(0, 0)
        for items, at in reversed(way):
            found = self._null_supplied_in(items, at)
            if found is not None or items[at].aliased and items[at].group is not None:
                return found or Item(0, 0)
        return None

    def _null_supplied_in(self, items: Sequence[Item], at: int) -> Item | None:
        looser = self._draft.dialect.comma_binds_looser
        own = items[at].join
        if own is not None and own.side in ("LEFT", "FULL"):
            return items[at]
        for item in items[at + 1 :]:
            if item.join is not None and item.join.comma and looser:
                break
            if item.join is not None and item.join.side in ("RIGHT", "FULL"):
                return item
        return None

    def _join_node(self, reference: Reference, item: Item) -> exp.Join | None:
        """The join of the tree whose right side is the item."""
        owner = _owner(reference.node)
        assert owner is not None
        start = self._draft.start_of(item.start)
        end = self._draft.end_of(item.end - 1)
        for join in owner.find_all(exp.Join):
            leaves = [s[0] for n in join.this.walk() if (s := _sqlglot.span(n))]
            if leaves and start <= min(leaves) < end:
                return join
        return None

    def _write_where(
        self, block: Block, node: exp.Expression, fragments: Sequence[Fragment]
    ) -> None:
        draft = self._draft
        condition = block.condition
        where = node.args.get("where")
        if condition is None or where is None:
            at = draft.end_of(block.tail - 1)
            parts = (" WHERE ", *_and(fragments))
            draft.splices.append(Splice(at, at, _spaced(draft, at, parts), rank=2))
            tree = _conjunction(None, [draft.fragment_tree(f) for f in fragments])
            node.set("where", exp.Where(this=tree))
            return
        self._conjoin(condition, fragments)
        trees = [draft.fragment_tree(f) for f in fragments]
        where.set("this", _conjunction(where.this, trees))

    def _write_on(self, span: tuple[int, int], fragments: Sequence[Fragment]) -> None:
        join = self._joins[span]
        self._conjoin(span, fragments)
        trees = [self._draft.fragment_tree(f) for f in fragments]
        join.set("on", _conjunction(join.args["on"], trees))

    def _conjoin(self, span: tuple[int, int], fragments: Sequence[Fragment]) -> None:
        """Parenthesise the condition at those tokens and AND the fragments to it."""
        draft = self._draft
        start, end = draft.start_of(span[0]), draft.end_of(span[1] - 1)
        close = _spaced(draft, end, (") AND ", *_and(fragments)))
        before = draft.stand_in[start - 1 : start]
        opening = " (" if before.isalnum() or before == "_" else "("
        draft.splices.append(Splice(start, start, (opening,), rank=-1))
        draft.splices.append(Splice(end, end, close, rank=1))

    def _derive(self, reference: Reference, predicates: Sequence[Predicate]) -> None:
        """Put a derived table in the reference's place."""
        draft = self._draft
        if reference.role == "target" or reference.block is None:
            draft.refuse(f"cannot filter {reference.exposed} where it stands")
        self._check_row_identifiers(reference)
        name = draft.text[reference.start : reference.end]
        inner = draft.quoted(reference.table.name)
        condition = _and([p.about(inner) for p in predicates])
        hint = self._cut_hint(reference)
        opening = "(SELECT * FROM "
        start, end = reference.start, reference.end
        if draft.stand_in[start - 1 : start].isalnum():
            opening = " " + opening
        close: Fragment = (f"{hint} WHERE ", *condition, ")")
        node = reference.node
        alias = node.args.get("alias")
        if not reference.in_list and alias is None:
            close = (*close, f" AS {draft.quoted(reference.exposed)}")
        draft.splices.append(Splice(start, start, (opening,)))
        draft.splices.append(Splice(end, end, _spaced(draft, end, close)))
        derived = f"SELECT * FROM {name}{hint} WHERE {spell(condition)}"
        self._replace(reference, derived, alias)

    def _replace(
        self, reference: Reference, derived: str, alias: exp.Expression | None
    ) -> None:
        node, grammar = reference.node, self._draft.dialect.grammar
        if reference.in_list:
            tree = _sqlglot.expression(f"a IN ({derived})", grammar)
            assert node.parent is not None
            node.parent.set("query", tree.args["query"])
            node.parent.set("field", None)
            return
        exposed = self._draft.quoted(reference.exposed)
        text = f"SELECT * FROM ({derived}) AS {exposed}"
        tree = _sqlglot.parse(text, _sqlglot.tokenize(text, grammar), grammar)
        table = tree.args["from_"].this
        if alias is not None:
            table.set("alias", alias.copy())
        if node.args.get("joins"):
            table.set("joins", node.args["joins"])
        node.replace(table)

    def _cut_hint(self, reference: Reference) -> str:
        """Move INDEXED BY or NOT INDEXED into the derived table."""
        if reference.in_list or "indexed" not in reference.node.args:
            return ""
        if reference.node.args["indexed"] is None:
            return ""
        draft, tokens = self._draft, self._draft.layout.tokens
        i = reference.token + 1
        while tokens[i].text.upper() not in ("INDEXED BY", "NOT"):
            i += 1
        start, end = tokens[i].start, tokens[i + 1].end + 1
        draft.splices.append(Splice(start, end, ()))
        return " " + draft.stand_in[start:end]

    def _check_row_identifiers(self, reference: Reference) -> None:
        """A derived table has no rowid (SQLite shows NULL), and no table MATCH."""
        draft = self._draft
        owner = _owner(reference.node)
        names = draft.dialect.row_identifiers | {reference.exposed}
        names -= {c.name.lower() for c in reference.table.columns}
        if owner is None or reference.in_list:
            return
        for column in owner.find_all(exp.Column):
            table = column.args.get("table")
            if table is not None and draft.name_of(table) != reference.exposed:
                continue
            if draft.name_of(column.this) in names:
                draft.refuse(
                    f"{column.name} of {reference.exposed} would be lost where it is "
                    "filtered; name the column of its primary key",
                    code="unsupported-construct",
                )


class _SoftDelete:
    """Turns DELETE into UPDATE, with the RETURNING of a DELETE."""

    def __init__(
        self, draft: Draft, assignments: Mapping[str, tuple[Value, str | None]]
    ) -> None:
        self._draft = draft
        self._assignments = assignments
        target = draft.target
        if target is None or target.block is None or not target.block.items:
            raise _unproved(draft.text)
        self._block = target.block

    def place(self) -> None:
        """Replace the verb, add SET, and mend RETURNING."""
        draft, block, tree = self._draft, self._block, self._draft.tree
        assert block.source is not None
        assert isinstance(tree, exp.Delete)
        start = draft.start_of(block.start)
        verb = Splice(start, draft.end_of(block.source), ("UPDATE",))
        parts: list[str | Bind] = []
        trees: list[exp.Expression] = []
        for column, (value, _) in self._assignments.items():
            parts += [", " if parts else " SET ", f"{draft.quoted(column)} = "]
            parts.append(value.part)
            trees.append(draft.assignment_tree(column, value))
        at = draft.end_of(block.items[0].end - 1)
        draft.splices += [verb, Splice(at, at, _spaced(draft, at, tuple(parts)))]
        returning = tree.args.get("returning")
        if returning is not None:
            _Returning(draft, self._assignments).mend(returning)
        draft.tree = exp.Update(
            expressions=trees,
            **{k: v for k, v in tree.args.items() if k not in ("using", "cluster")},
        )


class _Returning:
    """RETURNING of a soft DELETE shows the assigned columns as they were."""

    def __init__(
        self, draft: Draft, assignments: Mapping[str, tuple[Value, str | None]]
    ) -> None:
        self._draft = draft
        self._old = {
            draft.dialect.fold(column, quoted=True): old
            for column, (_, old) in assignments.items()
        }

    def mend(self, returning: exp.Expression) -> None:
        """Rewrite the projections that show an assigned column."""
        ranges = self._ranges()
        projections: list[exp.Expression] = list(returning.expressions)
        if len(ranges) != len(projections):
            raise _unproved(self._draft.text)
        mended: list[exp.Expression] = []
        for (start, end), projection in zip(ranges, projections, strict=True):
            splices = self._splices(projection, start, end)
            if not splices:
                mended.append(projection)
                continue
            self._draft.splices += splices
            moved = [
                Splice(s.start - start, s.end - start, s.parts, s.rank)
                for s in splices
            ]
            text = "SELECT " + splice(self._draft.stand_in[start:end], moved)
            grammar = self._draft.dialect.grammar
            tree = _sqlglot.parse(text, _sqlglot.tokenize(text, grammar), grammar)
            mended += tree.expressions
        returning.set("expressions", mended)

    def _ranges(self) -> list[tuple[int, int]]:
        """Where each projection stands in the text."""
        draft, layout = self._draft, self._draft.layout
        tokens = layout.tokens
        target = draft.target
        assert target is not None
        assert target.block is not None
        i = target.block.tail
        while tokens[i].token_type is not _sqlglot.TokenType.RETURNING:
            i += 1
        found: list[tuple[int, int]] = []
        start = i = i + 1
        while True:
            last = i >= len(tokens) or tokens[i].token_type in _RETURNING_ENDS
            if last or tokens[i].token_type is _sqlglot.TokenType.COMMA:
                found.append((draft.start_of(start), draft.end_of(i - 1)))
                start = i + 1
            if last:
                return found
            i = layout.close.get(i, i) + 1

    def _splices(self, projection: exp.Expression, start: int, end: int) -> list[Splice]:
        draft = self._draft
        if isinstance(projection, exp.Star):
            return [Splice(start, end, (self._star(),))]
        found: list[Splice] = []
        for column in projection.find_all(exp.Column):
            old = self._old.get(draft.name_of(column.this))
            if old is None:
                continue
            if column.find_ancestor(exp.Select) is not None:
                draft.refuse("a sub-select in RETURNING reads a column of the deletion")
            first = _sqlglot.span(column.args.get("table") or column.this)
            last = _sqlglot.span(column.this)
            assert first is not None
            assert last is not None
            found.append(Splice(first[0], last[1], (old,)))
        if found and not isinstance(projection, exp.Alias):
            name = draft.text[start:end]
            if isinstance(projection, exp.Column):
                name = self._declared(draft.name_of(projection.this))
            alias = f" AS {draft.dialect.quote(name)}"
            found.append(Splice(end, end, _spaced(draft, end, (alias,)), rank=1))
        return found

    def _declared(self, name: str) -> str:
        target = self._draft.target
        assert target is not None
        column = target.table.column(name)
        return column.name if column else name

    def _star(self) -> str:
        """``*`` written out: a star would show the new values."""
        draft, target = self._draft, self._draft.target
        assert target is not None
        columns = [c for c in target.table.columns if not c.hidden]
        if not columns:
            draft.refuse("RETURNING * needs the catalogue; connect, or name the columns")
        draft.reads_columns = True
        spelled: list[str] = []
        for column in columns:
            old = self._old.get(draft.dialect.fold(column.name, quoted=True))
            name = draft.dialect.quote(column.name)
            spelled.append(name if old is None else f"{old} AS {name}")
        return ", ".join(spelled)


_RETURNING_ENDS = (
    _sqlglot.TokenType.ORDER_BY,
    _sqlglot.TokenType.LIMIT,
    _sqlglot.TokenType.SEMICOLON,
)


def _owner(node: exp.Expression) -> exp.Expression | None:
    """The SELECT, UPDATE or DELETE that a reference belongs to."""
    return node.find_ancestor(exp.Select, exp.Update, exp.Delete)


def _and(fragments: Sequence[Fragment]) -> Fragment:
    parts: list[str | Bind] = []
    for fragment in fragments:
        parts += [" AND "] if parts else []
        parts += fragment
    return tuple(parts)


def _conjunction(
    condition: exp.Expression | None, predicates: Sequence[exp.Expression]
) -> exp.Expression:
    tree = exp.Paren(this=condition) if condition is not None else None
    for predicate in predicates:
        tree = predicate if tree is None else exp.And(this=tree, expression=predicate)
    assert tree is not None
    return tree


def _spaced(draft: Draft, at: int, parts: Fragment) -> Fragment:
    """``parts``, with a blank after them if a word follows at once."""
    after = draft.text[at : at + 1]
    return (*parts, " ") if after.isalnum() or after in ("_", '"', "'", "[") and after else parts
