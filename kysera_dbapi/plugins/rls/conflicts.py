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
    keys = at_risk(statement, table, lambda key: secured.spares(table, key, met))
    if not keys:
        return
    if must_guard(statement, table, "rows that the caller does not see", _CURE):
        for rule in met:
            reason = "a row that is there must be one that the caller sees"
            statement.guard(rule.predicate, rule.label, reason=reason)
