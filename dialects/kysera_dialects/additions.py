"""What an ALTER TABLE adds, told by its words, if it does nothing else."""

from collections.abc import Collection, Sequence

__all__ = ["added"]


def added(words: Sequence[str], begins: int, constraints: Collection[str]) -> str:
    """``add column``, ``add foreign key`` if there is one, or ``alter`` for all else.

    ``begins`` is the first ADD, ``constraints`` what it may be of, but a column.
    """
    kinds: set[str] = set()
    depth = 0
    for i, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if i == begins or (i > begins and word == "," and not depth):
            at = i if i == begins else i + 1
            kinds.add(_kind(tuple(words[at : at + 5]), constraints))
    return max(kinds, key=_ORDER.index, default="alter")


def _kind(words: tuple[str, ...], constraints: Collection[str]) -> str:
    said = words[1:]
    if words[:1] != ("ADD",) or not said:
        return "alter"
    if said[0] == "CONSTRAINT":
        said = said[1:] if said[1:2] == ("FOREIGN",) else said[2:]
    if said[:2] == ("FOREIGN", "KEY"):
        return "add foreign key"
    return "alter" if words[1] in constraints else "add column"


_ORDER = ("add column", "add foreign key", "alter")
