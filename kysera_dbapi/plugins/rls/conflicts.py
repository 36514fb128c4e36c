"""Writes that meet a row by a unique key: one outside the policies is never touched.

Nor may it be skipped in silence: the caller would take its own row for written.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kysera_dbapi.collision import at_risk

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
    upsert = statement.tree.args.get("conflict") is not None
    action = statement.conflict
    if not action:
        silent = sorted(table.on_conflict & {"IGNORE", "REPLACE"})
        if silent:
            statement.refuse(
                f"a key of {table.name} says ON CONFLICT {silent[0]}, which would skip "
                f"or remove rows that the caller does not see; {_CURE}"
            )
    if action == "REPLACE" or (action == "IGNORE" and (upsert or _updates(statement))):
        statement.refuse(
            f"OR {action} could remove or skip a row because of one that the caller "
            f"does not see; {_CURE}"
        )
    if upsert or action == "IGNORE":
        for rule in met:
            reason = "a row that is there must be one that the caller sees"
            statement.guard(rule.predicate, rule.label, reason=reason)


def _updates(statement: "Draft") -> bool:
    return statement.kind == "update"
