"""Where a filter goes: WHERE, the ON of an outer join, or a derived table."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.derivation import Derivation, owner_of
from kysera_dbapi.joining import can_join, join_nothing
from kysera_dbapi.layout import Block, Item, is_lone
from kysera_dbapi.merge import is_merged
from kysera_dbapi.splices import Fragment, Splice, conjoined, spaced
from kysera_dbapi.statement import Reference

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.predicate import Predicate

__all__ = ["Placement", "grouped"]


_JOINED = (exp.Join, exp.Table)
_CONDITIONS = {"on", "using", "method", "side"}
_PRESERVING = ("RIGHT", "FULL")


class Placement:
    """Places the filters of a statement (WHERE, ON, or a derived table)."""

    def __init__(
        self, draft: "Draft", filters: Mapping[Reference, Sequence["Predicate"]]
    ) -> None:
        self._draft = draft
        self._filters = filters
        self._where: dict[int, list[Fragment]] = {}
        self._blocks: dict[int, tuple[Block, exp.Expression]] = {}
        self._on: dict[tuple[int, int], list[Fragment]] = {}
        self._joins: dict[tuple[int, int], exp.Expression] = {}
        #: The blocks whose own condition is evaluated on rows that pass alone.
        self._guarded: set[int] = set()
        #: So is that of a MERGE.
        self._guarded_on = False

    def place(self) -> None:
        """Give every filter its place; all are found before the tree is edited."""
        if self._draft.dialect.values_lose_conditions:
            self._refuse_values()
        if self._draft.dialect.returning_loses_columns:
            self._refuse_returning()
        derived = [
            reference
            for reference in self._filters
            if self._is_apart(reference)
            or not (
                self._to_guarded_where(reference)
                if self._is_barred(reference)
                else self._to_where(reference)
                or self._to_on(reference)
                or self._to_full_join(reference)
            )
        ]
        derivation = Derivation(self._draft)
        sealed = {r for r in derived if self._is_barred(r) or self._is_apart(r)}
        joined = [r for r in derived if r not in sealed and can_join(self._draft, r)]
        derived = [r for r in derived if r not in joined]
        for reference in derived:
            derivation.check(reference)
        for reference in derived:
            predicates = self._filters[reference]
            derivation.derive(reference, predicates, barred=reference in sealed)
        for reference in joined:
            join_nothing(self._draft, reference, self._filters[reference])
        for start, fragments in self._where.items():
            self._write_where(*self._blocks[start], fragments)
        for span, fragments in self._on.items():
            self._write_on(span, fragments)

    def _refuse_values(self) -> None:
        """VALUES that are a query of their own; those of FROM and INSERT are right."""
        for reference in self._filters:
            rows = reference.node.find_ancestor(exp.Values)
            if rows is None or isinstance(rows.parent, exp.Insert):
                continue
            alias = rows.args.get("alias")  # sqlglot gives one to those of a UNION
            if alias is None or _sqlglot.span(alias.this) is None:
                self._draft.refuse(
                    f"{reference.exposed} in VALUES, which this server answers "
                    "wrongly; write SELECT"
                )

    def _refuse_returning(self) -> None:
        """Filters that read other tables, in RETURNING of a set operation's rows."""
        for reference, predicates in self._filters.items():
            shown = reference.node.find_ancestor(exp.Returning)
            query = shown and shown.parent and shown.parent.args.get("expression")
            united = query and isinstance(query.unnest(), exp.SetOperation)
            if united and _reads(predicates):
                self._draft.refuse(
                    f"{reference.exposed} in RETURNING of a set operation's rows, "
                    "which this server answers wrongly; send a SELECT after it"
                )

    # A predicate may stand in WHERE or ON if its alias is exposed and unambiguous.

    def _qualified(self, reference: Reference) -> list[Fragment] | None:
        node = owner_of(reference.node)
        if node is None or reference.in_list or reference.block is None:
            return None
        if self._is_lost(reference, reference.block):
            return None
        alias = reference.node.args.get("alias")
        if alias is not None and alias.args.get("columns"):  # other names for them
            return None
        exposed = [
            n for name, n in self._draft.exposures(node) if name == reference.exposed
        ]
        if len(exposed) != 1 or exposed[0] is not reference.node:
            return None
        qualifier = self._draft.quoted(reference.exposed)
        return [p.about(qualifier) for p in self._filters[reference]]

    def _is_lost(self, reference: Reference, block: Block) -> bool:
        """Whether the server finds no rows by a filter that reads other tables."""
        possible = self._draft.dialect.using_loses_exists
        reads = possible and _reads(self._filters[reference])
        return reads and reference.role == "source" and _joins_by_names(block.items)

    def _is_apart(self, reference: Reference) -> bool:
        """Whether its filter reads what is written to: a derived table may do so."""
        draft, filters = self._draft, self._filters[reference]
        if draft.dialect.reads_targets or draft.kind not in ("update", "delete"):
            return False
        whole = draft.whole or draft
        every = (r for part in (whole, *whole.nested) for r in part.references)
        targets = {r.table.key for r in every if r.role == "target"}
        if all(targets.isdisjoint(predicate.reads) for predicate in filters):
            return False
        if reference.role == "target":
            draft.refuse(
                f"a policy of {reference.exposed} reads a table that the statement "
                "writes to, too; send one statement for each"
            )
        return True

    def _is_barred(self, reference: Reference) -> bool:
        return reference.start in self._draft.barriers and not self._is_alone(reference)

    def _is_alone(self, reference: Reference) -> bool:
        """Whether its WHERE is all that a statement evaluates before rows are chosen.

        HAVING is no exception: SQLite moves what it can of it into the WHERE.
        """
        tree, block = self._draft.tree, reference.block
        if not isinstance(tree, exp.Select) or block is None:
            return False
        source = tree.args.get("from_")
        conditions = tree.args.get("where") or tree.args.get("having")
        return (
            source is not None
            and source.this is reference.node
            and len(block.items) == 1
            and not conditions
        )

    def _to_guarded_where(self, reference: Reference) -> bool:
        """Filter a target so that its WHERE, or ON, meets visible rows alone."""
        if is_merged(reference.node) and self._to_on(reference):
            self._guarded_on = True
            return True
        if reference.role != "target":
            return False
        if _is_joined_by_condition(reference.node.parent):
            self._draft.refuse(
                "barrier: what joins the FROM of an UPDATE could meet hidden rows; say "
                "it in WHERE",
                code="unsupported-construct",
            )
        fragments = self._qualified(reference)
        if fragments is None or not self._add_to_where(reference, fragments):
            return False
        assert reference.block is not None
        self._guarded.add(reference.block.start)
        return True

    def _to_where(self, reference: Reference) -> bool:
        fragments = self._qualified(reference)
        if fragments is None:
            return False
        if isinstance(owner_of(reference.node), exp.Merge):
            return False
        if self._null_supplied(reference) is not None:
            return False
        return self._add_to_where(reference, fragments)

    def _add_to_where(
        self, reference: Reference, fragments: Sequence[Fragment]
    ) -> bool:
        block, node = reference.block, owner_of(reference.node)
        assert block is not None
        assert node is not None
        if self._draft.dialect.outer_join_spoils_union and _beside_outer_join(node):
            return False
        if self._blocks.setdefault(block.start, (block, node))[1] is not node:
            return False
        self._where.setdefault(block.start, []).extend(fragments)
        return True

    def _to_on(self, reference: Reference) -> bool:
        fragments = self._qualified(reference)
        if fragments is None:
            return False
        item = self._null_supplied(reference)
        if item is None or item.join is None:
            return False
        if item.join.on is None or item.join.side == "FULL" or not item.join.side:
            return False
        join = self._join_node(reference, item)
        if join is None or not isinstance(join.args.get("on"), exp.Expression):
            return False
        self._add_to_on(item, join, fragments)
        return True

    def _add_to_on(
        self, item: Item, join: exp.Expression, fragments: Sequence[Fragment]
    ) -> None:
        assert item.join is not None
        assert item.join.on is not None
        self._joins[item.join.on] = join
        self._on.setdefault(item.join.on, []).extend(fragments)

    def _to_full_join(self, reference: Reference) -> bool:
        """Filter one side of a FULL JOIN where it stands.

        No hidden row may match in its ON, nor in that of a later RIGHT or FULL join;
        and where it is left over, with nulls for the other side, the WHERE drops it. A
        derived table would do, but SQLite has no index for it there.
        """
        fragments = self._qualified(reference)
        key = self._never_null(reference)
        possible = self._draft.dialect.filters_full_joins
        if fragments is None or key is None or not possible:
            return False
        item = self._null_supplied(reference)
        items = self._level(reference)
        if item is None or not any(item is one for one in items):
            return False
        at = next(i for i, one in enumerate(items) if one is item)
        later = [i for i in items[at + 1 :] if i.join and i.join.side in _PRESERVING]
        joins = [self._join_node(reference, i) for i in (item, *later)]
        for one, join in zip((item, *later), joins, strict=True):
            on = join.args.get("on") if join is not None else None
            if on is None or one.join is None or one.join.on is None:
                return False
        absent = [("(", *f, f" OR {key} IS NULL)") for f in fragments]
        if not self._add_to_where(reference, absent):
            return False
        for one, join in zip((item, *later), joins, strict=True):
            assert join is not None
            self._add_to_on(one, join, fragments if one is item else absent)
        return True

    def _never_null(self, reference: Reference) -> str | None:
        """A column that is null only where an outer join supplies no row."""
        table = reference.table
        # SQLite takes the joined tables of UPDATE ... FROM as one, without a rowid
        if table.kind != "table" or isinstance(owner_of(reference.node), exp.Update):
            return None
        names = [n for n in self._draft.dialect.row_identifiers if not table.column(n)]
        keys = table.primary_key if table.without_rowid else tuple(sorted(names)[-1:])
        if not keys:
            return None
        quoted = self._draft.quoted
        return f"{quoted(reference.exposed)}.{quoted(keys[0])}"

    def _level(self, reference: Reference) -> Sequence[Item]:
        """The items of a FROM without parentheses that the reference is one of."""
        if reference.block is None:
            return ()
        way = self._draft.layout.joined(reference.block, reference.token) or []
        looser = self._draft.dialect.comma_binds_looser
        mixed = looser and any(i.join and i.join.comma for i in reference.block.items)
        return () if mixed or len(way) != 1 else reference.block.items

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
            group = items[at].group
            if found is not None:
                return found
            if items[at].aliased and group is not None and not is_lone(group):
                return Item(0, 0)
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

    def _join_node(self, reference: Reference, item: Item) -> exp.Expression | None:
        """The join of the tree whose right side is the item; or the MERGE."""
        owner = owner_of(reference.node)
        assert owner is not None
        if isinstance(owner, exp.Merge):
            return owner
        start = self._draft.start_of(item.start)
        end = self._draft.end_of(item.end - 1)
        for join in owner.find_all(exp.Join):
            spans = (_sqlglot.span(node) for node in join.this.walk())
            # what sqlglot makes up, as of VALUES in a set operation, stands at 0
            leaves = [span[0] for span in spans if span is not None and span[0]]
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
            parts = (" WHERE ", *conjoined(fragments))
            draft.splices.append(Splice(at, at, spaced(draft, at, parts), rank=2))
            tree = _conjunction(None, [draft.fragment_tree(f) for f in fragments])
            node.set("where", exp.Where(this=tree))
            return
        guarded = block.start in self._guarded
        self._add(condition, where, "this", fragments, guarded=guarded)

    def _add(
        self,
        span: tuple[int, int],
        owner: exp.Expression,
        part: str,
        fragments: Sequence[Fragment],
        *,
        guarded: bool,
    ) -> None:
        """Add to a condition, which meets rows that pass alone if it is guarded."""
        condition = owner.args[part]
        trees = [self._draft.fragment_tree(f) for f in fragments]
        if not guarded:
            self._conjoin(span, fragments)
            owner.set(part, _conjunction(condition, trees))
            return
        # CASE alone would do, but the database has no index for what is in it
        visible = conjoined(fragments)
        self._conjoin(span, fragments, ("CASE WHEN ", *visible, " THEN "), " END")
        case = self._draft.case_tree(visible, grouped(condition))
        owner.set(part, _conjunction(None, [*trees, case]))

    def _write_on(self, span: tuple[int, int], fragments: Sequence[Fragment]) -> None:
        join = self._joins[span]
        guarded = self._guarded_on and isinstance(join, exp.Merge)
        self._add(span, join, "on", fragments, guarded=guarded)

    def _conjoin(
        self,
        span: tuple[int, int],
        fragments: Sequence[Fragment],
        before_it: Fragment = (),
        after_it: str = "",
    ) -> None:
        """Parenthesise the condition at those tokens and put the fragments before it.

        Before it, so that a caller's expression that raises meets visible rows alone.
        """
        draft = self._draft
        start, end = draft.start_of(span[0]), draft.end_of(span[1] - 1)
        before = draft.stand_in[start - 1 : start]
        blank = " " if before.isalnum() or before == "_" else ""
        opening = (blank, *conjoined(fragments), " AND ", *before_it, "(")
        draft.splices.append(Splice(start, start, opening, rank=-1))
        draft.splices.append(
            Splice(end, end, spaced(draft, end, (f"){after_it}",)), rank=1)
        )


def _reads(predicates: Sequence["Predicate"]) -> bool:
    """Whether any of them reads other tables."""
    return any(predicate.reads for predicate in predicates)


def _joins_by_names(items: Sequence[Item]) -> bool:
    """Whether any of them is joined by USING or NATURAL."""
    return any(
        (item.join is not None and (item.join.using or item.join.natural))
        or _joins_by_names(item.group or ())
        for item in items
    )


def _beside_outer_join(block: exp.Expression) -> bool:
    """Whether another branch of the set operation that it is in has such a join."""
    top = block
    while isinstance(top.parent, exp.SetOperation):
        top = top.parent
    joins = () if top is block else top.find_all(exp.Join)
    return any(join.side in _PRESERVING and not _within(join, block) for join in joins)


def _within(node: exp.Expression, block: exp.Expression) -> bool:
    parent = node.parent
    while parent is not None and parent is not block:
        parent = parent.parent
    return parent is not None


def grouped(condition: exp.Expression) -> exp.Expression:
    """The tree of a condition in parentheses."""
    # sqlglot takes "((SELECT 1))" for a sub-select in a sub-select
    group = exp.Subquery if isinstance(condition, exp.Subquery) else exp.Paren
    return group(this=condition)


def _is_joined_by_condition(update: object) -> bool:
    """Whether a FROM has what is evaluated on rows of the target before its WHERE."""
    source = update.args.get("from_") if isinstance(update, exp.Update) else None
    if source is None:
        return False
    own = [node for node in source.find_all(*_JOINED) if owner_of(node) is update]
    plain = all(isinstance(n.this, exp.Identifier) for n in own if _is_table(n))
    bare = [not (n.args.keys() & _CONDITIONS) for n in own if isinstance(n, exp.Join)]
    return not (plain and all(bare))


def _is_table(node: exp.Expression) -> bool:
    return isinstance(node, exp.Table)


def _conjunction(
    condition: exp.Expression | None, predicates: Sequence[exp.Expression]
) -> exp.Expression:
    trees = list(predicates)
    if condition is not None:
        trees.append(grouped(condition))
    tree = trees[0]
    for other in trees[1:]:
        tree = exp.And(this=tree, expression=other)
    return tree
