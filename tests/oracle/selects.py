"""Query blocks, set operations, common table expressions and sub-selects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from tests.oracle.schema import DOMAINS, DULL, Column
from tests.oracle.scope import Ref, Scope, Source
from tests.oracle.sources import Query, Sources

CTE_NAMES = ("recent", "x1", "Totals", "orders", "customers", "items", "tags", "q")


@dataclass(frozen=True)
class Ask:
    """What a query is for: `wants` are the domains of its columns, if given."""

    wants: tuple[str, ...] | None = None
    named: bool = False  # each column needs a name of its own
    top: bool = False
    tail: bool = False  # ORDER BY follows, which VALUES does not bear


@dataclass
class Selects(Sources):
    """Writes whole queries."""

    limit_forms: ClassVar[Mapping[str, float]] = {
        "LIMIT {count}": 4,
        "LIMIT {count} OFFSET {offset}": 1,
        "LIMIT {offset}, {count}": 1,
    }
    #: How a member of WITH is introduced.
    hints: ClassVar[Mapping[str, float]] = {
        " AS ": 6,
        " AS MATERIALIZED ": 1,
        " AS NOT MATERIALIZED ": 1,
    }
    orders: ClassVar[Sequence[str]] = (
        *("", "", " DESC", " ASC"),
        *(" DESC NULLS FIRST", " NULLS LAST"),
    )
    values_statements: ClassVar[float] = 0.02
    values_blocks: ClassVar[float] = 0.35  # VALUES as a query among others
    limits_by_query: ClassVar[bool] = True  # LIMIT (SELECT ...)
    nested_with: ClassVar[float] = 0.04  # WITH in a sub-select
    operators: ClassVar[Sequence[str]] = (
        *("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT"),
    )
    excepts_intersections: ClassVar[bool] = True  # a EXCEPT b INTERSECT c

    def statement(self) -> tuple[str, bool]:
        """A top-level query, and whether the order of its rows is total."""
        if self.draft.chance(self.values_statements):
            return self._values_statement(), True
        query = self.query(Scope(), Ask(top=True))
        return query.text, query.ordered

    def _values_statement(self) -> str:
        self.draft.mark("VALUES statement")
        rows = [f"({self.scalar(Scope(), 'money')}, {self.constant('status')})"]
        rows += [f"({self.constant('order')}, 'a ? b')"] * self.draft.pick((0, 1, 2))
        return f"VALUES {', '.join(rows)}"

    # what expressions and FROM clauses ask for

    def scalar(self, scope: Scope, domain: str) -> str:
        """A sub-select of one value, by the same rule in both databases."""
        self.draft.fuel -= 1
        form = self.draft.weighted({"aggregate": 4, "first": 2, "look-up": 2.5})
        if form == "look-up" and (text := self._look_up(scope, domain)):
            return text
        if form == "first" and self.draft.fuel > 0:
            query = self.query(scope.child(), Ask((domain,)), limit="1")
            return f"({query.text})"
        block = scope.child()
        source = self.from_clause(block, self._joins(block))
        item = self.aggregate(block, DOMAINS[domain])
        return f"(SELECT {item}{source}{self._where(block)})"

    def listing(self, scope: Scope, domains: Sequence[str]) -> str:
        self.draft.fuel -= 1
        return f"({self.query(scope.child(), Ask(tuple(domains))).text})"

    def derived(self, scope: Scope) -> Query:
        self.draft.fuel -= 1
        return self.query(Scope(scope.parent, scope.ctes), Ask(named=True))

    def _look_up(self, scope: Scope, domain: str) -> str | None:
        """One row of a table by its key, which is a column from outside."""
        pairs = [
            (table, ref)
            for table, (key, *more) in self.keys.items()
            for ref in scope.inner()
            if not more
            and table not in self.banned
            and ref.column.domain == self._column(table, key).domain
        ]
        if not pairs:
            return None
        table, ref = self.draft.pick(pairs)
        block = scope.child()
        alias = self._alias(block)
        if alias.lower() in scope.taken or len(ref.parts) == 1:
            return None
        self.draft.mark("look-up by key")
        text = self.base_name(block, table) + self._as(alias)
        block.sources.append(Source(alias, self.tables[table], table))
        found = self.find(block, DOMAINS[domain], domain=domain, own=True)
        shown = self.refer(found) if found else "1"
        key = self.draft.name(alias, self.keys[table][0])
        return f"(SELECT {shown} FROM {text} WHERE {key} = {self.refer(ref)})"

    # a query: WITH, blocks, ORDER BY, LIMIT

    def query(self, frame: Scope, ask: Ask, *, limit: str = "") -> Query:
        """A query of one or more blocks; `frame` holds what they see from outside."""
        prefix = ""
        often = 0.35 if ask.top else self.nested_with
        if self.draft.fuel > 0 and self.draft.chance(often):
            prefix, frame = self.with_clause(frame)
            if not ask.top:
                self.draft.mark("WITH in a sub-select")
        often = 0.45 if frame.parent is None else 0.12
        tail = bool(limit) or self.draft.chance(often)
        first = self._block(frame, replace(ask, tail=tail))
        text = first.text
        ask = Ask(tuple(column.domain for column in first.columns), tail=tail)
        compound = (
            bool(ask.wants) and len(first.columns) < 5 and self.draft.chance(0.15)
        )
        if compound:
            text += self._more_blocks(frame, ask)
        tail = tail and bool(first.columns)
        if tail:
            text += self._tail(frame, first, compound=compound, limit=limit)
        return Query(prefix + text, first.columns, first.rows, ordered=tail)

    def _more_blocks(self, frame: Scope, ask: Ask) -> str:
        text = ""
        operators: Sequence[str] = self.operators
        for _ in range(self.draft.pick((1, 1, 2))):
            operator = self.draft.pick(operators)
            self.draft.mark(operator)
            if operator.startswith("EXCEPT") and not self.excepts_intersections:
                operators = [o for o in operators if not o.startswith("INTERSECT")]
            text += f" {operator} {self._branch_of(frame, ask)}"
        return text

    def _branch_of(self, frame: Scope, ask: Ask) -> str:
        """One more block of a set operation."""
        return self._block(frame, ask).text

    def _tail(self, frame: Scope, first: Query, *, compound: bool, limit: str) -> str:
        """An ORDER BY that makes the order total, and maybe LIMIT."""
        width = len(first.columns)
        numbers = self.draft.rng.sample(range(1, width + 1), width)
        terms = [f"{number}{self.draft.pick(self.orders)}" for number in numbers]
        if not compound and first.block and self.draft.chance(0.3):
            terms.insert(0, self._sort_key(first.block))
        self.draft.mark("ORDER BY")
        text = f" ORDER BY {', '.join(terms)}"
        if limit or self.draft.chance(0.45):
            text += self._limit(frame, limit)
        return text

    def _sort_key(self, block: Scope) -> str:
        if self.draft.fuel > 0 and self.draft.chance(0.5):
            self.draft.mark("sub-select in ORDER BY")
            return f"{self.scalar(block, 'number')} DESC"
        ref = self.find(block, self.draft.pick(("int", "text")), own=True)
        return f"{self.refer(ref) if ref else '1 + 0'} COLLATE NOCASE"

    def _limit(self, frame: Scope, limit: str) -> str:
        self.draft.mark("LIMIT")
        count = limit or self.draft.bind(self.draft.pick((3, 5, 8, 20)))
        queried = self.limits_by_query and not limit and self.draft.fuel > 0
        if queried and self.draft.chance(0.25):
            self.draft.mark("sub-select in LIMIT")
            self.draft.fuel -= 1
            block = frame.apart()
            source = self.from_clause(block, 0)
            count = f"(SELECT count(*){source}{self._where(block)})"
        form = self.draft.weighted(self.limit_forms)
        offset = self.draft.bind(self.draft.pick((0, 1, 2)))
        return " " + form.format(count=count, offset=offset)

    # blocks

    def _block(self, frame: Scope, ask: Ask) -> Query:
        forms = {"plain": 5.0, "aggregate": 0.7, "grouped": 1.8, "window": 1.0}
        if ask.wants is not None:
            literals = bool(ask.wants) and not ask.named
            forms |= {"bare": 0.15} if literals else {}
            often = self.values_blocks
            forms |= {"values": often} if literals and not ask.tail else {}
        form = self.draft.weighted(forms)
        if form == "values" and ask.wants:
            self.draft.mark("VALUES in a query")
            return self._literals(ask.wants, "VALUES ({})")
        if form == "bare" and ask.wants:
            return self._literals(ask.wants, "SELECT {}")
        block = Scope(frame.parent, frame.ctes)
        around, self.windows = self.windows, []
        source = self.from_clause(block, self._joins(block))
        if form == "grouped":
            query = self._grouped(block, ask, source)
        else:
            query = self._ungrouped(block, ask, source, form=form)
        self.windows = around
        return query

    def _literals(self, wants: Sequence[str], form: str) -> Query:
        items = ", ".join(self.constant(domain) for domain in wants)
        columns = tuple(Column(f"column{n}", d) for n, d in enumerate(wants, 1))
        return Query(form.format(items), columns, rows=1)

    def _ungrouped(self, block: Scope, ask: Ask, source: str, *, form: str) -> Query:
        self.draft.mark(form)
        if form == "plain" and ask.wants is None and self.draft.chance(0.2):
            star = self._star(block, ask, source)
            if star:
                return star
        items, columns = self._items(block, ask, form)
        distinct = form == "plain" and self.draft.chance(0.15)
        if distinct:
            self.draft.mark("DISTINCT")
        text = f"SELECT {'DISTINCT ' * distinct}{items}{source}{self._where(block)}"
        if self.windows:
            text += f" WINDOW {', '.join(self.windows)}"
        rows = 1 if form == "aggregate" else min(block.rows, 60)
        simple = form != "aggregate" and not distinct
        return Query(text, columns, rows, block=block if simple else None)

    def _star(self, block: Scope, ask: Ask, source: str) -> Query | None:
        columns = block.star()
        star = "*"
        aliased = [s for s in block.sources if s.alias]
        if aliased and self.draft.chance(0.4):
            chosen = self.draft.pick(aliased)
            columns, star = chosen.columns, f"{self.draft.name(chosen.alias)}.*"
        names = {column.name.lower() for column in columns}
        if ask.named and len(names) < len(columns):
            return None
        self.draft.mark("star", *(("star of a table",) * (star != "*")))
        text = f"SELECT {star}{source}{self._where(block)}"
        return Query(text, columns, min(block.rows, 60))

    def _items(
        self, block: Scope, ask: Ask, form: str
    ) -> tuple[str, tuple[Column, ...]]:
        """The select list; without a wish, one to four columns of any kind."""
        if ask.wants == ():
            return self.draft.pick(("1", "*", "NULL")), ()
        wants = ask.wants or tuple(
            self.draft.weighted({"number": 5, "words": 3, "status": 2})
            for _ in range(self.draft.pick((1, 1, 2, 2, 3, 4)))
        )
        texts: list[str] = []
        columns: list[Column] = []
        for domain in wants:
            text, column = self._item_of(block, ask, form, domain=domain)
            named = column.name and all(column.name != c.name for c in columns)
            unnamed = (ask.named and not named) or self._needs_name(text)
            if unnamed or self.draft.chance(0.3):
                column = Column(self._fresh(columns), column.domain)
                how = self.draft.pick((" AS ", " AS ", " "))
                text += how + self.draft.name(column.name)
            texts.append(text)
            columns.append(column)
        return ", ".join(texts), tuple(columns)

    def _item_of(
        self, block: Scope, ask: Ask, form: str, *, domain: str
    ) -> tuple[str, Column]:
        kind = DOMAINS[domain]
        if form == "aggregate":
            return self.aggregate(block, kind), Column("", domain)
        if form == "window" and kind == "int" and self.draft.chance(0.6):
            return self.window(block), Column("", "number")
        ref = self.find(block, kind, domain=domain, own=not ask.top)
        if ref and self.draft.chance(0.6):
            return self.refer(ref), ref.column
        return self.value(block, kind, domain=domain), Column("", domain)

    def _needs_name(self, text: str) -> bool:
        """Whether a column of such a text is to have an alias."""
        return False

    def _fresh(self, columns: Sequence[Column]) -> str:
        names = {column.name.lower() for column in columns}
        pool = ("id", "order_id", "n", "Label", "x y", "total", "k", "select")
        free = [name for name in pool if name.lower() not in names]
        return self.draft.pick(free) if free else f"c{len(columns)}"

    # grouping

    def _grouped(self, block: Scope, ask: Ask, source: str) -> Query:
        self.draft.mark("GROUP BY")
        keys, shown = self._keys(block)
        items: list[str] = []
        columns: list[Column] = []
        wants = ask.wants
        if wants is None:
            wants = (*(domain for _, domain in keys), "number")
        for domain in wants:
            text = self._grouped_item(block, shown, keys, domain=domain)
            column = Column("", domain)
            if ask.named or self._needs_name(text) or self.draft.chance(0.2):
                column = Column(self._fresh(columns), domain)
                text += f" AS {self.draft.name(column.name)}"
            items.append(text)
            columns.append(column)
        text = f"SELECT {', '.join(items) or '1'}{source}{self._where(block)}"
        text += f" GROUP BY {self._groups([key for key, _ in keys])}"
        text += self._having(block, shown)
        return Query(text, tuple(columns), 8)

    def _keys(self, block: Scope) -> tuple[list[tuple[str, str]], Scope]:
        """What to group by, and the scope that the rest of the block sees."""
        keys: list[tuple[str, str]] = []
        refs: list[Ref] = []
        for _ in range(self.draft.pick((1, 1, 2))):
            ref = self.find(block, self.draft.pick(("int", "text")), own=True)
            if ref is None:
                continue
            text = self.refer(ref)
            if self.draft.chance(0.2):
                keys.append((self._measured(text), "number"))
            else:
                keys.append((text, ref.column.domain))
                refs.append(ref)
        shown = Scope(block.parent, block.ctes, bare=False, taken=block.taken)
        shown.sources = [
            Source(s.alias, self._determined(s, refs), merged=s.merged)
            for s in block.sources
            if s.alias
        ]
        return keys or [("1 + 0", "number")], shown

    def _measured(self, text: str) -> str:
        return f"length({text})"

    def _groups(self, keys: Sequence[str]) -> str:
        return ", ".join(keys)

    def _determined(self, source: Source, refs: Sequence[Ref]) -> tuple[Column, ...]:
        """The columns that have one value in each group."""
        own = [ref.column for ref in refs if ref.source == source]
        names = {column.name for column in own}
        if source.table and names >= set(self.keys[source.table]):
            self.draft.mark("GROUP BY primary key")
            return source.columns
        return tuple(own)

    def _grouped_item(
        self, block: Scope, shown: Scope, keys: list[tuple[str, str]], *, domain: str
    ) -> str:
        kind = DOMAINS[domain]
        fitting = [text for text, found in keys if found == domain]
        if fitting and self.draft.chance(0.6):
            return self.draft.pick(fitting)
        if self.draft.chance(0.3) and self.find(shown, kind, own=True):
            return self.value(shown, kind, 1)
        text = self.aggregate(block, kind)
        if kind == "int" and self.draft.chance(0.1):
            self.draft.mark("window over groups")
            return f"rank() OVER (ORDER BY {text})"
        return text

    def _having(self, block: Scope, shown: Scope) -> str:
        if not self.draft.chance(0.35):
            return ""
        self.draft.mark("HAVING")
        text = f"{self.aggregate(block)} {self.draft.pick(('>=', '<>', '<'))} "
        if self.draft.fuel > 0 and self.draft.chance(0.5):
            self.draft.mark("sub-select in HAVING")
            text += self.scalar(shown, "number")
        else:
            text += self.constant("count")
        if self.draft.chance(0.2):
            text += f" OR {self.condition(shown, 1)}"
        return f" HAVING {text}"

    # WHERE

    def _joins(self, block: Scope) -> int:
        if block.parent is None:
            return self.draft.pick((0, 0, 1, 1, 1, 2, 3))
        deep = block.parent.parent is not None
        return 0 if deep or self.draft.chance(0.65) else 1

    def _where(self, block: Scope) -> str:
        """WHERE, with what the sources demand and maybe a tie to the block outside."""
        parts = list(block.musts)
        if block.parent is not None and self.draft.chance(0.5):
            parts += self._ties(block)
        if not parts and self.draft.chance(0.45):
            return ""
        if self.draft.chance(0.55 if block.parent is None else 0.3):
            condition = self.condition(block)
            parts.append(f"({condition})" if parts else condition)
        if not parts:
            return ""
        self.draft.mark("WHERE")
        self.draft.rng.shuffle(parts)
        return f" WHERE {' AND '.join(parts)}"

    def _ties(self, block: Scope) -> list[str]:
        pairs = [
            (one, two)
            for one in block.inner()
            for two in block.outer()
            if one.column.domain == two.column.domain
            and one.column.domain not in (*DULL, "number", "words")
        ]
        if not pairs:
            return []
        self.draft.mark("correlated sub-select")
        one, two = self.draft.pick(pairs)
        return [f"{self.refer(one)} = {self.refer(two)}"]

    # common table expressions

    def with_clause(self, frame: Scope) -> tuple[str, Scope]:
        """`WITH ...`, and the frame in which its names mean what it says.

        SQLite lets the members of one WITH see each other both ways, so each body is
        written as if only the ones that are finished could be named.
        """
        names = self.draft.rng.sample(CTE_NAMES, self.draft.pick((1, 1, 1, 2, 3)))
        known = dict(frame.ctes) | {name.lower(): None for name in names}
        bodies: dict[str, str] = {}
        for name in self.draft.rng.sample(names, len(names)):
            self.draft.fuel += 1
            bodies[name], known[name.lower()] = self._member(name, Scope(ctes=known))
        if len(names) > 1:
            self.draft.mark("several CTEs")
        word = "WITH RECURSIVE" if self.draft.chance(0.2) else "WITH"
        text = ", ".join(f"{self.draft.name(name)}{bodies[name]}" for name in names)
        return f"{word} {text} ", Scope(frame.parent, known)

    def _member(self, name: str, frame: Scope) -> tuple[str, tuple[Column, ...]]:
        if self.draft.chance(0.2):
            return self._recursive(name, frame)
        return self._plain_member(name, frame)

    def _plain_member(self, name: str, frame: Scope) -> tuple[str, tuple[Column, ...]]:
        frame = Scope(ctes=dict(frame.ctes))
        query = self.query(frame, Ask(named=True))
        how = self.draft.weighted(self.hints)
        if how != " AS ":
            self.draft.mark("MATERIALIZED")
        if not self.draft.chance(0.3):
            return f"{how}({query.text})", query.columns
        self.draft.mark("CTE with a column list")
        columns = tuple(
            Column(f"{self.draft.pick('abc')}{n}", column.domain)
            for n, column in enumerate(query.columns)
        )
        names = ", ".join(self.draft.name(column.name) for column in columns)
        return f" ({names}){how}({query.text})", columns

    def _recursive(self, name: str, frame: Scope) -> tuple[str, tuple[Column, ...]]:
        """A recursion that ends: a count, a walk down a tree, or one up."""
        self.draft.mark("recursive CTE")
        itself, union = self.draft.name(name), self.draft.pick(("UNION", "UNION ALL"))
        if self.draft.chance(0.35) or "categories" in self.banned:
            return (
                f" (n) AS (SELECT 1 {union} SELECT n + 1 FROM {itself} WHERE n < "
                f"{self.draft.bind(6)})",
                (Column("n", "number"),),
            )
        self.draft.mark("walk over a tree")
        start, step = self.base_name(frame, "categories"), ""
        again = self.base_name(frame, "categories")
        up = self.draft.chance(0.4)
        roots = "id > 12" if up else "parent_id IS NULL"
        tie = "c.id = t.parent_id" if up else "c.parent_id = t.id"
        step = f"FROM {again} AS c JOIN {itself} AS t ON {tie} WHERE t.depth < 4"
        if self.draft.chance(0.4):
            step = f"FROM {itself} AS t, {again} AS c WHERE {tie} AND t.depth < 4"
        text = (
            f" (id, parent_id, label, depth) AS (SELECT id, parent_id, label, 0 "
            f"FROM {start} WHERE {roots} {union} "
            f"SELECT c.id, c.parent_id, c.label, t.depth + 1 {step})"
        )
        names = "id category, parent_id category, label label, depth number"
        pairs = [pair.split() for pair in names.split(", ")]
        return text, tuple(Column(column, domain) for column, domain in pairs)

    def _column(self, table: str, name: str) -> Column:
        return next(c for c in self.tables[table] if c.name == name)
