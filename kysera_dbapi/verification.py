"""What a database has that goes past its plugins, or makes them slow."""

from collections.abc import Iterator, Sequence

from kysera_dbapi.catalogue import Catalogue, Table, Trigger
from kysera_dbapi.errors import UnsupportedStatement
from kysera_dbapi.finding import Finding
from kysera_dbapi.plugin import Host, Plugin, owners, verified
from kysera_dbapi.reach import Reach

__all__ = ["findings"]


def findings(plugins: Sequence[Plugin], host: Host) -> list[Finding]:
    """All that the plugins find, and what reads or writes their tables unfiltered.

    Nothing of the tables that plugins keep for themselves: no statement of a caller's
    is meant for them.
    """
    hiding = [plugin for plugin in plugins if plugin.hides_rows]
    protected = {key for p in hiding for key in p.protected(host.catalogue)}
    found = [*verified(plugins, host)]
    if protected:
        reach = Reach(host.dialect, host.catalogue)
        for table in host.catalogue.tables.values():
            missing = {
                key
                for p in hiding
                if table.key not in (own := p.protected(host.catalogue))
                for key in own
            }
            found += _reading(table, reach, missing)
            for trigger in table.triggers:
                if not any(p.accepts_trigger(trigger) for p in plugins):
                    found += _touching(table, trigger, reach, protected)
        found += _functions(host.catalogue, reach, protected)
    owned = owners(plugins, host.catalogue)
    return sorted({one for one in found if one.table not in owned})


def _reading(table: Table, reach: Reach, protected: set[str]) -> Iterator[Finding]:
    if table.kind not in ("view", "materialized view", "virtual"):
        return
    try:
        read = sorted(reach.reads(table) & protected)
    except UnsupportedStatement:
        yield Finding(
            table.key,
            "view-unknown",
            f"the {table.kind} does not parse, so statements that use it are refused; "
            "mend it or drop it",
        )
        return
    if read:
        yield Finding(
            table.key,
            f"{table.kind.rpartition(' ')[2]}-unfiltered",
            f"the {table.kind} reads {', '.join(read)} unfiltered, so statements that "
            "use it are refused; write its query into them",
        )


def _functions(
    catalogue: Catalogue, reach: Reach, protected: set[str]
) -> Iterator[Finding]:
    """Those that can be called: a function of triggers is reported with them."""
    triggers = (t for table in catalogue.tables.values() for t in table.triggers)
    fired = {trigger.function for trigger in triggers}
    for one in catalogue.routines_of(catalogue.routines.keys() - fired):
        used = sorted(reach.beneath(one).tables & protected)
        which = "every statement is" if one.implicit else "statements that call it are"
        if used:
            yield Finding(
                one.key,
                "function-unfiltered",
                f"the {one.kind} reads or writes {', '.join(used)} unfiltered, so "
                f"{which} refused; write its query into them",
            )


def _touching(
    table: Table, trigger: Trigger, reach: Reach, protected: set[str]
) -> Iterator[Finding]:
    touched = sorted(reach.touches(trigger) & protected)
    if touched:
        yield Finding(
            table.key,
            "trigger-unfiltered",
            f"the trigger {trigger.name} reads or writes {', '.join(touched)} "
            f"unfiltered, so each {trigger.event} that fires it is refused; do its "
            "work in statements of the program",
        )
