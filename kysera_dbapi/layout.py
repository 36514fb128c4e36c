"""Where the clauses of a statement stand: query blocks and joins, by their tokens.

The tree says what a name means, the layout says where its WHERE and ON are. It is
read from the tokens alone, so that it is the database's own reading order; that the
edits made with it mean what they should is proved on the tree afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from kysera_dbapi._sqlglot import ParseError, Token, TokenType
from kysera_dbapi.merge import Clauses, clauses

__all__ = ["SET_OPERATORS", "Block", "Item", "Join", "Layout", "Side", "is_lone"]

Side = Literal["", "LEFT", "RIGHT", "FULL"]

_T = TokenType
#: What joins queries to a set operation.
SET_OPERATORS = (_T.UNION, _T.EXCEPT, _T.INTERSECT)
#: What may end a WHERE or a FROM in its block, by what follows it.
_SOFT = (_T.WINDOW, _T.LOCK, _T.WITH, _T.ON)
#: What ends them.
_TAIL = frozenset(
    (
        _T.GROUP_BY,
        _T.HAVING,
        _T.QUALIFY,
        _T.ORDER_BY,
        _T.LIMIT,
        _T.OFFSET,
        _T.FETCH,
        _T.FOR,
        _T.RETURNING,
        _T.SEMICOLON,
        *SET_OPERATORS,
    )
)
_SIDES = {_T.LEFT: "LEFT", _T.RIGHT: "RIGHT", _T.FULL: "FULL"}
_JOIN_WORDS = frozenset(
    (_T.JOIN, _T.LEFT, _T.RIGHT, _T.FULL, _T.INNER, _T.CROSS, _T.NATURAL, _T.OUTER)
)


@dataclass(slots=True)
class Join:
    """How an item is joined to all that stands left of it."""

    side: Side = ""
    comma: bool = False
    natural: bool = False
    cross: bool = False
    straight: bool = False
    using: bool = False
    #: The tokens of the condition (first, past the last), if there is an ON.
    on: tuple[int, int] | None = None
    #: The tokens of the join itself, as ``LEFT OUTER JOIN`` or a comma.
    words: tuple[int, int] = (0, 0)

    @property
    def conditional(self) -> bool:
        """Whether it has an ON or a USING."""
        return self.using or self.on is not None


@dataclass(slots=True)
class Item:
    """A table, function, sub-query or parenthesised join of a FROM clause."""

    start: int
    end: int
    join: Join | None = None
    #: The items of a parenthesised join.
    group: "list[Item] | None" = None
    #: Whether a parenthesised join has an alias of its own.
    aliased: bool = False
    #: Whether its parentheses are not written: ``(b JOIN c ON ..)`` in
    #: ``a JOIN b JOIN c ON .. ON ..``.
    nested: bool = False


def is_lone(items: Sequence[Item]) -> bool:
    """Whether the items in parentheses are one, however often parenthesised."""
    while len(items) == 1:
        if items[0].group is None:
            return True
        items = items[0].group
    return False


@dataclass(slots=True)
class Block:
    """A SELECT, UPDATE, DELETE or MERGE: the token that starts it and its parts.

    Ranges are token indices, the end excluded. ``tail`` is the token that a WHERE
    stands before, or stood if there were one.
    """

    start: int
    verb: Any
    end: int = 0
    source: int | None = None
    where: int | None = None
    tail: int = 0
    set: int | None = None
    #: The tokens of ``INTO @a, @b``.
    into: tuple[int, int] | None = None
    items: list[Item] = field(default_factory=list["Item"])
    merge: Clauses | None = None

    @property
    def condition(self) -> tuple[int, int] | None:
        """The tokens of the WHERE condition."""
        return None if self.where is None else (self.where + 1, self.tail)


class Layout:
    """The blocks of one statement.

    ``nests`` and ``crosses_on`` say how joins are read: whether a condition may be
    that of an earlier join than the last, and whether CROSS JOIN may have one.
    Raises ``ParseError`` for joins that are read in no certain way.
    """

    def __init__(
        self, tokens: Sequence[Token], *, nests: bool = False, crosses_on: bool = True
    ) -> None:
        self.tokens = tokens
        self.nests = nests
        self.crosses_on = crosses_on
        self.close = _matching(tokens)
        self.blocks: list[Block] = []
        self._owner: list[Block | None] = [None] * len(tokens)
        self._scan(0, len(tokens))
        self._starts = {token.start: i for i, token in enumerate(tokens)}

    def at(self, position: int) -> int | None:
        """The index of the token that starts at ``position`` of the text."""
        return self._starts.get(position)

    def block_of(self, index: int) -> Block | None:
        """The innermost block that holds the token."""
        return self._owner[index]

    def conflict(self, index: int, stop: int) -> int | None:
        """The token ON of ON CONFLICT between two tokens, outside of parentheses.

        Or that of ON DUPLICATE KEY.
        """
        while index < stop:
            words = [token.text.upper() for token in self.tokens[index : index + 3]]
            if words[:2] == ["ON", "CONFLICT"] or words == ["ON", "DUPLICATE", "KEY"]:
                return index
            index = self.close.get(index, index) + 1
        return None

    def joined(self, block: Block, index: int) -> list[tuple[list[Item], int]] | None:
        """The way from the block's FROM to the item that holds a token.

        A list of (items, position), outermost first; None if no item holds it.
        """
        way: list[tuple[list[Item], int]] = []
        items: list[Item] | None = block.items
        while items is not None:
            at = next(
                (k for k, i in enumerate(items) if i.start <= index < i.end), None
            )
            if at is None:
                return None
            way.append((items, at))
            items = items[at].group
        return way

    def _scan(self, start: int, end: int) -> None:
        """Find the blocks of one level of parentheses, and of those within."""
        block: Block | None = None
        stack: list[tuple[int, int]] = [(start, end)]
        while stack:
            start, end = stack.pop()
            block = None
            i = start
            while i < end:
                token = self.tokens[i].token_type
                if self._begins_block(i, block):
                    self._finish(block, i)
                    block = Block(i, token, tail=end, end=end)
                    self.blocks.append(block)
                elif block is not None:
                    self._note(block, i)
                if token in SET_OPERATORS:
                    self._finish(block, i)
                    block = None
                if block is not None:
                    self._owner[i] = block
                if token is _T.L_PAREN and i in self.close:
                    inner = self.close[i]
                    for k in range(i, inner + 1):
                        self._owner[k] = self._owner[i]
                    stack.append((i + 1, inner))
                    i = inner
                i += 1
            self._finish(block, end)

    def _begins_block(self, i: int, block: Block | None) -> bool:
        token = self.tokens[i].token_type
        if token is _T.SELECT:
            return True
        if token not in (_T.UPDATE, _T.DELETE, _T.MERGE) or block is not None:
            return False
        before = self.tokens[i - 1] if i else None
        return before is None or before.text.upper() not in ("DO", "FOR", "ON", "KEY")

    def _note(self, block: Block, i: int) -> None:
        """Take down the clause that token ``i`` begins in its own block."""
        token = self.tokens[i]
        kind = token.token_type
        if kind is _T.INTO and self._kind(i + 1) is _T.PARAMETER:
            self._note_into(block, i)
        if block.tail < block.end or block.verb is _T.MERGE:
            return
        if kind is _T.FROM and block.source is None:
            if self.tokens[i - 1].token_type is not _T.DISTINCT:
                block.source = i
        elif kind is _T.SET and block.set is None:
            block.set = i
        elif kind is _T.WHERE and block.where is None:
            block.where = i
        elif kind in _TAIL or self._is_soft_tail(i):
            block.tail = i

    def _note_into(self, block: Block, i: int) -> None:
        """INTO and variables: before FROM, or at the end."""
        end = i
        while end == i or self._kind(end) is _T.COMMA:
            if self._kind(end + 1) is not _T.PARAMETER:
                return
            end += 3
            while self._kind(end) is _T.DOT:  # @a.b
                end += 2
        block.into = i, end
        if self._kind(end) is not _T.FROM:
            block.tail = min(block.tail, i)

    def _kind(self, i: int) -> Any:
        return self.tokens[i].token_type if i < len(self.tokens) else None

    def _is_soft_tail(self, i: int) -> bool:
        """WINDOW, ON CONFLICT, WITH NO DATA, LOCK IN: they may be something else."""
        kind = self._kind(i)
        if kind not in _SOFT:
            return False
        if kind is _T.WINDOW:
            return self._kind(i + 2) is _T.ALIAS
        if kind is _T.LOCK:  # a column's name elsewhere than in MySQL
            return self._kind(i + 1) is _T.IN
        words = [t.text.upper() for t in self.tokens[i + 1 : i + 3]]
        if kind is _T.WITH:
            return words[:1] == ["DATA"] or words == ["NO", "DATA"]
        target = words[:1] == ["CONFLICT"] and words[1:] in (["("], ["DO"], ["ON"])
        return target or words == ["DUPLICATE", "KEY"]

    def _finish(self, block: Block | None, end: int) -> None:
        if block is None or block.items:
            return
        block.end = end
        block.tail = min(block.tail, end)
        if block.source is not None:
            stop = block.tail if block.where is None else block.where
            block.items = _Items(self, block.source + 1, stop).read()
        elif block.verb is _T.UPDATE and block.set is not None:
            block.items = _Items(self, block.start + 1, block.set).read()
        elif block.verb is _T.MERGE:
            block.merge = clauses(self.tokens, self.close, block.start, block.end)
            block.items = _merged(block.merge) if block.merge else []


def _merged(merge: Clauses) -> list[Item]:
    """The source of a MERGE, and its target as what is joined to it by LEFT JOIN."""
    joined = Join("LEFT", on=merge.on)
    return [Item(*merge.source), Item(*merge.target, join=joined)]


class _Items:
    """Reads the items of a FROM clause; joins associate to the left."""

    def __init__(self, layout: Layout, start: int, end: int) -> None:
        self._tokens = layout.tokens
        self._close = layout.close
        self._layout = layout
        self._at = start
        self._end = end

    def read(self) -> list[Item]:
        items: list[Item] = []
        join: Join | None = None
        while self._at < self._end:
            items.append(self._item(join))
            self._conditions(items)
            if self._at >= self._end:
                break
            join = self._join()
        sides = (i.join for i in items if i.join and i.join.side and not i.join.natural)
        if self._layout.nests and not all(join.conditional for join in sides):
            raise ParseError("an outer join without its condition")
        return items

    def _kind(self) -> Any:
        return self._tokens[self._at].token_type

    def _item(self, join: Join | None) -> Item:
        start = self._at
        group = None
        if self._kind() is _T.L_PAREN and start in self._close:
            group = self._group(start)
            self._at = self._close[start] + 1
        after = self._at
        while self._at < self._end and not self._ends_item():
            self._at = self._close.get(self._at, self._at) + 1
        return Item(start, self._at, join, group, aliased=self._at > after)

    def _group(self, start: int) -> list[Item] | None:
        """The items in parentheses, unless they hold a query."""
        inner, end = start + 1, self._close[start]
        if self._holds_query(inner, end):
            return None
        return _Items(self._layout, inner, end).read()

    def _holds_query(self, start: int, end: int) -> bool:
        first = self._tokens[start].token_type
        if first in (_T.SELECT, _T.WITH, _T.VALUES):
            return True
        if first is not _T.L_PAREN or start not in self._close:
            return False
        after = self._close[start] + 1
        if after == end:
            return self._holds_query(start + 1, after - 1)
        return self._tokens[after].token_type in (*SET_OPERATORS, *_TAIL)

    def _ends_item(self) -> bool:
        kind = self._kind()
        return kind in (_T.COMMA, _T.ON, _T.USING) or kind in _JOIN_WORDS

    def _conditions(self, items: list[Item]) -> None:
        """What follows an item: the condition of the last join, or of earlier ones."""
        while self._at < self._end and self._kind() in (_T.ON, _T.USING):
            at = self._wanting(items)
            if at is None:
                return
            if at < len(items) - 1:
                items[at:] = [self._nested(items[at:])]
            join = items[at].join
            assert join is not None
            self._condition(join)

    def _wanting(self, items: Sequence[Item]) -> int | None:
        """The last item whose join may have a condition, and has none."""
        if not self._layout.nests:
            last = items[-1].join
            return None if last is None or last.conditional else len(items) - 1
        for at in range(len(items) - 1, -1, -1):
            join = items[at].join
            if join is None or join.comma:
                break
            bare = join.natural or (join.cross and not self._layout.crosses_on)
            if not (bare or join.conditional):
                return at
        return None

    def _nested(self, items: list[Item]) -> Item:
        """The items from one on, which a later condition joins to what is before."""
        if any(i.join and i.join.straight and not i.join.conditional for i in items):
            raise ParseError("STRAIGHT_JOIN among joins that nest")
        join, items[0].join = items[0].join, None
        return Item(items[0].start, self._at, join, items, nested=True)

    def _condition(self, join: Join) -> None:
        if self._kind() is _T.USING:
            join.using = True
            self._at = self._close.get(self._at + 1, self._at) + 1
            return
        start = self._at + 1
        self._at = start
        while self._at < self._end and not self._ends_item():
            self._at = self._close.get(self._at, self._at) + 1
        join.on = (start, self._at)

    def _join(self) -> Join:
        join = Join()
        start = self._at
        while self._at < self._end:
            kind = self._kind()
            self._at += 1
            if kind in (_T.COMMA, _T.USING):  # DELETE FROM a USING b
                join.comma = True
                break
            if kind in _SIDES:
                join.side = _SIDES[kind]  # type: ignore[assignment]
            elif kind is _T.NATURAL:
                join.natural = True
            elif kind is _T.CROSS:
                join.cross = True
            elif kind is _T.JOIN:
                join.straight = self._tokens[self._at - 1].text == "STRAIGHT_JOIN"
                break
        join.words = (start, self._at)
        return join


def _matching(tokens: Sequence[Token]) -> dict[int, int]:
    """The closing parenthesis of each opening one."""
    close: dict[int, int] = {}
    stack: list[int] = []
    for i, token in enumerate(tokens):
        if token.token_type is _T.L_PAREN:
            stack.append(i)
        elif token.token_type is _T.R_PAREN and stack:
            close[stack.pop()] = i
    return close
