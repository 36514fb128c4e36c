"""What an ALTER TABLE adds, if it does nothing else: its rules, and its words."""

from collections.abc import Collection, Sequence

from kysera_dbapi.dialect import Rule

__all__ = ["ADDITIONS", "added"]

ADDITIONS = (
    Rule(
        "add column",
        "`ALTER TABLE ... ADD [COLUMN]`, and nothing else",
        "passed",
        "changes no row; catalogue and plans are dropped",
        ("ALTER TABLE orders ADD COLUMN note text, ADD other integer",),
        effect="catalogue",
        refers=True,
    ),
    Rule(
        "add foreign key",
        "`ALTER TABLE ... ADD [CONSTRAINT ...] FOREIGN KEY`, with columns or alone",
        "passed",
        "refused if it names a protected table otherwise than after REFERENCES: its "
        "error would tell of hidden rows",
        (
            "ALTER TABLE log ADD CONSTRAINT o FOREIGN KEY (id) REFERENCES orders (id)",
            "ALTER TABLE log ADD k int, ADD FOREIGN KEY (k) REFERENCES orders (id)",
        ),
        effect="catalogue",
        names_protected=False,
        refers=True,
    ),
)


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
