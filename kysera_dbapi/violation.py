"""Rows that violate a policy: what fails their statement, and the error made of it."""

from collections import Counter

from kysera_dbapi.errors import PolicyViolation

__all__ = ["MET", "PROPOSED", "Violations", "violation"]

#: Begins the labels of rows that are there already.
MET = "met "
#: Begins those of rows that are not inserted: which of the statement's is not known.
PROPOSED = "proposed "


class _Violated(Exception):
    """Ends a statement from within; the database makes an error of its own of it."""


class Violations:
    """What a check calls for each row; drivers do not tell why a function failed."""

    #: What ``Dialect.row_number`` means of the last row, if the statement tells it.
    told: int | None = None

    def __init__(self) -> None:
        self._rows: Counter[str] = Counter()
        self._failed: tuple[str, int] | None = None

    def begin(self) -> None:
        """A statement begins: its first row is row 0."""
        self._rows.clear()
        self._failed = self.told = None

    def tell(self, value: int) -> int:
        """Tell of the next row."""
        self.told = value
        return 1

    def __call__(self, satisfied: object, label: str) -> int:
        """Tell of the next row; raises if it does not satisfy what the label says."""
        if not satisfied:
            self._failed = label, self._rows[label]
            raise _Violated
        self._rows[label] += 1
        return 1

    def error(self, row: int | None = None) -> PolicyViolation | None:
        """The violation that made a statement fail; ``row`` if each row has its own."""
        if self._failed is None:
            return None
        (label, at), self._failed = self._failed, None
        known = row is not None or label.startswith((MET, PROPOSED))
        return violation(label, row if known else at)


def violation(label: str, row: int | None = None) -> PolicyViolation:
    """The error of the check with that label, for that row of the statement."""
    said = label.removeprefix(MET).removeprefix(PROPOSED)
    table, _, policy = said.partition(": ")
    which = "a row" if row is None else f"row {row}"
    what = "meets a row outside of" if label.startswith(MET) else "violates"
    made = PolicyViolation(
        f"{which} of the statement {what} {policy} on {table}",
        code="policy-violation",
    )
    made.table, made.policy, made.row = table, policy, row
    return made
