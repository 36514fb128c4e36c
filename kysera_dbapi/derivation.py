"""A derived table in a reference's place: ``(SELECT * FROM t WHERE p) AS t``."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.exposure import lone
from kysera_dbapi.grouping import dependent
from kysera_dbapi.merge import is_merged
from kysera_dbapi.splices import Fragment, Splice, conjoined, spaced, spell
from kysera_dbapi.statement import Reference

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.predicate import Predicate

__all__ = ["Derivation", "owner_of"]

_HINTS = ("USE", "FORCE", "IGNORE")


class Derivation:
    """Filters references where neither WHERE nor ON will do."""

    def __init__(self, draft: "Draft") -> None:
        self._draft = draft

    def derive(
        self,
        reference: Reference,
        predicates: Sequence["Predicate"],
        *,
        barred: bool,
    ) -> None:
        """Put a derived table in the reference's place."""
        draft = self._draft
        draft.derived.append(reference)
        group = self._parentheses(reference)
        hint = self._hint(reference)
        name = draft.stand_in[reference.start : reference.end]
        inner = draft.quoted(reference.table.name)
        condition = conjoined([p.about(inner) for p in predicates])
        if barred:
            condition = (*condition, f" {draft.dialect.barrier}")
        named = f" AS {draft.quoted(reference.exposed)}"
        end = hint[1] if hint else self._end(reference)
        close: Fragment = (" WHERE ", *condition)
        only = self._only(reference)
        if group is None:
            start, stop = reference.start if only is None else only, end
            opening = "(SELECT * FROM "
            if draft.stand_in[start - 1 : start].isalnum():
                opening = " " + opening
            named_by = reference.node.args.get("alias") and not hint
            bare = reference.in_list or named_by
            close = (*close, ")" if bare else ")" + named)
        else:
            # what else stands in the parentheses, an alias say, is inside no more
            start, stop = draft.end_of(group.start), draft.start_of(group.end)
            opening = "SELECT * FROM "
            if not group.aliased:
                after = draft.end_of(group.end)
                draft.splices.append(
                    Splice(after, after, spaced(draft, after, (named,)))
                )
        opening += "" if only is None else "ONLY "
        draft.splices.append(Splice(start, reference.start, (opening,)))
        if hint:
            after = self._end(reference)
            draft.splices.append(Splice(after, hint[0], (" ",)))
        elif only is not None:  # ONLY (t)
            draft.splices.append(Splice(reference.end, end, (), rank=-1))
        draft.splices.append(Splice(end, stop, spaced(draft, stop, close)))
        spelled = draft.stand_in[slice(*hint)] if hint else ""
        name = name if only is None else f"ONLY {name}"
        self._replace(
            reference, f"SELECT * FROM {name} {spelled} WHERE {spell(condition)}"
        )

    def _end(self, reference: Reference) -> int:
        """Where the name ends, with the ``*`` of ``t *``, or the parenthesis."""
        after = self._draft.layout.tokens[reference.token + 1 :][:1]
        starred = bool(after) and after[0].token_type is _sqlglot.TokenType.STAR
        return self._draft.end_of(reference.token + starred)

    def _only(self, reference: Reference) -> int | None:
        """Where ONLY stands: it moves into the derived table."""
        if reference.in_list or not reference.node.args.get("only"):
            return None
        at = self._draft.layout.at(reference.start) or 1
        return self._draft.start_of(at - 1)

    def _replace(self, reference: Reference, derived: str) -> None:
        node = reference.node
        dialect = self._draft.dialect
        if reference.in_list:
            tree = _sqlglot.expression(f"a IN ({derived})", dialect)
            assert node.parent is not None
            node.parent.set("query", tree.args["query"])
            node.parent.set("field", None)
            return
        exposed = self._draft.quoted(reference.exposed)
        text = f"SELECT * FROM ({derived}) AS {exposed}"
        parsed = _sqlglot.parse(text, _sqlglot.tokenize(text, dialect), dialect)
        table = parsed.args["from_"].this
        outer = lone(node)
        alias = outer.args.get("alias")
        if alias is not None and not self._hint(reference):
            table.set("alias", alias.copy())
        if outer.args.get("joins"):
            table.set("joins", outer.args["joins"])
        outer.replace(table)

    def _parentheses(self, reference: Reference) -> "_Parentheses | None":
        """The outermost parentheses that hold nothing but the reference."""
        if reference.in_list or reference.block is None:
            return None
        way = self._draft.layout.joined(reference.block, reference.token) or []
        found = None
        for (items, at), (inner, _) in reversed(list(pairwise(way))):
            if len(inner) > 1:
                break
            start = items[at].start
            end = self._draft.layout.close[start]
            found = _Parentheses(start, end, items[at].aliased)
        return found

    def check(self, reference: Reference) -> None:
        draft = self._draft
        written = reference.role == "target" or is_merged(reference.node)
        if written or not (reference.block or reference.in_list):
            draft.refuse(f"cannot filter {reference.exposed} where it stands")
        if not draft.dialect.locks_derived and draft.locks(reference):
            draft.refuse(
                f"{reference.exposed} cannot be filtered where it stands without "
                "losing its lock; lock its rows by a SELECT of their own"
            )
        if reference.node.args.get("sample"):
            draft.refuse(
                f"a sample of {reference.exposed} cannot be filtered where it stands; "
                "take it in a sub-select of its own",
                code="unsupported-construct",
            )
        self._check_alone(reference)
        self._check_row_identifiers(reference)
        self._check_grouping(reference)
        self._unqualify(reference)

    def _check_alone(self, reference: Reference) -> None:
        """Of two relations of one name, SQLite takes another if one is derived."""
        owner = owner_of(reference.node)
        if owner is None or reference.in_list:
            return
        names = [name for name, _ in self._draft.exposures(owner, hidden=True)]
        if names.count(reference.exposed) > 1:
            self._draft.refuse(
                f"two relations of one FROM are called {reference.exposed}; give one "
                "of them an alias",
                code="unsupported-construct",
            )

    def _unqualify(self, reference: Reference) -> None:
        """``main.orders.id`` cannot name a derived table: take the schema away."""
        draft, owner = self._draft, owner_of(reference.node)
        if owner is None or reference.in_list:
            return
        for column in owner.find_all(exp.Column):
            schema, table = column.args.get("db"), column.args.get("table")
            if (
                schema is None
                or table is None
                or draft.name_of(table) != reference.exposed
            ):
                continue
            if self._bound_within(column, owner, reference):
                continue
            first = column.args.get("catalog") or schema
            start, end = _sqlglot.span(first), _sqlglot.span(table)
            assert start is not None
            assert end is not None
            draft.splices.append(Splice(start[0], end[0], ()))
            column.set("db", None)
            column.set("catalog", None)

    def _bound_within(
        self, column: exp.Column, owner: exp.Expression, reference: Reference
    ) -> bool:
        """Whether a sub-select within ``owner`` has a table of the column's name."""
        inner = owner_of(column)
        while inner is not None and inner is not owner:
            named = dict(self._draft.exposures(inner)).get(reference.exposed)
            if named is not None and any(
                r.node is named and r.table.schema == reference.table.schema
                for r in self._draft.references
            ):
                return True
            if named is not None:
                self._draft.refuse(f"{column.sql()} is ambiguous once it is filtered")
            inner = owner_of(inner)
        return False

    def _hint(self, reference: Reference) -> tuple[int, int] | None:
        """Where hints of indexes stand: they move into the derived table."""
        if reference.in_list:
            return None
        if reference.node.args.get("hints"):
            return self._index_hints(reference)
        if "indexed" not in reference.node.args:  # INDEXED BY, NOT INDEXED
            return None
        if reference.node.args["indexed"] is None:
            return None
        tokens = self._draft.layout.tokens
        i = reference.token + 1
        while tokens[i].text.upper() not in ("INDEXED BY", "NOT"):
            i += 1
        return tokens[i].start, tokens[i + 1].end + 1

    def _index_hints(self, reference: Reference) -> tuple[int, int]:
        """Where ``USE INDEX (i) IGNORE KEY (j)`` stands, after an alias."""
        tokens, close = self._draft.layout.tokens, self._draft.layout.close
        first = reference.token + 1
        while tokens[first].text.upper() not in _HINTS:
            first += 1
        i = first
        while i < len(tokens) and tokens[i].text.upper() in _HINTS:
            while i not in close:
                i += 1
            i = close[i] + 1
        return tokens[first].start, self._draft.end_of(i - 1)

    def _check_row_identifiers(self, reference: Reference) -> None:
        """A derived table has no rowid (SQLite shows NULL), and no table MATCH.

        Nor has it columns that are no part of ``*``.
        """
        draft = self._draft
        owner = owner_of(reference.node)
        names = draft.dialect.row_identifiers | {reference.exposed}
        columns = reference.table.columns
        names -= {c.folded or c.name for c in columns}
        names |= {c.folded or c.name for c in columns if c.hidden}
        if owner is None or reference.in_list:
            return
        for column in owner.find_all(exp.Column):
            if column.arg_key == "field":
                continue
            table = column.args.get("table")
            if table is not None and draft.name_of(table) != reference.exposed:
                continue
            if draft.name_of(column.this) in names:
                draft.refuse(
                    f"{column.name} of {reference.exposed} would be lost where it is "
                    "filtered; name a column that * shows, its primary key say",
                    code="unsupported-construct",
                )

    def _check_grouping(self, reference: Reference) -> None:
        """A derived table has no primary key that other columns depend on."""
        draft, owner = self._draft, owner_of(reference.node)
        if owner is None or not draft.dialect.groups_by_key:
            return
        node = dependent(draft, reference, owner)
        if node is not None:
            draft.refuse(
                f"{node.sql()} depends on the key of {reference.exposed}, which is "
                "lost where it is filtered; add it to GROUP BY",
                code="unsupported-construct",
            )


@dataclass(frozen=True, slots=True)
class _Parentheses:
    """The tokens of parentheses, and whether they have an alias."""

    start: int
    end: int
    aliased: bool


def owner_of(node: exp.Expression) -> exp.Expression | None:
    """The SELECT, UPDATE, DELETE or MERGE that a reference belongs to."""
    return node.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Merge)
