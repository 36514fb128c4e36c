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
    statement: "Draft", table: "Table", secured: "Secured", met: Sequence["Rule"]
) -> None:
    """Guard a write against rows that do not satisfy the rules ``met``."""
    if not met:
        return
    own = _is_own(statement, table, secured)
    keys = at_risk(
        statement, table, lambda key: own and secured.spares(table, key, met)
    )
    if not keys:
        return
    if must_guard(statement, table, "rows that the caller does not see", _CURE):
        for rule in met:
            reason = "a row that is there must be one that the caller sees"
            statement.guard(rule.predicate, rule.label, reason=reason)


def _is_own(statement: "Draft", table: "Table", secured: "Secured") -> bool:
    """Whether no row that meets another can have a tenant of the caller's choice.

    A row that is skipped, or updates another in its place, is written nowhere, so no
    check of what is written sees the tenant that it named.
    """
    action = statement.conflict or "".join(table.on_conflict)
    if action == "REPLACE" and statement.tree.args.get("conflict") is None:
        return True
    for column in secured.forced(table):
        folded = statement.dialect.fold(column, quoted=True)
        insert = statement.kind == "insert"
        if statement.supplies(column) if insert else folded in statement.assigned:
            return False
    return True
