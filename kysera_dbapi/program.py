"""From a finished draft to its plan: the final texts in pieces, marks for literals."""

from collections.abc import Sequence

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.edits import Draft, Splice
from kysera_dbapi.params import Bind, Slot, arrange
from kysera_dbapi.plan import Piece, Plan, Program
from kysera_dbapi.shape import Shape

__all__ = ["build"]

_Mark = tuple[str, int]


def build(draft: Draft, shape: Shape) -> Plan:
    """The plan of a finished draft, for all texts of its shape."""
    source = draft.source
    spans = shape.spans()
    foldable, pinned = _foldable(draft, spans)
    binds: list[Bind] = []
    program = image = None
    if draft.changed:
        program = _program(draft, draft.splices, spans, binds)
    if draft.companions:
        image = _program(draft, _image_splices(draft), spans, binds)
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
        frozenset(r.table.key for r in draft.references),
        draft.target.table.key if draft.target else "",
        draft.reads_columns,
        returns=draft.tree.args.get("returning") is not None,
        pinned=pinned if foldable else tuple(range(len(spans))),
        keep=not draft.unknown,
    )


def _program(
    draft: Draft,
    splices: Sequence[Splice],
    spans: Sequence[tuple[int, int]],
    binds: list[Bind],
) -> Program:
    """The final text in pieces, its placeholders and literals known."""
    placeholders = draft.source.placeholders
    marks: list[tuple[int, int, _Mark]] = [
        (start, end, ("literal", i)) for i, (start, end) in enumerate(spans)
    ]
    marks += [(t.start, t.end, ("slot", i)) for i, t in enumerate(placeholders)]
    found = _marked(draft.text, splices, sorted(marks))
    slots: list[Slot] = []
    for piece in found:
        if isinstance(piece, Bind):
            if piece not in binds:
                binds.append(piece)
            slots.append(piece)
        elif isinstance(piece, tuple) and piece[0] == "slot":
            slots.append(piece[1])
    tokens = [t.text for t in placeholders]
    format_style = any(t.startswith("%") for t in tokens)
    spelled, binding = arrange(
        tokens, slots, binds, default="%s" if format_style else "?"
    )
    texts = iter(spelled)
    out: list[Piece] = []
    for piece in found:
        if isinstance(piece, str):
            out.append(piece)
        elif isinstance(piece, tuple) and piece[0] == "literal":
            out.append(piece[1])
        else:
            out.append(next(texts))
    return Program(tuple(out), binding)


def _foldable(
    draft: Draft, spans: Sequence[tuple[int, int]]
) -> tuple[bool, tuple[int, ...]]:
    """Whether the literals fold, and those that may not: names in string's clothes.

    Both lexers must agree on the literals; a literal whose place is an identifier's,
    or a SET target's, is part of the statement's shape.
    """
    literal = (_sqlglot.TokenType.STRING, _sqlglot.TokenType.NUMBER)
    seen = [
        (t.start, t.end + 1) for t in draft.layout.tokens if t.token_type in literal
    ]
    if seen != list(spans):
        return False, ()
    named: set[int] = set()
    for node in draft.tree.find_all(exp.Identifier):
        if (where := _sqlglot.span(node)) is not None:
            named.add(where[0])
    for owner in draft.tree.find_all(exp.Update, exp.OnConflict):
        for assignment in owner.expressions:
            for leaf in assignment.this.find_all(exp.Literal):
                if (where := _sqlglot.span(leaf)) is not None:
                    named.add(where[0])
    return True, tuple(i for i, (start, _) in enumerate(spans) if start in named)


def _image_splices(draft: Draft) -> list[Splice]:
    """The splices that turn a soft DELETE into a SELECT of the rows it hits."""
    target = draft.target
    assert target is not None
    block = target.block
    assert block is not None
    assert block.source is not None
    # the sign takes the declared type off, by which sqlite3 would convert the values
    columns = ", ".join(
        f"+{draft.quoted(target.exposed)}.{draft.quoted(c)}"
        for c in draft.image_columns
    )
    start, end = draft.start_of(block.start), draft.end_of(block.source)
    set_at = draft.end_of(block.items[0].end - 1)
    kept = [
        s
        for s in draft.splices
        if s.start != start and not (s.start == set_at and s.parts[:1] == (" SET ",))
    ]
    kept.append(Splice(start, end, (f"SELECT {columns} FROM",), rank=-9))
    tokens = draft.layout.tokens
    for i in range(block.start, len(tokens)):
        if tokens[i].token_type is _sqlglot.TokenType.RETURNING:
            stop = i
            ends = (_sqlglot.TokenType.ORDER_BY, _sqlglot.TokenType.LIMIT)
            while stop + 1 < len(tokens) and tokens[stop + 1].token_type not in ends:
                stop = draft.layout.close.get(stop + 1, stop + 1)
            cut = (tokens[i].start, tokens[stop].end + 1)
            kept = [s for s in kept if not cut[0] < s.start <= cut[1]]
            kept.append(Splice(*cut, ()))
            break
    return kept


def _marked(
    text: str, splices: Sequence[Splice], marks: Sequence[tuple[int, int, _Mark]]
) -> list[str | Bind | _Mark]:
    """The spliced text in pieces, its literals and placeholders as marks."""
    out: list[str | Bind | _Mark] = []
    at = 0
    pending = list(marks)

    def copy_to(end: int) -> None:
        nonlocal at
        while pending and pending[0][0] < end:
            start, stop, mark = pending.pop(0)
            if start < at:
                continue
            if start > at:
                out.append(text[at:start])
            out.append(mark)
            at = stop
        if end > at:
            out.append(text[at:end])
            at = end

    for one in sorted(splices, key=lambda s: (s.start, s.rank)):
        copy_to(one.start)
        out.extend(one.parts)
        at = max(at, one.end)
    copy_to(len(text))
    return out
