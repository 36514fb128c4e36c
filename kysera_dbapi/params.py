"""Placeholder styles, and where the shim's own values go among the caller's.

The styles are read from the text, never from the module's ``paramstyle``: SQLite
takes ``?``, ``?1``, ``:a``, ``@a`` and ``$a`` side by side
(https://www.sqlite.org/lang_expr.html#varparam), and Django sends ``%s`` through a
cursor class that translates it below the proxy.
"""

import re
from collections.abc import Sequence

from kysera_dbapi.binding import Bind, Binding
from kysera_dbapi.dialect import Style
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.shape import number_of

__all__ = ["Slot", "arrange"]

_RESERVED = re.compile(r"[:@$]_k\d|%\(_k\d")


#: A placeholder of a final text: the caller's, by its place in his text, or ours.
Slot = int | Bind


def arrange(
    tokens: Sequence[str],
    slots: Sequence[Slot],
    binds: Sequence[Bind],
    *,
    default: Style = "?",
    numbered: str = "?",
) -> tuple[list[str], Binding]:
    """Spell the placeholders of a final text, and say where its values come from.

    ``tokens`` are the placeholders of the caller's text in order, ``slots`` those of
    the final text, ``binds`` the plan's values. A text without placeholders takes
    the ``default`` style. Raises ``UnsupportedStatement``: reserved-name if the caller
    uses a name of ours, unsupported-construct for ``?0`` and the like.
    """
    for token in tokens:
        if _RESERVED.match(token):
            raise UnsupportedStatement(
                f"the placeholder {token} uses the reserved prefix _k; rename it",
                code="reserved-name",
            )
        if token[0] == numbered and token != "?" and not number_of(token):
            raise UnsupportedStatement(
                f"the placeholder {token:.9} has a number that no database takes",
                code="unsupported-construct",
            )
    indices, expected = _number(tokens, numbered)
    style = _style(tokens, numbered) or default
    adds = any(isinstance(slot, Bind) for slot in slots)
    if adds and _is_mixed(tokens, numbered):
        raise UnsupportedStatement(
            "placeholders of several kinds are mixed in a statement that gets values "
            "of a plugin; use one kind",
            code="unsupported-construct",
        )
    explicit = style == "?1" and adds
    spelled = [
        _spell_bind(style, binds.index(slot), expected)
        if isinstance(slot, Bind)
        else f"?{indices[slot] + 1}"
        if explicit and tokens[slot] == "?"
        else tokens[slot]
        for slot in slots
    ]
    final, count = _number(spelled, numbered)
    sources = list(range(count))
    for index, slot in zip(final, slots, strict=True):
        if isinstance(slot, Bind):
            sources[index] = -1 - binds.index(slot)
        else:
            sources[index] = indices[slot]
    names = tuple(f"_k{i}" for i in range(len(binds)))
    return spelled, Binding(style, expected, tuple(sources), names)


def _number(tokens: Sequence[str], numbered: str) -> tuple[list[int], int]:
    """The index that each placeholder binds, as databases count, but from 0."""
    names: dict[str, int] = {}
    indices: list[int] = []
    count = 0
    for token in tokens:
        if token == "?" or (token[0] == "%" and token[1] != "("):
            index = count
        elif token[0] == numbered:
            index = number_of(token) - 1
        else:
            index = names.setdefault(token, count)
        count = max(count, index + 1)
        indices.append(index)
    return indices, count


def _is_mixed(tokens: Sequence[str], numbered: str) -> bool:
    """Whether numbers stand among names, or among what a driver formats."""
    counted = any(token[0] == numbered and token != "?" for token in tokens)
    return counted and any(token[0] != numbered for token in tokens)


def _style(tokens: Sequence[str], numbered: str) -> Style | None:
    heads = {token[0] for token in tokens}
    if heads & (set(":@$") - {numbered}):
        return ":a"
    if any(token[0] == numbered and token != "?" for token in tokens):
        return "?1" if numbered == "?" else "$1"
    if "%" in heads:
        positional = any(token[0] == "%" and token[1] != "(" for token in tokens)
        return "%s" if positional else "%(a)s"
    return "?" if tokens else None


def _spell_bind(style: Style, number: int, expected: int) -> str:
    if style in ("?1", "$1"):
        return f"{style[0]}{expected + number + 1}"
    if style == ":a":
        return f":_k{number}"
    if style == "%(a)s":
        return f"%(_k{number})s"
    return style
