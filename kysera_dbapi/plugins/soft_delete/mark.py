"""The mark of deleted rows: a column with the time of deletion, or with a flag."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Table, UniqueKey
    from kysera_dbapi.dialect import Dialect

__all__ = ["Mark"]

_AMBIGUOUS = {"OR", "BETWEEN", "CASE"}


@dataclass(frozen=True, slots=True)
class Mark:
    """How a table marks its deleted rows. Every row is live or deleted, never neither.

    A flag is 0 (false, if it is a boolean) or NULL in live rows.
    """

    column: str
    quoted: str
    flag: bool = False
    #: Whether a flag may be NULL.
    nullable: bool = False
    #: What a live row has in the column.
    old: str = "NULL"
    #: What a flag is where it is not set, and where it is.
    off: str = "0"
    on: str = "1"
    equal: str = "="
    unequal: str = "<>"

    @classmethod
    def of(
        cls, table: "Table", column: str, dialect: "Dialect", *, flag: bool
    ) -> "Mark":
        """The mark of a table, as its column is declared."""
        found = table.column(dialect.fold(column, quoted=True))
        name = found.name if found else column
        nullable = flag and found is not None and not found.not_null
        type_ = found.type if found else ""
        off, on = dialect.flags(type_)
        old = dialect.typed(off if flag else "NULL", type_)
        equal, unequal = dialect.operator("="), dialect.operator("<>")
        quoted = dialect.quote(name)
        return cls(name, quoted, flag, nullable, old, off, on, equal, unequal)

    def live(self, qualifier: str = "") -> str:
        """The condition of live rows."""
        name = f"{qualifier}{self.quoted}"
        if not self.flag:
            return f"{name} IS NULL"
        value = f"coalesce({name}, {self.off})" if self.nullable else name
        return f"{value} {self.equal} {self.off}"

    def deleted(self, qualifier: str = "") -> str:
        """The condition of deleted rows."""
        name = f"{qualifier}{self.quoted}"
        return (
            f"{name} {self.unequal} {self.off}" if self.flag else f"{name} IS NOT NULL"
        )

    def leaves_out(self, key: "UniqueKey", dialect: "Dialect") -> bool:
        """Whether a unique key is one of live rows alone.

        So it is if a term of its index's WHERE says it; what is not sure counts as no.
        """
        if not key.partial:
            return False
        words = key.words
        upper = [word.upper() for word in words]
        if "WHERE" not in upper:
            return False
        at = len(upper) - 1 - upper[::-1].index("WHERE")
        if _AMBIGUOUS & set(upper[at:]):
            return False
        return any(self._is_live(term, dialect) for term in _terms(words[at + 1 :]))

    def _is_live(self, term: Sequence[str], dialect: "Dialect") -> bool:
        words, off = [word.upper() for word in term], self.off.upper()
        if self.flag and words[:2] == ["COALESCE", "("]:
            rest = words[3:]
            return rest == [",", off, ")", "=", off] and self._is(term[2], dialect)
        if self.flag and words[0] == "NOT" and len(words) == 2:
            return self._is(term[1], dialect)
        if not self._is(term[0], dialect):
            return False
        rest = words[1:]
        if self.flag:
            known = (["=", off], ["=", "=", off], ["IS", off], ["IS", "NOT", "TRUE"])
            return rest in known
        return rest in (["IS", "NULL"], ["ISNULL"])

    def _is(self, token: str, dialect: "Dialect") -> bool:
        """Whether a token names the column."""
        name = dialect.unquote(token)
        folded = dialect.fold(name, quoted=name != token)
        return folded == dialect.fold(self.column, quoted=True)


def _terms(words: Sequence[str]) -> list[list[str]]:
    """The terms of a conjunction, parentheses round a term left out."""
    found: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        if word.upper() == "AND" and not depth:
            found.append([])
        else:
            found[-1].append(word)
    return [_bare(term) for term in found if term]


def _bare(term: list[str]) -> list[str]:
    while len(term) > 2 and term[0] == "(" and term[-1] == ")":
        term = term[1:-1]
    return term
