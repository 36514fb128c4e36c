"""What differs from database to database: lexing, names, capabilities, statements.

A dialect is a subclass that sets flags and overrides methods; nothing else in the
engine asks which database it is talking to.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kysera_dbapi.rule import Rule, Treatment

if TYPE_CHECKING:
    from datetime import datetime

    from kysera_dbapi.catalogue import Catalogue, Column, Function, Table, UniqueKey
    from kysera_dbapi.shape import Lexeme

__all__ = ["Dialect", "Execute", "Lexical", "Rule", "Style", "Treatment"]

#: qmark, numbered, named (``:a``, ``@a``, ``$a``), format, pyformat, PostgreSQL's own.
Style = Literal["?", "?1", ":a", "%s", "%(a)s", "$1"]

#: Runs a query of ours on the raw connection and returns its rows.
Execute = Callable[..., Sequence[Sequence[object]]]


@dataclass(frozen=True, slots=True)
class Lexical:
    """The tokens of a database, as regular expressions without capturing groups."""

    blank: str
    comment: str
    string: str
    blob: str
    quoted: str
    number: str
    placeholder: str
    word: str
    #: What a driver that formats its texts takes for a placeholder; ``%%`` is none.
    format: str = r"%[s%]|%\([^)]*\)s"
    #: What stands before the number of a placeholder that has one.
    numbered: str = "?"
    #: The beginning of a string that ends as it begins: ``$tag$``. Nothing in a text
    #: with one is folded.
    dollar: str = ""
    #: The beginning of a comment whose text is executed, up to the next ``*/``.
    executed: str = ""
    #: The beginning of a token that has no end; a text with one is no statement.
    broken: str = ""


class Dialect:
    """A database's rules. Subclass it, and name the class in ``kysera.dialects``."""

    name: ClassVar[str]
    #: The name of the grammar in sqlglot.
    grammar: ClassVar[str]
    #: The PEP 249 module used when a URL names none.
    driver: ClassVar[str]
    lexical: Lexical
    #: What sqlglot's tokenizer is to know of a session: names and values.
    grammar_settings: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: What tells one dialect of a class from another: they are values.
    settings: tuple[Hashable, ...] = ()
    #: How a value of ours is called for in a text without placeholders: in one that
    #: is sent as it is, in one that the driver formats, in one that it never does.
    styles: ClassVar[tuple[Style, Style, Style]] = ("?", "?", "?")
    #: Words that cannot stand bare as a name.
    keywords: ClassVar[frozenset[str]]
    #: Words that are a name or a keyword by where they stand; ``_sqlglot`` knows the
    #: places of all that sqlglot takes for keywords.
    placed: ClassVar[frozenset[str]] = frozenset()
    #: Whether a table may have a stamp of its own, by ``table_stamps``.
    stamps_tables: ClassVar[bool] = False
    #: Functions that run SQL, read files or read past any filter.
    dangerous_functions: ClassVar[frozenset[str]] = frozenset()
    #: Functions known to read nothing; strict mode refuses all others.
    known_functions: ClassVar[frozenset[str]] = frozenset()
    #: Those of the database itself are known, the dangerous apart.
    knows_own: ClassVar[bool] = False
    #: Known functions of several rows that the parser takes for those of one.
    aggregates: ClassVar[frozenset[str]] = frozenset()
    #: The languages of functions whose texts are lexed as statements are.
    languages: ClassVar[frozenset[str]] = frozenset()
    #: Functions that give the same if they are evaluated once more in a statement.
    steady_functions: ClassVar[frozenset[str]] = frozenset()
    #: Whether an UPDATE is told the rows that it changes, and not all that it finds.
    counts_changes: bool = False
    #: Operators that call a function of that name.
    operator_functions: ClassVar[Mapping[str, str]] = {}
    #: Relations that tell of the number or size of stored rows, refused in strict mode.
    statistics: ClassVar[frozenset[str]] = frozenset()
    #: EXPLAIN tells how many rows there are: strict mode refuses it.
    explains_rows: ClassVar[bool] = False
    #: Words with which EXPLAIN shows values that are read before they are filtered.
    explains_values: ClassVar[frozenset[str]] = frozenset()
    #: Modules of virtual tables that read nothing but what their definition names.
    modules: ClassVar[frozenset[str]] = frozenset()
    #: ``x IN name`` reads the table of that name.
    in_reads_table: ClassVar[bool] = False
    #: A type may be any number of names: ``VARYING CHARACTER(9)``.
    types_of_words: ClassVar[bool] = True
    #: What sqlglot may say of a table, and of the things FROM and JOIN name.
    table_parts: ClassVar[frozenset[str]] = frozenset()
    join_kinds: ClassVar[frozenset[str]] = frozenset(("", "INNER", "CROSS", "OUTER"))
    #: UPDATE and DELETE may be of several tables: ``DELETE a, b FROM``.
    writes_several: ClassVar[bool] = False
    #: Where ``equals_exactly`` names no types, values that differ may be equal.
    equals_loosely: ClassVar[bool] = False
    #: A sub-query or a call in FROM may be LATERAL.
    laterals: ClassVar[bool] = False
    #: A comma binds looser than JOIN (SQL), not equally (SQLite).
    comma_binds_looser: ClassVar[bool] = True
    #: The columns of MATCH .. AGAINST may stand without parentheses.
    matches_columns: ClassVar[bool] = False
    #: CROSS JOIN may have an ON.
    crosses_on: ClassVar[bool] = False
    #: An INSERT may say ON CONFLICT DO UPDATE ... WHERE: what it does can be made to
    #: depend on the row it meets.
    says_on_conflict: ClassVar[bool] = True
    #: Sub-selects in the VALUES of a query lose conditions.
    values_lose_conditions: ClassVar[bool] = False
    #: In RETURNING of the rows of a set operation, a sub-select within another finds no
    #: column from outside.
    returning_loses_columns: ClassVar[bool] = False
    #: ``(t AS a)`` exposes t where it does not come first.
    forgets_aliases: ClassVar[bool] = False
    #: ON CONFLICT DO UPDATE may leave out the key that rows meet by.
    upserts_by_any_key: ClassVar[bool] = True
    #: A common table expression sees those of an outer WITH, wherever it stands.
    ctes_see_outer: ClassVar[bool] = True
    #: An ON after a query may be taken for that of a join.
    joins_without_on: ClassVar[bool] = False
    #: A common table expression may be a write.
    writes_in_with: ClassVar[bool] = False
    #: ``VALUE`` may stand for the VALUES of an INSERT.
    inserts_value: ClassVar[bool] = False
    #: ``TABLE t`` is a query.
    has_table_queries: ClassVar[bool] = False
    #: What ends a query whose rows are about to be written: others have to wait.
    locking: ClassVar[str] = ""
    #: FOR UPDATE locks the rows that a derived table reads, too.
    locks_derived: ClassVar[bool] = True
    #: A row to be inserted may have fewer values than the table has columns.
    rows_end_early: ClassVar[bool] = False
    #: An error ends a transaction: its COMMIT is a ROLLBACK.
    commit_may_undo: ClassVar[bool] = False
    #: A FULL join may have any condition.
    filters_full_joins: ClassVar[bool] = True
    #: A relation may be joined with a row of no columns: ``t JOIN (SELECT) AS k``.
    joins_nothing: ClassVar[bool] = False
    #: Or with one of one column, where no derived table would do.
    joins_one: ClassVar[bool] = False
    #: No row is found by NOT EXISTS of a column that USING has merged.
    using_loses_exists: ClassVar[bool] = False
    #: A RIGHT or FULL join in a branch of a set operation spoils the WHERE of another.
    outer_join_spoils_union: ClassVar[bool] = False
    #: Where a primary key is grouped by, the other columns of its table may stand bare.
    groups_by_key: ClassVar[bool] = False
    #: What keeps all that is outside of a derived table behind its WHERE, if anything.
    barrier: ClassVar[str] = ""
    #: A column without an alias is named by its text.
    names_columns_by_text: ClassVar[bool] = False
    #: But in the first column it begins after the comma, with the comments there.
    headings_from_comma: ClassVar[bool] = False
    #: Such a name goes on to the next token: a comment before that belongs to it.
    headings_to_next: ClassVar[bool] = False
    #: A string is called by what it says.
    headings_of_strings: ClassVar[bool] = False
    #: A column has its table's case in a derived table, else that of the statement.
    derived_names_are_of_table: ClassVar[bool] = False
    #: Where texts are no names: what an operator, or a constant, is called.
    unnamed: ClassVar[str] = ""
    #: A write changes each row as it comes, so that its sub-selects see it half done.
    changes_as_it_reads: ClassVar[bool] = False
    #: An UPDATE or DELETE may read its target in a sub-select.
    reads_targets: ClassVar[bool] = True
    #: A trigger may change the row that is about to be written.
    triggers_change_rows: ClassVar[bool] = False
    #: DELETE says PARTITION after an alias, UPDATE before it.
    partitions_follow_alias: ClassVar[bool] = False
    #: The kinds of writes that may have a RETURNING.
    returning: ClassVar[frozenset[str]] = frozenset(("insert", "update", "delete"))
    #: RETURNING calls the columns by the table's own name, not by its alias.
    returning_names_table: ClassVar[bool] = False
    #: In RETURNING they have the types and collations that they have in a query.
    returning_is_typed: ClassVar[bool] = True
    #: What RETURNING may call the row before a write, and after it.
    row_images: ClassVar[tuple[str, ...]] = ()
    #: Rows are checked in SET, which may set a column twice, and in VALUES.
    checks_in_place: ClassVar[bool] = False
    #: A placeholder may have a number: ``?2`` is the second value wherever it stands.
    numbers_placeholders: ClassVar[bool] = False
    #: Its drivers refuse a text that holds a NUL, with an error of their own.
    refuses_nul: ClassVar[bool] = False
    #: Its own relations may be written to, as far as it lets that happen.
    writes_own: ClassVar[bool] = False
    #: Relations that show stored rows whatever the filter.
    dangerous_relations: ClassVar[frozenset[str]] = frozenset()
    #: Names of row identifiers that a derived table loses.
    row_identifiers: ClassVar[frozenset[str]] = frozenset()
    #: Drivers tell the row inserted last by its ``row_number``.
    tells_rows: ClassVar[bool] = False
    #: Functions that tell the number of the row inserted last.
    row_functions: ClassVar[frozenset[str]] = frozenset()
    #: Why a text of several statements is refused, in words that programs look for.
    several: ClassVar[str] = "You can only execute one statement at a time"
    #: The rows of docs/statements.md.
    rules: ClassVar[tuple[Rule, ...]] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Dialect):
            return NotImplemented
        return type(self) is type(other) and self.settings == other.settings

    def __hash__(self) -> int:
        return hash((type(self), self.settings))

    def of_server(
        self, version: str, mode: str, lower_case: int, **session: bool
    ) -> "Dialect":
        """The dialect of a server of that version, in the modes of a session."""
        return self

    @property
    def mark(self) -> str:
        """How SQL of ours calls for a value, in the order of the values."""
        return self.styles[0]

    def fold(self, name: str, *, quoted: bool) -> str:
        """The name as the catalogue knows it."""
        raise NotImplementedError

    def fold_relation(self, name: str, *, quoted: bool) -> str:
        """The same for that of a relation, an alias or a schema."""
        return self.fold(name, quoted=quoted)

    def fold_cte(self, name: str) -> str:
        """The same for that of a common table expression, given as of a relation."""
        return name

    def unquote(self, token: str) -> str:
        """The name that a bare or quoted identifier token spells."""
        raise NotImplementedError

    def stand_ins(self, lexemes: "Sequence[Lexeme]") -> Mapping[int, str]:
        """What the parser is to read in the place of tokens, by their positions.

        Each is as long as its token; those that are empty belong to the token before.
        None of them may name, or hide, a relation that the statement uses.
        """
        return {}

    def advice(self, words: Sequence[str]) -> str:
        """What to mend in a statement of these words that has no parse, if known."""
        return ""

    def quote(self, name: str) -> str:
        """``name`` as a quoted identifier."""
        return '"' + name.replace('"', '""') + '"'

    def literal(self, value: str) -> str:
        """``value`` as a string literal."""
        return "'" + value.replace("'", "''") + "'"

    def typed(self, constant: str, type_: str) -> str:
        """``constant`` as the value of a column declared with that type compares."""
        return constant

    def flags(self, type_: str) -> tuple[str, str]:
        """What a flag of that type is where it is not set, and where it is."""
        return "0", "1"

    def holds_moment(self, type_: str) -> bool:
        """Whether a column declared with that type takes a moment; what is not sure."""
        return True

    def holds_flag(self, type_: str) -> bool:
        """Whether a column declared with that type takes 0 and 1, or true and false."""
        return not any(text in type_.upper() for text in ("CHAR", "CLOB", "TEXT"))

    def projected(self, type_: str) -> tuple[str, str]:
        """What stands round a value that a query, not VALUES, puts in such a column."""
        return "", ""

    def row_key(self, table: "Table") -> Sequence[str]:
        """The columns that tell the rows of a table apart; none if nothing does."""
        return table.primary_key

    def comparisons(self, type_: str) -> Sequence[tuple[str, str, str]]:
        """What stands round a column of a type and a value that is to be stored in it.

        All of it is true of a value that changes nothing; empty if that is not known.
        """
        return ()

    def stored(self, column: "Column") -> tuple[Sequence[str], Sequence[str]] | None:
        """What stands round a value: as the column holds it; and that it does so as is.

        The value comes between each two. None where that cannot be said.
        """
        return None

    def column(self, table: "Table", name: str) -> str:
        """The (folded) column that a (folded) name means; the rowid has many names."""
        if name in self.row_identifiers and table.row_column and not table.column(name):
            return self.fold(table.row_column, quoted=True)
        return name

    def row_number(self, table: "Table") -> str:
        """The column whose value drivers tell as ``lastrowid``; empty if none is."""
        return ""

    def tell(self, value: str) -> str:
        """The expression that tells the session a value of a row; it is 1."""
        raise NotImplementedError

    def indexes(
        self, execute: Execute, table: "Table"
    ) -> Sequence[tuple[str, tuple[str, ...]]]:
        """The indexes of a table over all of its rows, by name, and their columns."""
        raise NotImplementedError

    def index_name(self, table: "Table", name: str) -> str:
        """What CREATE INDEX calls an index: it is in its table's schema."""
        return self.quote(name)

    def create_index(self, table: "Table", name: str, columns: Sequence[str]) -> str:
        """The statement that makes an index of a table."""
        names = ", ".join(map(self.quote, columns))
        on = f"{self.quote(table.schema)}.{self.quote(table.name)}"
        return f"CREATE INDEX {self.index_name(table, name)} ON {on} ({names})"

    def narrowed(self, table: "Table", key: "UniqueKey", condition: str) -> str:
        """What lets a unique key be one of the rows with a condition alone."""
        if key.text and not key.partial:
            text = key.text.rstrip().rstrip(";")
            return f"DROP INDEX {self.quote(key.name)}; {text} WHERE {condition}"
        if not all(key.columns):
            named = self.quote(key.name)
            return f"say {condition} in the WHERE of the index {named}"
        name = "_".join((table.name, *key.columns, "live"))
        columns = ", ".join(map(self.quote, key.columns))
        instead = "" if key.partial else ", in place of the table's own constraint"
        return (
            f"CREATE UNIQUE INDEX {self.quote(name)} ON {self.quote(table.name)} "
            f"({columns}) WHERE {condition}{instead}"
        )

    def in_list(self, *, negated: bool = False) -> tuple[str, str]:
        """``IN (a list)``, or ``NOT IN``, of a list that is bound as one value.

        It is what stands before its one placeholder, and what after.
        """
        raise NotImplementedError

    def one_of(self, columns: Sequence[str], types: Sequence[str]) -> tuple[str, str]:
        """The condition that columns (as spelled) are a row of a list that is bound.

        It is what stands before its one placeholder, and what after; ``types`` are
        those that the columns are declared with.
        """
        raise NotImplementedError

    def listed(self, rows: Sequence[Sequence[object]]) -> object:
        """What to bind for a list of rows.

        Raises ``DataError`` (unsupported-key) for a value that cannot be in one.
        """
        raise NotImplementedError

    def check(self, label: str) -> tuple[str, str]:
        """What makes a condition an expression that fails unless it is true.

        It is what stands before the condition, and what after. The expression is 1.
        """
        raise NotImplementedError

    def equals_exactly(self, type_: str) -> tuple[type, ...]:
        """The types of values that equal a column of that type if they are the same.

        None if any does; where there are some, collations may have others be equal.
        """
        return ()

    def fitting(self, column: "Column") -> Callable[[Any], bool] | None:
        """Tells of values of those types whether a column would hold another instead.

        It is true of one that is held as it is; None where all that differs fails.
        """
        return None

    def is_kept_apart(self, type_: str) -> bool:
        """Whether an assignment to a column of a type changes what VALUES() gives."""
        return False

    def same(self) -> tuple[str, str, str]:
        """What makes of two values a condition that they are the same, and no less.

        It is what stands before the one, between them, and after the other.
        """
        raise NotImplementedError

    def is_plain(self, declared: str) -> bool:
        """Whether no driver converts values because of the declared type."""
        return True

    def unconverted(self, column: str) -> str:
        """A column (as spelled) whose values no driver converts by its type."""
        return column

    def timestamp(self, moment: "datetime") -> object:
        """What to bind for a moment, given with its time zone."""
        return moment

    def instant(self, value: str) -> str:
        """The SQL of the point in time that a stored value tells; NULL if none."""
        return value

    def violates(self, error: BaseException, table: "Table", key: "UniqueKey") -> bool:
        """Whether it was that unique key of that table which failed."""
        return False

    def meets_twice(self, error: BaseException) -> bool:
        """Whether an upsert failed because two of its rows meet one."""
        return False

    def visible_ctes(
        self, names: Sequence[str], position: int, *, recursive: bool
    ) -> Iterable[str]:
        """The names of a WITH that the body at ``position`` sees.

        ``position == len(names)`` is the statement after the WITH.
        """
        raise NotImplementedError

    def classify(self, words: Sequence[str]) -> Rule | None:
        """The rule for a statement of these ``words`` (upper case), None if unknown."""
        raise NotImplementedError

    def is_dangerous(self, name: str) -> bool:
        """Whether a (folded) function or relation goes round any filter."""
        return name in self.dangerous_functions or name in self.dangerous_relations

    def tells_of_rows(self, words: Sequence[str]) -> bool:
        """Whether a statement that names no function or relation tells of their number.

        Strict mode refuses it.
        """
        return False

    def keeping(self, words: Sequence[str]) -> str:
        """What of a statement keeps values, to be asked for later; "" for nothing.

        A condition may be tried on hidden rows: strict mode refuses it.
        """
        return ""

    def temporary_names(
        self, lexemes: "Sequence[Lexeme]"
    ) -> Sequence[tuple[Sequence[str], Sequence[str]]]:
        """The (folded) names that temporary tables get, each after that it had.

        Where they stand in the place of a table of that name, however it is qualified.
        """
        return ()

    def knows(self, name: str) -> bool:
        """Whether a (folded) function shows nothing but what it is given."""
        return name in self.known_functions

    def is_plain_routine(self, routine: "Function") -> bool:
        """Whether a function uses nothing but what the catalogue or its text tells."""
        return False

    def changes_names(self, code: str) -> bool:
        """Whether the text of a function has names mean other tables from then on."""
        return False

    def view_path(self, schema: str, path: Sequence[str]) -> Sequence[str]:
        """The schemas in which a view of ``schema`` finds bare names."""
        return path

    def definition(self, execute: Execute, view: "Table") -> str:
        """The text of the statement that makes a view."""
        return view.text

    def policy_path(self, catalogue: "Catalogue", schema: str) -> Sequence[str]:
        """Those in which a policy of a table of ``schema`` finds bare names."""
        return self.view_path(schema, catalogue.path)

    def operator(self, symbol: str) -> str:
        """An operator of the database's own, which no other can take the place of."""
        return symbol

    def pinned(
        self, condition: str, catalogue: "Catalogue", types: Collection[str] = ()
    ) -> str:
        """A condition of ours so written that no name in it can come to mean another.

        Functions and operators get their schema, where they could be captured;
        ``types`` are those of the columns in it. Raises ``UnsupportedStatement``
        (unsupported-construct) for what cannot be written so.
        """
        return condition

    def module(self, definition: str) -> str:
        """The module that a virtual table is made by."""
        return ""

    def conflict_clause(self, words: Sequence[str]) -> tuple[str, int]:
        """The action of ``INSERT OR action``, and its number of words."""
        return "", 0

    def explained(self, words: Sequence[str]) -> int:
        """How many of the ``words`` are EXPLAIN and its options; 0 if it is none."""
        return 0

    def runs_explained(self, words: Sequence[str]) -> bool:
        """Whether EXPLAIN, by these ``words`` of it, runs the statement, too."""
        return False

    def evaluates(self, words: Sequence[str]) -> bool:
        """Whether a statement that is passed tries expressions on stored rows."""
        return False

    def statement_ends(self, words: Sequence[str]) -> list[int]:
        """Which of the ``words`` of a script are semicolons that end a statement."""
        return [i for i, word in enumerate(words) if word == ";"]

    def schema_stamp(self, execute: Execute) -> object:
        """What changes when the schema does, cheaply asked; None if nothing tells."""
        return None

    def table_stamps(
        self, execute: Execute, tables: "Sequence[Table]", invoked: Collection[str]
    ) -> Mapping[str, object] | None:
        """The same of a text that reads these tables, by their keys; None as well."""
        return None

    def schema_differs(self, error: BaseException) -> bool:
        """Whether a statement failed because the schema is not as it was."""
        return False

    def is_too_deep(self, error: BaseException) -> bool:
        """Whether a statement failed because it is nested too deep to be parsed."""
        return False

    def lists(self) -> Mapping[str, Collection[str]]:
        """The lists that the rules refer to, by their headings in the documentation."""
        return {}

    def read_catalogue(self, execute: Execute) -> "Catalogue":
        """Read the catalogue over a raw connection."""
        raise NotImplementedError
