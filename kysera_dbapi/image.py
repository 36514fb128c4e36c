"""The rows that a write is to hit: read first, and then the only ones that it hits.

What companions do can change which rows the caller's WHERE finds, and so can a clock
or a random number in it. So it is evaluated once, by the image, and the write takes
the rows of the image by their keys.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from kysera_dbapi import _sqlglot
from kysera_dbapi.binding import Bind
from kysera_dbapi.layout import Block
from kysera_dbapi.names import returning_ranges
from kysera_dbapi.splices import Fragment, Splice, spaced, unproved

if TYPE_CHECKING:
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.statement import Reference

__all__ = ["image_splices", "pinned_splices", "pinned_tree"]

_CUT = ("where", "order", "limit", "offset")


def image_splices(draft: "Draft", columns: Sequence[str]) -> list[Splice]:
    """The splices that turn a soft DELETE into a SELECT of the rows it hits."""
    target, block = _target(draft)
    spelled = _spelled(draft, target, columns)
    listed = ", ".join(map(draft.dialect.unconverted, spelled))
    verb = _verb(draft, block)
    kept = [s for s in draft.splices if s.start != verb.start and not _is_set(s)]
    kept.append(Splice(verb.start, verb.end, (f"SELECT {listed} FROM",), rank=-9))
    kept += _unexplained(draft)
    shown = _returning(draft)
    if shown is not None:
        kept = [s for s in kept if not shown[0] < s.start <= shown[1]]
        kept.append(Splice(*shown, ()))
    if draft.dialect.locking:
        end = draft.end()
        kept.append(Splice(end, end, (draft.dialect.locking,), rank=9))
    return kept


def pinned_splices(draft: "Draft", key: Sequence[str], keys: Bind) -> list[Splice]:
    """The splices of a soft DELETE of the rows with those ``keys``."""
    target, block = _target(draft)
    verb, set_at = _verb(draft, block), draft.end_of(block.items[0].end - 1)
    end, shown = draft.end(), _returning(draft)
    first, last = shown or (end, end)
    kept = [
        s
        for s in draft.splices
        if s.start <= verb.start or _is_set(s) or first < s.start <= last
    ]
    before, after = _among(draft, target, key)
    condition: Fragment = (f" WHERE {before}", keys, after)
    kept.append(Splice(set_at, first, spaced(draft, first, condition), rank=1))
    if last < end:
        kept.append(Splice(last, end, (), rank=4))
    hint = _index_hint(draft, block)
    if hint is not None:
        kept.append(hint)
    return kept


def pinned_tree(draft: "Draft", key: Sequence[str]) -> exp.Expression:
    """The tree of a soft DELETE of the rows of a list."""
    tree = draft.tree.copy()
    before, after = _among(draft, _target(draft)[0], key)
    condition = _sqlglot.expression(f"{before}?{after}", draft.dialect)
    for part in _CUT:
        tree.set(part, None)
    tree.set("where", exp.Where(this=condition))
    if isinstance(tree.this.args.get("indexed"), exp.Table):
        tree.this.set("indexed", None)
    return tree


def _target(draft: "Draft") -> tuple["Reference", Block]:
    target = draft.target
    if target is None or target.block is None or target.block.source is None:
        raise unproved()
    return target, target.block


def _among(
    draft: "Draft", target: "Reference", columns: Sequence[str]
) -> tuple[str, str]:
    """The condition that a row of the target is one of a list of keys."""
    spelled = _spelled(draft, target, columns)
    return draft.dialect.one_of(spelled, target.table.types(columns))


def _spelled(
    draft: "Draft", target: "Reference", columns: Sequence[str]
) -> tuple[str, ...]:
    name = draft.quoted(target.exposed)
    return tuple(f"{name}.{draft.quoted(column)}" for column in columns)


def _verb(draft: "Draft", block: Block) -> Splice:
    assert block.source is not None
    return Splice(draft.start_of(block.start), draft.end_of(block.source), ())


def _unexplained(draft: "Draft") -> list[Splice]:
    """EXPLAIN, taken out: the rows are wanted."""
    said = [t for t in draft.source.lexemes if t.kind not in ("blank", "comment")]
    words = said[: draft.source.first]
    return [Splice(words[0].start, words[-1].end, ())] if words else []


def _is_set(splice: Splice) -> bool:
    return splice.parts[:1] == (" SET ",)


def _returning(draft: "Draft") -> tuple[int, int] | None:
    """Where the RETURNING clause stands."""
    for begin, stop in returning_ranges(draft):
        return draft.start_of(begin - 1), draft.end_of(stop - 1)
    return None


def _index_hint(draft: "Draft", block: Block) -> Splice | None:
    """INDEXED BY, taken out: no index but that of the row keys serves."""
    last = block.items[0].end - 1
    # one token to sqlglot, if a single blank is between the words
    words = " ".join(t.text.upper() for t in draft.layout.tokens[last - 2 : last])
    if not words.endswith("INDEXED BY"):
        return None
    before = last - (2 if draft.layout.tokens[last - 1].text.upper() == "BY" else 1)
    return Splice(draft.end_of(before - 1), draft.end_of(last), ())
