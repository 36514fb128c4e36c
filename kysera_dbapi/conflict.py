"""A row that an INSERT meets by a unique key must be one that the caller sees.

https://www.sqlite.org/lang_upsert.html
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.binding import Bind
from kysera_dbapi.changing import assigned_on_change
from kysera_dbapi.holding import assigned
from kysera_dbapi.names import projections
from kysera_dbapi.predicate import Predicate
from kysera_dbapi.splices import Fragment, Splice, Value, conjoined, spaced, unproved
from kysera_dbapi.violation import MET, PROPOSED

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft

__all__ = ["Conflict", "Guard"]

#: A condition, its label, and whether it is about the row proposed for insertion.
Guard = tuple[Predicate, str, bool]

_ALWAYS, _NEVER = "1 IS NOT NULL", "1 IS NULL"
_T = _sqlglot.TokenType
#: The words of ON DUPLICATE KEY UPDATE.
_DUPLICATE = 4
#: The name of the row that is proposed for insertion.
_PROPOSED = "excluded"


class Conflict:
    """What an INSERT says of conflicts, made to fail on rows that may not be met."""

    def __init__(self, draft: "Draft") -> None:
        if draft.target is None:
            raise unproved()
        upsert = draft.tree.args.get("conflict")
        #: ON DUPLICATE KEY UPDATE, which has no WHERE.
        self._duplicate = upsert is not None and bool(upsert.args.get("duplicate"))
        known = self._duplicate and draft.dialect.checks_in_place
        if not (known or draft.dialect.says_on_conflict):
            draft.refuse(
                "an INSERT that skips a row that is there cannot tell whose it is; "
                "read it before, or leave IGNORE out"
            )
        self._draft = draft
        self._target = draft.target
        self._guard: Fragment = ()

    def name(self, columns: Sequence[str]) -> None:
        """Name the key that rows meet by: an update needs it, a skip does not."""
        draft, at = self._draft, self._draft.start_of(self._clause() + 2)
        named = f"({', '.join(map(draft.quoted, columns))})"
        draft.splices.append(Splice(at, at, (f"{named} ",), rank=-1))
        text = f"INSERT INTO t VALUES (1) ON CONFLICT {named} DO NOTHING"
        parsed = _sqlglot.parse(
            text, _sqlglot.tokenize(text, draft.dialect), draft.dialect
        )
        keys = parsed.args["conflict"].args["conflict_keys"]
        draft.tree.args["conflict"].set("conflict_keys", keys)

    def assign(self, assignments: Mapping[str, Value]) -> None:
        """Set columns of the row that ``DO UPDATE`` updates."""
        draft, begin = self._draft, self._clause()
        if self._duplicate and self._assign_on_change(begin, assignments):
            return
        where = self._find(begin, _T.WHERE, after=_T.SET)
        at = draft.end_of((where or self._end(begin)) - 1)
        parts: list[str | Bind] = []
        for column, value in assignments.items():
            parts += [f", {draft.quoted(column)} = ", value.part]
            tree = draft.assignment_tree(column, value)
            draft.tree.args["conflict"].append("expressions", tree)
        draft.splices.append(Splice(at, at, tuple(parts)))

    def _assign_on_change(self, begin: int, values: Mapping[str, Value]) -> bool:
        """First, in rows that change: the others count for less."""
        draft, upsert = self._draft, self._draft.tree.args["conflict"]
        sets = list(upsert.expressions)
        spans = projections(draft, begin + _DUPLICATE, self._end(begin))
        first = assigned_on_change(draft, values, sets, spans)
        if first is None:
            return False
        at = draft.start_of(begin + _DUPLICATE)
        draft.splices.append(Splice(at, at, (*first, ", "), rank=1))
        upsert.set("expressions", [*draft.assignment_trees(first), *sets])
        return True

    def replaced(self, columns: Sequence[str]) -> tuple[Splice, exp.Expression]:
        """What makes of an INSERT an upsert that sets those columns as it would.

        The tree is that of the upsert; the draft's own stays as it is.
        """
        draft, tree = self._draft, self._draft.tree.copy()
        opening, upsert = self._opened(tree)
        names = [draft.quoted(column) for column in columns]
        sets = [f"{name} = {_PROPOSED}.{name}" for name in names]
        upsert.set("expressions", [draft.fragment_tree((one,)) for one in sets])
        return self._appended((opening + ", ".join(sets),)), tree

    def guard(self, guards: Sequence[Guard]) -> None:
        """Put the guards where the database looks at the row that is there."""
        draft, target = self._draft, self._target
        if target.exposed == _PROPOSED and any(proposed for *_, proposed in guards):
            draft.refuse(f"{_PROPOSED} would mean the row that is there; rename it")
        if self._duplicate and any(proposed for *_, proposed in guards):
            draft.refuse("rows that an upsert may update cannot be checked here")
        calls: list[Fragment] = []
        for predicate, label, proposed in guards:
            name = _PROPOSED if proposed else draft.quoted(target.exposed)
            kind = PROPOSED if proposed else MET
            calls.append(draft.checked_by(predicate.about(name), kind + label))
        if self._duplicate:
            self._assign_first(calls)
            return
        self._guard = conjoined(calls)
        upsert = draft.tree.args.get("conflict")
        if upsert is None:
            self._ignore()
        elif upsert.expressions:
            self._update(upsert)
        else:
            self._nothing(upsert)

    def _assign_first(self, calls: Sequence[Fragment]) -> None:
        """The first assignment fails on a row that may not be met."""
        draft, begin = self._draft, self._clause()
        if not isinstance(draft.tree.args.get("expression"), exp.Values):
            draft.refuse("ON DUPLICATE KEY UPDATE after a query; insert VALUES")
        part = assigned(draft, self._target, calls)
        at = draft.start_of(begin + _DUPLICATE)
        draft.splices.append(Splice(at, at, (*part, ", ")))
        upsert = draft.tree.args["conflict"]
        first = draft.fragment_tree(part)
        upsert.set("expressions", [first, *upsert.expressions])

    def _update(self, upsert: exp.Expression) -> None:
        """``DO UPDATE SET ... [WHERE ...]``."""
        draft, begin = self._draft, self._clause()
        where = self._find(begin, _T.WHERE, after=_T.SET)
        end = self._end(begin)
        opening: Fragment = ("CASE WHEN ", *self._guard, " THEN ")
        if where is None:
            at = draft.end_of(end - 1)
            parts: Fragment = (" WHERE ", *opening, f"{_ALWAYS} END")
            draft.splices.append(Splice(at, at, spaced(draft, at, parts), rank=1))
            upsert.set("where", exp.Where(this=self._tree(self._parsed(_ALWAYS))))
            return
        start, stop = draft.start_of(where + 1), draft.end_of(end - 1)
        draft.splices.append(Splice(start, start, (*opening, "("), rank=-3))
        draft.splices.append(
            Splice(stop, stop, spaced(draft, stop, (") END",)), rank=3)
        )
        condition = upsert.args["where"].this
        upsert.args["where"].set("this", self._tree(exp.Paren(this=condition)))

    def _nothing(self, upsert: exp.Expression) -> None:
        """``DO NOTHING``, as an update that never happens."""
        draft = self._draft
        at = self._clause()
        while draft.layout.tokens[at].text.upper() != "NOTHING":
            at = draft.layout.close.get(at, at) + 1
        start, end = draft.start_of(at), draft.end_of(at)
        draft.splices.append(Splice(start, end, self._never("UPDATE SET ")))
        named = upsert.args.get("conflict_keys") or upsert.args.get("constraint")
        if not (named or draft.dialect.upserts_by_any_key):
            self._name_key()
        self._set_never(upsert)

    def _name_key(self) -> None:
        draft, table = self._draft, self._target.table
        key = table.unique_keys[0] if len(table.unique_keys) == 1 else None
        if key is None or key.partial or not all(key.columns):
            draft.refuse("ON CONFLICT DO NOTHING must name its unique key here")
        assert key is not None
        self.name(key.columns)

    def _ignore(self) -> None:
        """``INSERT OR IGNORE``: the same, in an upsert of its own."""
        draft = self._draft
        opening, upsert = self._opened(draft.tree)
        draft.splices.append(self._appended(self._never(opening)))
        self._set_never(upsert)

    def _opened(self, tree: exp.Expression) -> tuple[str, exp.Expression]:
        """The start of a clause for all keys, and what becomes of it in the tree."""
        opening = " ON CONFLICT DO UPDATE SET "
        source = tree.args.get("expression")
        if isinstance(source, exp.SetOperation):
            source = source.expression
        ambiguous = self._draft.dialect.joins_without_on and _ends_with_from(source)
        if source is not None and ambiguous and not self._ends_with_rows:
            source.set("where", exp.Where(this=exp.Literal.number(1)))
            opening = f" WHERE 1{opening}"  # else ON would be that of a join
        upsert = exp.OnConflict(duplicate=False, action=exp.var("DO UPDATE"))
        tree.set("conflict", upsert)
        return opening, upsert

    def _appended(self, clause: Fragment) -> Splice:
        at = self._draft.end_of(self._end(self._target.token) - 1)
        return Splice(at, at, spaced(self._draft, at, clause), rank=7)

    def _never(self, opening: str) -> Fragment:
        start = f"{opening}{self._unchanged} WHERE CASE WHEN "
        return (start, *self._guard, f" THEN {_NEVER} END")

    @property
    def _unchanged(self) -> str:
        """An assignment that changes nothing."""
        quoted, name = self._draft.quoted, self._column()
        return f"{quoted(name)} = {quoted(self._target.exposed)}.{quoted(name)}"

    def _set_never(self, upsert: exp.Expression) -> None:
        assigned = self._parsed(self._unchanged)
        upsert.set("action", exp.var("DO UPDATE"))
        upsert.set("expressions", [assigned])
        upsert.set("where", exp.Where(this=self._tree(self._parsed(_NEVER))))

    def _column(self) -> str:
        found = (c for c in self._target.table.columns if not c.generated)
        column = next(found, None)
        if column is None:
            self._draft.refuse("an upsert needs the catalogue; connect")
        assert column is not None
        return column.name

    def _parsed(self, text: str) -> exp.Expression:
        return self._draft.fragment_tree((text,))

    def _tree(self, then: exp.Expression) -> exp.Expression:
        return self._draft.case_tree(self._guard, then)

    # -- where things stand -------------------------------------------------------

    def _clause(self) -> int:
        """The token ON of ON CONFLICT."""
        draft = self._draft
        found = draft.layout.conflict(self._target.token, draft.stop)
        if found is None:
            raise unproved()
        return found

    def _end(self, begin: int) -> int:
        """The token past the clause: RETURNING, or the end of the statement."""
        tokens, close = self._draft.layout.tokens, self._draft.layout.close
        i = begin
        while i < self._draft.stop:
            if tokens[i].token_type in (_T.RETURNING, _T.SEMICOLON):
                break
            i = close.get(i, i) + 1
        return i

    @property
    def _ends_with_rows(self) -> bool:
        """Whether VALUES come last: sqlglot may make a query of them."""
        tokens, close = self._draft.layout.tokens, self._draft.layout.close
        found = None
        i = self._target.token
        while i < self._end(i):
            if tokens[i].token_type in (_T.SELECT, _T.VALUES):
                found = tokens[i].token_type
            i = close.get(i, i) + 1
        return found is _T.VALUES

    def _find(self, begin: int, kind: object, *, after: object) -> int | None:
        tokens, close = self._draft.layout.tokens, self._draft.layout.close
        seen = False
        i = begin
        while i < self._end(begin):
            seen = seen or tokens[i].token_type is after
            if seen and tokens[i].token_type is kind:
                return i
            i = close.get(i, i) + 1
        return None


def _ends_with_from(source: exp.Expression | None) -> bool:
    """Whether an ON after a query would be that of a join."""
    if not isinstance(source, exp.Select) or source.args.get("from_") is None:
        return False
    return not any(source.args.get(part) for part in _LAST)


_LAST = ("where", "group", "having", "windows", "order", "limit")
