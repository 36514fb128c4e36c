"""A DELETE that becomes an UPDATE, with the RETURNING of a DELETE."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.binding import Bind
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.exposure import has_nameless
from kysera_dbapi.names import projections, returning_ranges
from kysera_dbapi.row_images import AFTER, refuse_image
from kysera_dbapi.splices import Splice, Value, spaced, splice, unproved

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft

__all__ = ["Deletion"]


class Deletion:
    """Turns DELETE into UPDATE, with the RETURNING of a DELETE."""

    def __init__(
        self, draft: "Draft", assignments: Mapping[str, tuple[Value, str | None]]
    ) -> None:
        self._draft = draft
        self._assignments = assignments
        target = draft.target
        if target is None or target.block is None or not target.block.items:
            raise unproved()
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
        listed = spaced(draft, at, tuple(parts))
        draft.splices += [verb, Splice(self._past_alias(), at, listed)]
        using = tree.args.get("using")
        if using:
            tree.set("from_", self._other_sources(using))
        returning = tree.args.get("returning")
        if returning is not None:
            if "update" not in draft.dialect.returning:
                draft.refuse(
                    "an UPDATE has no RETURNING here, which a DELETE becomes; read the "
                    "rows before, by SELECT ... FOR UPDATE"
                )
            refuse_image(draft, AFTER, of="a DELETE that becomes an UPDATE")
            _Returning(draft, self._assignments).mend(returning)
        early = draft.dialect.changes_as_it_reads and self._reads_its_target()
        if block.condition is not None and early:
            self._pin(block.condition, tree.args["where"])
        kept = {
            k: v
            for k, v in tree.args.items()
            if k not in ("using", "tables", "cluster")
        }
        draft.become(exp.Update(expressions=trees, **kept))

    def _past_alias(self) -> int:
        """Where the target's alias ends; what belongs to its table is put before it."""
        draft, target, last = self._draft, self._draft.target, self._block.items[0].end
        assert target is not None
        own, end = int(draft.layout.tokens[last - 1].end) + 1, draft.end_of(last - 1)
        named = target.token == last - 1
        if named or own == end or not draft.dialect.partitions_follow_alias:
            return end
        name = draft.end_of(target.token)
        draft.splices.append(Splice(name, name, (draft.text[own:end],), proof=""))
        return own

    def _other_sources(self, using: Sequence[exp.Expression]) -> exp.From:
        """USING, which is the FROM of an UPDATE."""
        draft, at = self._draft, self._block.items[0].end
        if len(using) != 1 or draft.layout.tokens[at].text.upper() != "USING":
            raise unproved()
        if draft.companions:
            draft.refuse("a DELETE with USING and declared children cannot be planned")
        draft.splices.append(Splice(draft.start_of(at), draft.end_of(at), ("FROM",)))
        return exp.From(this=using[0])

    def _reads_its_target(self) -> bool:
        """Whether a sub-select reads what is changed; it may be a policy's."""
        draft, target = self._draft, self._draft.target
        assert target is not None
        sources = {r.table.key for r in draft.references if r.role == "source"}
        return target.table.key in sources | draft.filters_read

    def _pin(self, span: tuple[int, int], where: exp.Expression) -> None:
        """Choose all rows before the first is changed, as a DELETE does.

        A sub-select on the same table would see rows that are deleted already.
        """
        draft, target = self._draft, self._draft.target
        assert target is not None
        name = draft.quoted(target.exposed)
        keys = [f"{name}.{draft.quoted(c)}" for c in draft.row_key()]
        row = keys[0] if len(keys) == 1 else f"({', '.join(keys)})"
        schema, table = draft.quoted(target.table.schema), target.table.name
        source = f"{schema}.{draft.quoted(table)}"
        source += "" if table == target.exposed else f" AS {name}"
        opening = f"{row} IN (SELECT {', '.join(keys)} FROM {source} WHERE "
        start, end = draft.start_of(span[0]), draft.end_of(span[1] - 1)
        before = draft.stand_in[start - 1 : start]
        blank = " " if before.isalnum() or before == "_" else ""
        draft.splices.append(Splice(start, start, (blank + opening,), rank=-2))
        draft.splices.append(Splice(end, end, spaced(draft, end, (")",)), rank=2))
        pinned = _sqlglot.expression(f"{opening}1)", draft.dialect)
        inner = pinned.args["query"].this
        inner.args["where"].set("this", where.this)
        where.set("this", pinned)


class _Returning:
    """RETURNING of a soft DELETE shows the assigned columns as they were."""

    def __init__(
        self, draft: "Draft", assignments: Mapping[str, tuple[Value, str | None]]
    ) -> None:
        self._draft = draft
        self._old = {
            draft.dialect.fold(column, quoted=True): old
            for column, (_, old) in assignments.items()
        }

    def mend(self, returning: exp.Expression) -> None:
        """Rewrite the projections that show an assigned column."""
        draft = self._draft
        ranges = [
            (draft.start_of(first), draft.end_of(last))
            for begin, stop in returning_ranges(draft)
            for first, last in projections(draft, begin, stop)
        ]
        columns: list[exp.Expression] = list(returning.expressions)
        if len(ranges) != len(columns):
            raise unproved()
        mended: list[exp.Expression] = []
        for (start, end), projection in zip(ranges, columns, strict=True):
            splices = self._splices(projection, start, end)
            if not splices:
                mended.append(projection)
                continue
            self._draft.splices += splices
            moved = [
                Splice(s.start - start, s.end - start, s.parts, s.rank, s.proof)
                for s in splices
            ]
            text = splice(self._draft.stand_in[start:end], moved)
            mended += _sqlglot.selected(text, self._draft.dialect)
        returning.set("expressions", mended)

    def _splices(
        self, projection: exp.Expression, start: int, end: int
    ) -> list[Splice]:
        draft = self._draft
        if isinstance(projection, exp.Star):
            return [Splice(start, end, (", ".join((self._star(), *self._others())),))]
        if self._is_star_of_target(projection):
            return [Splice(start, end, (self._star(),))]
        found: list[Splice] = []
        for column in projection.find_all(exp.Column):
            name = draft.name_of(column.this)
            self._check_whole_row(column, name)
            if not self._is_of_target(column, name):
                continue
            old = self._old.get(name)
            if old is None and name not in self._computed:
                continue
            if self._within_sub_select(column):
                continue
            if old is None:
                raise self._untold(name)
            first = _sqlglot.span(column.args.get("table") or column.this)
            last = _sqlglot.span(column.this)
            assert first is not None
            assert last is not None
            found.append(Splice(first[0], last[1], (old,)))
        if found and isinstance(projection, exp.Column):
            name = self._declared(draft.name_of(projection.this))
            alias = f" AS {draft.dialect.quote(name)}"
            found.append(Splice(end, end, spaced(draft, end, (alias,)), rank=1))
        return found

    @cached_property
    def _exposed(self) -> list[tuple[str, exp.Expression]]:
        """The other relations of the statement, by name."""
        target = self._draft.target
        assert target is not None
        # USING stands in the tree twice, as it is to be the FROM of an UPDATE
        found = {
            id(n): (name, n) for name, n in self._draft.exposures(self._draft.tree)
        }
        found.pop(id(target.node), None)
        return list(found.values())

    def _is_star_of_target(self, projection: exp.Expression) -> bool:
        """Whether it is ``orders.*``."""
        qualifier = projection.args.get("table")
        star = isinstance(projection.this, exp.Star)
        return star and qualifier is not None and not self._is_other(qualifier)

    def _is_other(self, qualifier: exp.Expression) -> bool:
        """Whether it names another relation: the target may have two names.

        RETURNING knows it by its alias, on SQLite by the table's own name.
        """
        name = self._draft.name_of(qualifier)
        return any(exposed == name for exposed, _ in self._exposed)

    def _is_of_target(self, column: exp.Column, name: str) -> bool:
        """Whether a name can only be that of a column of the deletion's target.

        One that another relation has too is ambiguous, which the database says.
        """
        draft = self._draft
        qualifier = column.args.get("table")
        if qualifier is not None:
            return not self._is_other(qualifier)
        tables = {id(r.node): r.table for r in draft.references}
        for _, node in self._exposed:
            table = tables.get(id(node))
            if table is None and name in self._old:
                draft.refuse(f"RETURNING: whose column {name} is has to be said")
            if table is not None and table.column(name):
                return False
        return True

    def _check_whole_row(self, column: exp.Column, name: str) -> None:
        """``RETURNING orders`` would show the new values."""
        draft, target = self._draft, self._draft.target
        assert target is not None
        whole = column.args.get("table") is None and name == target.exposed
        if whole and not target.table.column(name):
            draft.refuse(f"RETURNING of whole rows of {name}; name the columns")

    def _others(self) -> list[str]:
        """What ``*`` shows of the other relations."""
        draft = self._draft
        if has_nameless(draft.tree):
            draft.refuse("RETURNING * beside what has no alias; name the columns")
        if not self._exposed:
            return []
        from_ = draft.tree.args.get("from_")
        for join in from_.find_all(exp.Join) if from_ is not None else ():
            if join.args.get("using") or join.args.get("method"):
                draft.refuse("RETURNING * beside USING or NATURAL; name the columns")
        return [f"{draft.quoted(name)}.*" for name, _ in self._exposed]

    @cached_property
    def _computed(self) -> frozenset[str]:
        """The generated columns that are computed from an assigned one."""
        target = self._draft.target
        assert target is not None
        return target.table.with_computed(self._old) - self._old.keys()

    def _untold(self, name: str) -> UnsupportedStatement:
        return UnsupportedStatement(
            f"RETURNING could not tell what the generated column {name} was; leave it "
            "out",
            code="unsupported-statement",
        )

    def _within_sub_select(self, column: exp.Column) -> bool:
        """Whether the column is one of a relation that a sub-select reads."""
        draft, name = self._draft, self._draft.name_of(column.this)
        qualifier = column.args.get("table")
        inner = column.find_ancestor(exp.Select)
        while inner is not None:
            for exposed, node in draft.exposures(inner):
                if qualifier is not None and draft.name_of(qualifier) == exposed:
                    return True
                table = next(
                    (r.table for r in draft.references if r.node is node), None
                )
                if qualifier is None and table and table.column(name):
                    return True
                if qualifier is None and table is None:
                    draft.refuse(f"RETURNING: whose column {name} is has to be said")
            inner = inner.find_ancestor(exp.Select)
        if column.find_ancestor(exp.Select) is not None:
            draft.refuse("a sub-select in RETURNING reads a column of the deletion")
        return False

    def _declared(self, name: str) -> str:
        target = self._draft.target
        assert target is not None
        column = target.table.column(name)
        return column.name if column else name

    def _star(self) -> str:
        """The target's ``*`` written out: a star would show the new values."""
        draft, target = self._draft, self._draft.target
        assert target is not None
        columns = [c for c in target.table.columns if not c.hidden]
        if not columns:
            draft.refuse(
                "RETURNING * needs the catalogue; connect, or name the columns"
            )
        draft.reads_columns = True
        spelled: list[str] = []
        for name in self._computed:
            raise self._untold(name)
        for column in columns:
            old = self._old.get(draft.dialect.fold(column.name, quoted=True))
            name = draft.dialect.quote(column.name)
            full = f"{draft.quoted(target.exposed)}.{name}" if self._exposed else name
            spelled.append(full if old is None else f"{old} AS {name}")
        return ", ".join(spelled)
