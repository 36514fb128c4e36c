"""(text, dialect, plugins, context) -> Plan. No I/O: the catalogue is given."""

import logging
from collections.abc import Sequence

from sqlglot import exp

from kysera_dbapi import _sqlglot, statement
from kysera_dbapi.catalogue import Catalogue, Table
from kysera_dbapi.dialect import Dialect
from kysera_dbapi.edits import Draft, Splice
from kysera_dbapi.errors import ProgrammingError, UnsupportedStatement
from kysera_dbapi.params import Bind, Slot, arrange
from kysera_dbapi.plan import Bounded, Piece, Plan, Program
from kysera_dbapi.plugin import Hook, Mode, Plugin, hooks, intercept
from kysera_dbapi.shape import Lexer, Shape
from kysera_dbapi.statement import Source

__all__ = ["Pipeline"]

_LOG = logging.getLogger("kysera_dbapi")
_SHALLOW = 12
_WATCHING: tuple[Hook, ...] = ("before_execute", "after_execute", "on_error")


class Pipeline:
    """Plans the statements of one catalogue, for one set of plugins."""

    def __init__(
        self,
        dialect: Dialect,
        plugins: Sequence[Plugin],
        catalogue: Catalogue,
        mode: Mode = "normal",
    ) -> None:
        self.dialect = dialect
        self.plugins = tuple(plugins)
        self.catalogue = catalogue
        self.mode: Mode = mode
        #: Plans by (text, scope, format style); read on the hot path.
        self.plans: Bounded[tuple[object, ...], Plan] = Bounded(4096)
        #: Texts to send by texts without literals, where nothing else is to be done.
        self.direct: Bounded[str, str] = Bounded(4096)
        self.shapes: Bounded[tuple[object, ...], Plan] = Bounded(2048)
        #: Plans of texts with literals: apart, since new ones may come without end.
        self.spelled: Bounded[tuple[object, ...], Plan] = Bounded(1024)
        self.lexers = (
            Lexer(dialect.lexical),
            Lexer(dialect.lexical, format_style=True),
        )
        self._watched = any(hooks(self.plugins, hook) for hook in _WATCHING)
        self._reads: dict[str, frozenset[str]] = {}

    def known(
        self, text: str, scope: frozenset[str], *, format_style: bool = False
    ) -> Plan | None:
        """The plan for a text with literals, if its shape has been planned."""
        if not self._active(scope):
            return None
        whole = (text, scope, format_style)
        again = self.spelled.items.get(whole)
        if again is not None:
            self._directly(again, text, scope, format_style=format_style)
            return again
        shape = self.lexers[format_style].shape(text)
        literals = tuple(x for x in shape.literals if x)
        key = (shape.key, scope, format_style)
        known = self.shapes.items.get(key) if literals else None
        if known is not None:
            known = self._pinned(known, key, literals)
        if known is None:
            return None
        plan = known.of(text, literals)
        self.spelled.put(whole, plan)
        return plan

    def plan(
        self, text: str, scope: frozenset[str], *, format_style: bool = False
    ) -> Plan:
        """The plan for a text of a new shape, kept for the next one.

        Raises ``UnsupportedStatement`` for what is refused.
        """
        lexer = self.lexers[format_style]
        active = self._active(scope)
        if not active:
            return self._unchanged(text, scope, lexer)
        shape = lexer.shape(text)
        literals = tuple(x for x in shape.literals if x)
        plan = self._made(text, active, lexer, shape)
        spelled = plan.of(text, literals)
        if not plan.keep:
            return spelled
        if not literals:
            self._keep(text, scope, spelled, format_style=format_style)
        else:
            self._keep_shape(plan, (shape.key, scope, format_style), literals)
        return spelled

    def _active(self, scope: frozenset[str]) -> list[Plugin]:
        return [p for p in self.plugins if f"bypass:{p.name}" not in scope]

    def _pinned(
        self, plan: Plan, key: tuple[object, ...], literals: Sequence[str]
    ) -> Plan | None:
        """The plan itself, or the one for these values of its pinned literals."""
        if not plan.pinned:
            return plan
        return self.shapes.items.get((*key, tuple(literals[i] for i in plan.pinned)))

    def _keep_shape(
        self, plan: Plan, key: tuple[object, ...], literals: Sequence[str]
    ) -> None:
        self.shapes.put(key, plan)
        if plan.pinned:
            self.shapes.put((*key, tuple(literals[i] for i in plan.pinned)), plan)

    def _unchanged(self, text: str, scope: frozenset[str], lexer: Lexer) -> Plan:
        source = statement.read(text, self.dialect, lexer)
        effect = source.rule.effect if source.rule else ""
        plan = Plan(text, source.kind, effect, source.words[:6])
        self._keep(text, scope, plan, format_style=lexer.format_style)
        return plan

    def _keep(
        self, text: str, scope: frozenset[str], plan: Plan, *, format_style: bool
    ) -> None:
        self.plans.put((text, scope, format_style), plan)
        self._directly(plan, text, scope, format_style=format_style)

    def _directly(
        self, plan: Plan, text: str, scope: frozenset[str], *, format_style: bool
    ) -> None:
        if plan.direct and not (scope or format_style or self._watched):
            self.direct.put(text, plan.sql)

    def _made(
        self, text: str, active: Sequence[Plugin], lexer: Lexer, shape: Shape
    ) -> Plan:
        source = statement.read(text, self.dialect, lexer)
        protected = frozenset(
            name for p in active for name in p.protected(self.catalogue)
        )
        planner = _Planner(self, source, active, protected)
        depth = _depth(source.words)

        def work() -> Plan:
            return planner.plan(shape)

        try:
            if depth > _sqlglot.MAX_DEPTH:
                raise UnsupportedStatement(
                    f"parentheses nest {depth} deep, at most {_sqlglot.MAX_DEPTH} are "
                    "understood; use WITH or a temporary table",
                    code="too-deep",
                )
            return work() if depth <= _SHALLOW else _sqlglot.on_deep_stack(work)
        except RecursionError:
            return _sqlglot.on_deep_stack(work)
        except UnsupportedStatement as error:
            if not protected or self.mode == "report":
                if protected:
                    _LOG.warning("would be refused: %s", error)
                effect = source.rule.effect if source.rule else ""
                return Plan(text, source.kind, effect, source.words[:6])
            raise

    def reads(self, table: Table) -> frozenset[str]:
        """The keys of the relations that a view reads, views within views too.

        Raises ``UnsupportedStatement`` (undeclared-view) for a view without a parse.
        """
        known = self._reads.get(table.key)
        if known is None:
            self._reads[table.key] = frozenset()
            known = self._reads[table.key] = self._read_view(table)
        return known

    def _read_view(self, table: Table) -> frozenset[str]:
        lexer = self.lexers[0]
        words = list(lexer.lex(table.text))
        at = next((t.end for t in words if t.text.upper() == "AS"), 0)
        body = statement.read(table.text[at:], self.dialect, lexer)
        parsed = statement.parse(body, self.dialect, self.catalogue, Draft)
        found = {r.table.key for r in parsed.references}
        for reference in parsed.references:
            if reference.table.kind == "view":
                found |= self.reads(reference.table)
        return frozenset(found)


class _Planner:
    """Plans one text."""

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source,
        active: Sequence[Plugin],
        protected: frozenset[str],
    ) -> None:
        self._pipeline = pipeline
        self._dialect = pipeline.dialect
        self._catalogue = pipeline.catalogue
        self._source = source
        self._active = active
        self._protected = protected
        self._names = {key.rpartition(".")[2] for key in protected}

    def plan(self, shape: Shape) -> Plan:
        source = self._source
        if source.several:
            if not self._protected:
                return Plan(source.text, source.kind)  # the driver's own error
            raise ProgrammingError(
                # the drivers' own words, which programs look for
                "You can only execute one statement at a time; use executescript()",
                code="multiple-statements",
            )
        if source.rule is None or not source.planned:
            return self._passed()
        self._check_functions()
        draft = statement.parse(source, self._dialect, self._catalogue, Draft)
        self._check_relations(draft)
        intercept(self._active, draft)
        draft.finish()
        return self._build(draft, shape)

    # -- what is not rewritten ----------------------------------------------------

    def _passed(self) -> Plan:
        source, rule = self._source, self._source.rule
        named = self._named()
        if rule is None:
            if source.words and "\x00" not in source.text:
                raise UnsupportedStatement(
                    f"{source.words[0]} is no statement that is understood; run it "
                    "under bypass() if it touches no protected table",
                    code="statement-kind",
                )
            if named:
                raise self._names_protected(named)
            return Plan(source.text, "unknown", keep=False)
        if rule.treatment == "refused":
            raise UnsupportedStatement(
                f"{' '.join(source.words[:2])} is refused: {rule.reason}",
                code="statement-kind",
            )
        if not rule.names_protected and named:
            raise self._names_protected(named)
        return Plan(source.text, rule.kind, rule.effect, source.words[:6])

    def _named(self) -> str:
        """A protected table that the text names, as a name or as a string."""
        for lexeme in self._source.lexemes:
            if lexeme.kind in ("word", "quoted", "string"):
                name = self._dialect.unquote(lexeme.text)
                folded = self._dialect.fold(name, quoted=name != lexeme.text)
                if folded in self._names or (
                    lexeme.kind == "string" and any(n in folded for n in self._names)
                ):
                    return folded
        return ""

    def _names_protected(self, name: str) -> UnsupportedStatement:
        what = self._source.rule.reason if self._source.rule else "it has no parse"
        return UnsupportedStatement(
            f"{' '.join(self._source.words[:2])} names the protected table {name}: "
            f"{what}; run it under bypass()",
            code="protected-ddl",
        )

    # -- what the statement may use -----------------------------------------------

    def _check_functions(self) -> None:
        words = self._source.words
        strict = self._pipeline.mode == "strict"
        lexemes = [
            t for t in self._source.lexemes if t.kind not in ("blank", "comment")
        ]
        for i, lexeme in enumerate(lexemes[:-1]):
            if words[i + 1 : i + 2] != ("(",) or lexeme.kind not in ("word", "quoted"):
                continue
            name = self._dialect.unquote(lexeme.text).lower()
            dangerous = name in self._dialect.dangerous_functions
            if name.startswith("pragma_"):
                rule = self._dialect.classify(("PRAGMA", name[7:].upper()))
                dangerous = rule is None or rule.treatment == "refused"
            known = name in self._catalogue.functions or not lexeme.text.isalnum()
            unknown = strict and not known and lexeme.text.upper() not in _CALLS
            if dangerous or (unknown and i and words[i - 1] not in _NAMING):
                raise UnsupportedStatement(
                    f"the function {name} is refused: it is not known to be safe",
                    code="dangerous-function",
                )

    def _check_relations(self, draft: Draft) -> None:
        for name in draft.unknown:
            if name.rpartition(".")[2] in self._dialect.dangerous_relations:
                raise _undeclared(name, "it shows stored rows past any filter")
        for reference in draft.references:
            table = reference.table
            if table.key in self._protected:
                continue
            if table.name in self._dialect.dangerous_relations:
                raise _undeclared(table.name, "it shows stored rows past any filter")
            if table.kind == "view" and self._pipeline.reads(table) & self._protected:
                raise _undeclared(table.name, "it reads a protected table")
            if table.kind in ("virtual", "shadow") and self._mentions(table):
                raise _undeclared(table.name, "it reads a protected table")
            if reference.role == "target":
                self._check_triggers(table)

    def _mentions(self, table: Table) -> bool:
        """Whether a virtual table's definition, or a shadow's name, tells of one."""
        if table.kind == "shadow":
            return any(table.name.startswith(f"{name}_") for name in self._names)
        lexer = self._pipeline.lexers[0]
        names = {
            self._dialect.fold(self._dialect.unquote(t.text), quoted=True)
            for t in lexer.lex(table.text)
        }
        return bool(names & self._names)

    def _check_triggers(self, table: Table) -> None:
        lexer = self._pipeline.lexers[0]
        for trigger in table.triggers:
            if trigger.event != self._source.kind.upper():
                continue
            names = {
                self._dialect.fold(self._dialect.unquote(t.text), quoted=True)
                for t in lexer.lex(trigger.text)
            }
            if names & self._names:
                raise UnsupportedStatement(
                    f"the trigger {trigger.name} of {table.name} touches a protected "
                    "table where nothing filters it; run the statement under bypass()",
                    code="undeclared-trigger",
                )

    # -- the plan -----------------------------------------------------------------

    def _build(self, draft: Draft, shape: Shape) -> Plan:
        source = self._source
        spans = shape.spans()
        foldable, pinned = _foldable(draft, spans)
        binds: list[Bind] = []
        program = image = None
        if draft.changed:
            program = self._program(draft, draft.splices, spans, binds)
        if draft.companions:
            image = self._program(draft, _image_splices(draft), spans, binds)
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
        self,
        draft: Draft,
        splices: Sequence[Splice],
        spans: Sequence[tuple[int, int]],
        binds: list[Bind],
    ) -> Program:
        """The final text in pieces, its placeholders and literals known."""
        marks: list[tuple[int, int, tuple[str, int]]] = [
            (start, end, ("literal", i)) for i, (start, end) in enumerate(spans)
        ]
        marks += [
            (t.start, t.end, ("slot", i))
            for i, t in enumerate(self._source.placeholders)
        ]
        found = _marked(draft.text, splices, sorted(marks))
        slots: list[Slot] = []
        for piece in found:
            if isinstance(piece, Bind):
                if piece not in binds:
                    binds.append(piece)
                slots.append(piece)
            elif isinstance(piece, tuple) and piece[0] == "slot":
                slots.append(piece[1])
        tokens = [t.text for t in self._source.placeholders]
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


#: Keywords that may stand before a parenthesis without being functions.
_CALLS = frozenset(
    "IN VALUES AND OR NOT ON USING AS FROM JOIN WHERE SELECT EXISTS OVER FILTER BY "
    "WHEN "
    "THEN ELSE LIMIT OFFSET UNION ALL EXCEPT INTERSECT SET DISTINCT HAVING CASE LIKE "
    "GLOB BETWEEN IS RETURNING CAST REPLACE MATERIALIZED CONFLICT".split()
)
_NAMING = ("INTO", "WITH", ",", "RECURSIVE", "AS", "TABLE")


def _depth(words: Sequence[str]) -> int:
    depth = deepest = 0
    for word in words:
        if word == "(":
            depth += 1
            deepest = max(deepest, depth)
        elif word == ")":
            depth -= 1
    return deepest


def _undeclared(name: str, why: str) -> UnsupportedStatement:
    return UnsupportedStatement(
        f"{name} is refused: {why}; declare it, or run the statement under bypass()",
        code="undeclared-view",
    )


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
    columns = ", ".join(
        f"{draft.quoted(target.exposed)}.{draft.quoted(c)}" for c in draft.image_columns
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


_Mark = tuple[str, int]


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
