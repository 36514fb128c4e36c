"""The mark of deleted rows: a column with the time of deletion, or with a flag."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kysera_dbapi.catalogue import folded

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Table, UniqueKey
    from kysera_dbapi.dialect import Dialect

__all__ = ["Mark"]

_AMBIGUOUS = {"OR", "BETWEEN", "CASE"}


@dataclass(frozen=True, slots=True)
class Mark:
    """How a table marks its deleted rows. Every row is live or deleted, never neither.

    A flag is 0 or NULL in live rows.
    """

    column: str
    quoted: str
    flag: bool = False
    #: Whether a flag may be NULL.
    nullable: bool = False
    #: What a live row has in the column.
    old: str = "NULL"

    @classmethod
    def of(
        cls, table: "Table", column: str, dialect: "Dialect", *, flag: bool
    ) -> "Mark":
        """The mark of a table, as its column is declared."""
        found = table.column(column)
        name = found.name if found else column
        nullable = flag and found is not None and not found.not_null
        old = dialect.typed("0", found.type if found else "") if flag else "NULL"
        return cls(name, dialect.quote(name), flag, nullable, old)

    def live(self, qualifier: str = "") -> str:
        """The condition of live rows."""
        name = f"{qualifier}{self.quoted}"
        if not self.flag:
            return f"{name} IS NULL"
        return f"coalesce({name}, 0) = 0" if self.nullable else f"{name} = 0"

    def deleted(self, qualifier: str = "") -> str:
        """The condition of deleted rows."""
        name = f"{qualifier}{self.quoted}"
        return f"{name} <> 0" if self.flag else f"{name} IS NOT NULL"

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
        column, rest = dialect.unquote(term[0]), [w.upper() for w in term[1:]]
        if rest == ["(", *rest[1:]] and self.flag:
            spelled = "".join(term).replace(self.quoted, self.column)
            return folded(spelled) == folded(f"coalesce({self.column},0)=0")
        if folded(column) != folded(self.column):
            return False
        if self.flag:
            return rest in (["=", "0"], ["=", "=", "0"], ["IS", "0"])
        return rest in (["IS", "NULL"], ["ISNULL"])


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
