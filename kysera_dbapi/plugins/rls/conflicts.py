"""Writes that meet a row by a unique key: one outside the policies is never touched.

Nor may it be skipped in silence: the caller would take its own row for written.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kysera_dbapi.collision import at_risk, must_guard

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Table
    from kysera_dbapi.edits import Draft
    from kysera_dbapi.plugins.rls.secured import Rule, Secured

__all__ = ["secure"]

_CURE = "let every unique key hold the tenant, or write it in another way"


def secure(
    statement: "Draft",
    table: "Table",
    secured: "Secured",
    met: Sequence["Rule"],
    checked: Sequence["Rule"],
) -> None:
    """Guard a write against rows that do not satisfy the rules ``met``.

    ``checked`` are those that the rows of an INSERT may not satisfy: so not even a row
    that comes to nothing may be outside of them, as with PostgreSQL. It could take over
    a row that it meets.
    """
    own = not _moves(statement, table, secured)
    keys = at_risk(statement, table, lambda k: own and secured.spares(table, k, met))
    hidden = "rows that the caller does not see"
    if met and keys and must_guard(statement, table, hidden, _CURE):
        for rule in met:
            reason = "a row that is there must be one that the caller sees"
            statement.guard(rule.predicate, rule.label, reason=reason)
    if checked and _may_come_to_nothing(statement):
        for rule in checked:
            reason = "a row that is not inserted stays within its policies, too"
            statement.guard(rule.predicate, rule.label, reason=reason, proposed=True)


def _moves(statement: "Draft", table: "Table", secured: "Secured") -> bool:
    """Whether an UPDATE sets the tenant: rows could be skipped because of another's.

    If they are replaced, the check of what is written fails.
    """
    if statement.conflict == "REPLACE":
        return False
    fold = statement.dialect.fold
    forced = {fold(column, quoted=True) for column in secured.forced(table)}
    return statement.kind == "update" and not forced.isdisjoint(statement.altered)


def _may_come_to_nothing(statement: "Draft") -> bool:
    upsert = statement.tree.args.get("conflict") is not None
    return upsert or (statement.kind == "insert" and statement.conflict == "IGNORE")
