"""Placeholder styles, and where the shim's own values go among the caller's.

The styles are read from the text, never from the module's ``paramstyle``: SQLite
takes ``?``, ``?1``, ``:a``, ``@a`` and ``$a`` side by side
(https://www.sqlite.org/lang_expr.html#varparam), and Django sends ``%s`` through a
cursor class that translates it below the proxy.
"""

import re
from collections.abc import Collection, Sequence

from kysera_dbapi.binding import Bind, Binding
from kysera_dbapi.dialect import Style
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.shape import number_of

__all__ = ["Slot", "arrange", "style_of"]

_RESERVED = re.compile(r"[:@$]_k\d|%\(_k\d")


#: A placeholder of a final text: the caller's, by its place in his text, or ours; a
#: range is those of a list, which are plain and stay as they are.
Slot = int | range | Bind


def arrange(
    tokens: Sequence[str],
    slots: Sequence[Slot],
    binds: Sequence[Bind],
    style: Style,
    *,
    sigil: str = "?",
    once: bool = False,
) -> tuple[list[str], Binding]:
    """Spell the placeholders of a final text, and say where its values come from.

    ``tokens`` are the placeholders of the caller's text in order, ``slots`` those of
    the final text, ``binds`` the plan's values, ``style`` how they are written: with
    ``once`` as ``?7`` instead of ``?``, so that each is bound once. ``sigil`` stands
    before a number. A range has no spelling. Raises ``UnsupportedStatement``:
    reserved-name if the caller uses a name of ours, unsupported-construct for ``?0``
    and the like.
    """
    adds = any(isinstance(slot, Bind) for slot in slots)
    _check(dict.fromkeys(tokens).keys(), sigil, mixed=not adds)
    indices = _indices(tokens, sigil)
    expected = 1 + max(indices, default=-1)
    ours = {
        bind: (_spell_bind(style, i, expected), -1 - i) for i, bind in enumerate(binds)
    }
    final = _Places(sigil)
    spelled: list[str] = []
    for slot in slots:
        if isinstance(slot, range):
            spelled.append("")
            final.sources += indices[slot.start : slot.stop]
            continue
        if isinstance(slot, Bind):
            token, source = ours[slot]
            if once and token == "?":
                token = f"?{len(final.sources) + 1}"
                ours[slot] = token, source
        else:
            token, source = tokens[slot], indices[slot]
            if adds and style == "?1" and token == "?":
                token = f"?{source + 1}"
        spelled.append(token)
        final.sources[final.place(token)] = source
    names = tuple(f"_k{i}" for i in range(len(binds)))
    return spelled, Binding(style, expected, tuple(final.sources), names)


def _check(tokens: Collection[str], sigil: str, *, mixed: bool) -> None:
    """Refuse placeholders that are ours, or no database's, or ``mixed`` if need be."""
    for token in tokens:
        if _RESERVED.match(token):
            raise UnsupportedStatement(
                f"the placeholder {token} uses the reserved prefix _k; rename it",
                code="reserved-name",
            )
        if _is_numbered(token, sigil) and not number_of(token):
            raise UnsupportedStatement(
                f"the placeholder {token:.9} has a number that no database takes",
                code="unsupported-construct",
            )
    counted = any(_is_numbered(token, sigil) for token in tokens)
    if not mixed and counted and any(token[0] != sigil for token in tokens):
        raise UnsupportedStatement(
            "placeholders of several kinds are mixed in a statement that gets values "
            "of a plugin; use one kind",
            code="unsupported-construct",
        )


def _indices(tokens: Sequence[str], sigil: str) -> Sequence[int]:
    """The places of the values that the caller gives."""
    if tokens and tokens[0] in _PLAIN and tokens.count(tokens[0]) == len(tokens):
        return range(len(tokens))
    places = _Places(sigil)
    return [places.place(token) for token in tokens]


class _Places:
    """The places of a text's values, from 0: counted as databases do."""

    def __init__(self, sigil: str) -> None:
        #: Where the value of each place comes from.
        self.sources: list[int] = []
        self._names: dict[str, int] = {}
        self._sigil = sigil

    def place(self, token: str) -> int:
        """The place of the value of the next placeholder."""
        count = len(self.sources)
        if token == "?" or _is_positional(token):
            index = count
        elif _is_numbered(token, self._sigil):
            index = number_of(token) - 1
        else:
            index = self._names.setdefault(token, count)
        self.sources += range(count, index + 1)
        return index


def _is_numbered(token: str, sigil: str) -> bool:
    return token[0] == sigil and token != "?"


def _is_positional(token: str) -> bool:
    """``%s``, and psycopg's ``%b`` and ``%t``."""
    return token[0] == "%" and token[1] != "("


#: Each is the next value.
_PLAIN = ("?", "%s")


def style_of(tokens: Collection[str], sigil: str = "?") -> Style | None:
    """The style of a text with such placeholders, None if there are none."""
    heads = {token[0] for token in tokens}
    if heads & (set(":@$") - {sigil}):
        return ":a"
    if any(_is_numbered(token, sigil) for token in tokens):
        return "?1" if sigil == "?" else "$1"
    if "%" in heads:
        return "%s" if any(map(_is_positional, tokens)) else "%(a)s"
    return "?" if tokens else None


def _spell_bind(style: Style, number: int, expected: int) -> str:
    if style in ("?1", "$1"):
        return f"{style[0]}{expected + number + 1}"
    if style == ":a":
        return f":_k{number}"
    if style == "%(a)s":
        return f"%(_k{number})s"
    return style
