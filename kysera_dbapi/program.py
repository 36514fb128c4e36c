"""From a finished draft to its plan: the final texts in pieces, marks for literals."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.binding import Bind
from kysera_dbapi.edits import Draft, Splice
from kysera_dbapi.image import image_splices
from kysera_dbapi.params import Slot, arrange
from kysera_dbapi.plan import Piece, Plan, Program
from kysera_dbapi.shape import FOLDED, Shape

__all__ = ["build"]

_Span = tuple[int, int]


def build(draft: Draft, shape: Shape) -> Plan | None:
    """The plan of a finished draft, for all texts of its shape.

    None if its lists may not fold: an edit falls into one or copies it, or the
    placeholders in it are not plain ones.
    """
    source = draft.source
    spans = shape.spans()
    pinned = _pinned(draft, spans, shape)
    if shape.folded and (pinned is None or not _lists_stand(draft, spans, shape)):
        return None
    program = image = None
    sent = draft.pinned if draft.companions else draft.splices
    read = image_splices(draft, draft.image_columns) if draft.companions else []
    binds = _binds(sent, read)
    if draft.changed:
        program = _program(draft, sent, (spans, shape), binds)
    if draft.companions:
        image = _program(draft, read, (spans, shape), binds)
    return Plan(
        source.text,
        draft.kind,
        source.rule.effect if source.rule and not source.explained else "",
        source.words[:6],
        program,
        tuple(binds),
        image if not source.explained else None,
        "",
        tuple(draft.companions) if not source.explained else (),
        tuple(draft.edits),
        draft.reads,
        draft.target.table.key if draft.target else "",
        closed=True,
        unknown=frozenset(name.rpartition(".")[2] for name in draft.unknown),
        queries=frozenset(
            draft.name_of(cte.args["alias"].this)
            for cte in draft.tree.find_all(exp.CTE)
        ),
        reads_columns=draft.reads_columns,
        returns=draft.returns,
        checked=draft.checked,
        silent=draft.silent,
        pinned=tuple(range(len(spans))) if pinned is None else pinned,
        counted=shape.folded and bool(program or image),
        keep=not draft.unknown,
        retry=_program(draft, draft.retry, (spans, shape), []) if draft.retry else None,
        retry_flag=draft.retry_flag,
    )


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


def _program(
    draft: Draft,
    splices: Sequence[Splice],
    literals: tuple[Sequence[_Span], Shape],
    binds: Sequence[Bind],
) -> Program:
    """The final text in pieces, its placeholders and literals known."""
    spans, shape = literals
    tokens, marks = _marks(draft, spans, shape)
    found = _marked(draft.text, splices, marks)
    slots: list[Slot] = []
    for piece in found:
        if isinstance(piece, Bind):
            slots.append(piece)
        elif isinstance(piece, _Mark):
            slots += piece.slots
    format_style = any(t.startswith("%") for t in tokens)
    spelled, binding = arrange(
        tokens, slots, binds, default="%s" if format_style else "?"
    )
    texts = iter(spelled)
    out: list[Piece] = []
    for piece in found:
        if isinstance(piece, str):
            out.append(piece)
        elif isinstance(piece, Bind):
            out.append(next(texts))
        else:
            own = [next(texts) for _ in piece.slots]
            out.append(own[0] if piece.literal is None else piece.literal)
    return Program(tuple(out), binding)


class _Mark(NamedTuple):
    """Where the caller's text holds a literal, a list or a placeholder."""

    start: int
    end: int
    #: The number of the literal or list, None for a placeholder.
    literal: int | None
    #: The numbers of the placeholders.
    slots: range


def _marks(
    draft: Draft, spans: Sequence[_Span], shape: Shape
) -> tuple[list[str], list[_Mark]]:
    """All placeholders of the caller, and where they and the literals stand."""
    found: list[tuple[int, int, int | None, list[str]]] = [
        (t.start, t.end, None, [t.text]) for t in draft.source.placeholders
    ]
    counts = shape.counts or (0,) * len(spans)
    for i, ((start, end), count) in enumerate(zip(spans, counts, strict=True)):
        found.append((start, end, i, [shape.mark] * count))
    tokens: list[str] = []
    marks: list[_Mark] = []
    for start, end, literal, own in sorted(found, key=lambda f: f[0]):
        slots = range(len(tokens), len(tokens) + len(own))
        marks.append(_Mark(start, end, literal, slots))
        tokens += own
    return tokens, marks


def _lists_stand(draft: Draft, spans: Sequence[_Span], shape: Shape) -> bool:
    """Whether the lists come through as they are, and their placeholders in order."""
    others = {t.text for t in draft.source.placeholders} - {shape.mark}
    if others and any(shape.counts):
        return False
    lists = [s for s, n in zip(spans, shape.folds, strict=True) if n >= 0]
    return not any(
        any(isinstance(part, str) and FOLDED in part for part in splice.parts)
        or any(splice.start < end and start < splice.end for start, end in lists)
        or any(start < splice.start < end for start, end in lists)
        for splice in draft.splices
    )


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
    copies = "\0".join(p for s in draft.splices for p in s.parts if isinstance(p, str))
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


def _marked(
    text: str, splices: Sequence[Splice], marks: Sequence[_Mark]
) -> list[str | Bind | _Mark]:
    """The spliced text in pieces, its literals and placeholders as marks."""
    out: list[str | Bind | _Mark] = []
    at = 0
    pending = deque(marks)

    def copy_to(end: int) -> None:
        nonlocal at
        while pending and pending[0].start < end:
            mark = pending.popleft()
            if mark.start < at:
                continue
            if mark.start > at:
                out.append(text[at : mark.start])
            out.append(mark)
            at = mark.end
        if end > at:
            out.append(text[at:end])
            at = end

    for one in sorted(splices, key=lambda s: (s.start, s.rank)):
        copy_to(one.start)
        out.extend(one.parts)
        at = max(at, one.end)
    copy_to(len(text))
    return out
