"""From a finished draft to its plan: the final texts in parts, marks for literals."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.binding import Bind
from kysera_dbapi.edits import Draft, Fragment, Splice
from kysera_dbapi.image import image_splices
from kysera_dbapi.lists import FOLDED
from kysera_dbapi.outline import Mark, Outline
from kysera_dbapi.params import style_of
from kysera_dbapi.plan import Plan
from kysera_dbapi.shape import Shape
from kysera_dbapi.splices import Copy

__all__ = ["build"]

_Span = tuple[int, int]


def build(draft: Draft, shape: Shape) -> Plan | None:
    """The plan of a finished draft, for all texts of its shape.

    None if its lists may not fold: an edit falls into one, other than after the values
    of a row, or copies it, or the placeholders in it are not plain ones.
    """
    source = draft.source
    spans = shape.spans()
    pinned = _pinned(draft, spans, shape)
    if shape.folded and (pinned is None or not _lists_stand(draft, spans, shape)):
        return None
    outline = image = retry = None
    sent = draft.pinned if draft.companions else draft.splices
    read = image_splices(draft, draft.image_columns) if draft.companions else []
    binds = tuple(_binds(sent, read))
    if draft.changed:
        outline = _outline(draft, sent, (spans, shape), binds)
    if draft.companions and source.runs:
        image = _outline(draft, read, (spans, shape), binds)
    if draft.retry:
        retry = _outline(draft, draft.retry, (spans, shape), ())
    plan = Plan(
        source.text,
        draft.kind,
        source.rule.effect if source.rule and source.runs else "",
        source.words[:6],
        binds=binds,
        outlines=(outline, image, retry),
        companions=tuple(draft.companions) if source.runs else (),
        edits=tuple(draft.edits),
        relations=draft.reads,
        target=_written(draft),
        closed=True,
        unknown=frozenset(name.rpartition(".")[2] for name in draft.unknown),
        queries=frozenset(
            draft.dialect.fold_cte(draft.name_of(cte.args["alias"].this))
            for cte in draft.tree.find_all(exp.CTE)
        ),
        invoked=source.invoked,
        reads_columns=draft.reads_columns,
        returns=draft.returns,
        checked=draft.checked,
        silent=draft.silent and not source.explained,
        supplied=tuple(draft.supplied),
        pinned=tuple(range(len(spans))) if pinned is None else pinned,
        keep=not draft.unknown,
        retry_flag=draft.retry_flag,
        shielded=bool(draft.retry) and draft.dialect.commit_may_undo,
    )
    return plan.arranged(plan.arrangement(shape))


def _written(draft: Draft) -> str:
    """The key of the table that is written to; of a MERGE, too."""
    found = (one.target for one in (draft, *draft.nested) if one is draft or one.merge)
    return next((target.table.key for target in found if target), "")


def _binds(*texts: Sequence[Splice]) -> list[Bind]:
    """The values of the plan: each once, for all of its texts."""
    found = (
        part
        for splices in texts
        for one in sorted(splices, key=lambda s: (s.start, s.rank))
        for part in one.parts
        if isinstance(part, Bind)
    )
    return list(dict.fromkeys(found))


def _outline(
    draft: Draft,
    splices: Sequence[Splice],
    literals: tuple[Sequence[_Span], Shape],
    binds: tuple[Bind, ...],
) -> Outline:
    """The final text in parts, its placeholders and literals known."""
    places, lexer = _places(draft, splices, *literals), draft.source.lexer
    style = style_of({p.mark.token for p in places if p.mark.token}, lexer.numbered)
    style = style or lexer.default
    # what the driver formats has each % of its own twice, the caller's too if he
    # gave no values to format it with
    adds = any(isinstance(part, Bind) for one in splices for part in one.parts)
    doubles = adds and style[0] == "%" and not lexer.format_style
    ours = _twice if doubles or lexer.format_style else _once
    places = [p._replace(mark=_with_rows(p.mark, ours)) for p in places]
    marks = tuple(place.mark for place in places)
    parts = _parts(draft.text, splices, places, (_twice if doubles else _once, ours))
    # else every row would take values of its own: more, it may be, than can be bound
    numbers = draft.dialect.numbers_placeholders and any(m.binds for m in marks)
    once = numbers and style == "?"
    return Outline(marks, tuple(parts), binds, style, lexer.numbered, once, doubles)


def _once(part: Any) -> Any:
    return part


def _twice(part: Any) -> Any:
    """A part with each % in it written twice."""
    return part.replace("%", "%%") if isinstance(part, str) else part


def _with_rows(mark: Mark, ours: Callable[[Any], Any]) -> Mark:
    return mark._replace(rows=tuple(map(ours, mark.rows)))


class _Place(NamedTuple):
    """Where the caller's text holds a literal, a list or a placeholder."""

    start: int
    end: int
    mark: Mark


def _places(
    draft: Draft, splices: Sequence[Splice], spans: Sequence[_Span], shape: Shape
) -> list[_Place]:
    """All placeholders, literals and lists of the caller's text, in order."""
    found = [
        _Place(t.start, t.end, Mark(0, None, t.text)) for t in draft.source.placeholders
    ]
    folds = shape.folds or (-1,) * len(spans)
    for i, (span, count) in enumerate(zip(spans, folds, strict=True)):
        token = shape.lists.mark if count > 0 else ""
        rows = _in_rows(draft.text, splices, span) if count >= 0 else ()
        found.append(_Place(*span, Mark(0, i, token, rows)))
    found.sort(key=lambda place: place.start)
    return [
        place._replace(mark=place.mark._replace(number=number))
        for number, place in enumerate(found)
    ]


def _in_rows(text: str, splices: Sequence[Splice], row: _Span) -> Fragment:
    """What is put before the closing parenthesis of a row that stands for all."""
    inner = (s for s in splices if _is_in_row(text, s, row))
    return tuple(p for s in sorted(inner, key=lambda s: s.rank) for p in s.parts)


def _is_in_row(text: str, splice: Splice, row: _Span) -> bool:
    last = row[1] - 1
    return text[last] == ")" and splice.start == splice.end == last


def _lists_stand(draft: Draft, spans: Sequence[_Span], shape: Shape) -> bool:
    """Whether the lists come through as they are, and their placeholders in order.

    What is put after the values of a row that stands for all is put into all of them.
    """
    others = {t.text for t in draft.source.placeholders} - {shape.lists.mark}
    if others and any(count > 0 for count in shape.folds):
        return False
    lists = [s for s, n in zip(spans, shape.folds, strict=True) if n >= 0]
    return not any(
        any(isinstance(part, str) and FOLDED in part for part in splice.parts)
        or any(_breaks(draft.text, splice, listed) for listed in lists)
        for splice in draft.splices
    )


def _breaks(text: str, splice: Splice, listed: _Span) -> bool:
    """Whether a splice falls into a list, other than after the values of its row."""
    start, end = listed
    overlaps = splice.start < end and start < splice.end
    inside = start < splice.start < end
    return (overlaps or inside) and not _is_in_row(text, splice, listed)


def _pinned(
    draft: Draft, spans: Sequence[_Span], shape: Shape
) -> tuple[int, ...] | None:
    """The literals that decide the plan: names in string's clothes, copied ones.

    Both lexers must agree on the literals, else None. A literal whose place is an
    identifier's, or a SET target's, is part of the statement's shape; so is one that
    an edit copies, as into the name of a column.
    """
    if not _agreed(draft, spans, shape):
        return None
    quote = draft.dialect.quote
    parts = (part for one in draft.splices for part in one.parts)
    said = (p for p in parts if isinstance(p, str) and not isinstance(p, Copy))
    copies = "\0".join(said)
    return tuple(
        i
        for i, (start, end) in enumerate(spans)
        if start in draft.named or quote(draft.text[start:end])[1:-1] in copies
    )


def _agreed(draft: Draft, spans: Sequence[_Span], shape: Shape) -> bool:
    literal = (_sqlglot.TokenType.STRING, _sqlglot.TokenType.NUMBER)
    folds = shape.folds or (-1,) * len(spans)
    lists = [s for s, count in zip(spans, folds, strict=True) if count >= 0]
    seen = [
        (t.start, t.end + 1)
        for t in draft.layout.tokens
        if t.token_type in literal
        and not any(start <= t.start < end for start, end in lists)
    ]
    return seen == [s for s in spans if s not in lists]


def _parts(
    text: str,
    splices: Sequence[Splice],
    places: Sequence[_Place],
    say: tuple[Callable[[Any], Any], Callable[[Any], Any]],
) -> list[str | Bind | Mark]:
    """The spliced text in parts, its literals and placeholders as marks.

    ``say`` spells what is the caller's, and what is ours.
    """
    theirs, ours = say
    out: list[str | Bind | Mark] = []
    at = 0

    def copy(start: int, end: int) -> None:
        for place in _within(places, start, end):
            out.extend((theirs(text[start : place.start]), place.mark))
            start = place.end
        out.append(theirs(text[start:end]))

    rows = [(place.start, place.end) for place in places if place.mark.rows]
    others = (s for s in splices if not any(_is_in_row(text, s, r) for r in rows))
    for one in sorted(others, key=lambda s: (s.start, s.rank)):
        copy(at, max(at, one.start))
        for part in one.parts:
            if isinstance(part, Copy):
                copy(part.start, part.start + len(part))
            else:
                out.append(ours(part))
        at = max(at, one.end)
    copy(at, len(text))
    return [part for part in out if part]


def _within(places: Sequence[_Place], start: int, end: int) -> Sequence[_Place]:
    """The places that begin between two positions."""
    first, last = (bisect_left(places, at, key=_start) for at in (start, end))
    return places[first:last]


def _start(place: _Place) -> int:
    return place.start
