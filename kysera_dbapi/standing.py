"""What is known to be as it was read: definitions of tables, each by itself.

A plan that reads plain tables alone stands as long as these do. Asking for them costs a
fraction of what the stamp of the whole schema does.
"""

from collections.abc import Mapping, Sequence

from kysera_dbapi.catalogue import Catalogue, Table
from kysera_dbapi.plan import Plan

__all__ = ["Standing"]


class Standing:
    """The stamps of the tables of one catalogue, as far as they are known.

    Threads may share it.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._stamps: dict[str, object] = {}
        #: Those that were asked for amid transactions, by their keys.
        self._wanted: dict[str, Table] = {}

    def tables(self, plan: Plan) -> Sequence[Table] | None:
        """The tables whose definitions decide a plan; None if other things do, too.

        A write sets off triggers and foreign keys, a view has others beneath it.
        """
        if plan.kind != "select" or not plan.closed:
            return None
        known = self._catalogue.tables
        found = [known[key] for key in sorted(plan.relations & known.keys())]
        own = [table for table in found if table.kind != "system"]
        plain = all(table.kind == "table" and table.reads is None for table in own)
        return own if plain and len(found) == len(plan.relations) else None

    def holds(self, stamps: Mapping[str, object]) -> bool:
        """Whether all of these are known."""
        return stamps.items() <= self._stamps.items()

    def keep(self, stamps: Mapping[str, object]) -> None:
        """Take these for those of the catalogue."""
        self._stamps.update(stamps)

    @property
    def wants(self) -> bool:
        """Whether some were asked for where they could not be kept."""
        return bool(self._wanted)

    def want(self, tables: Sequence[Table]) -> None:
        """Have these be asked for once more, outside of a transaction."""
        self._wanted.update((table.key, table) for table in tables)

    def with_wanted(self, tables: Sequence[Table]) -> list[Table]:
        """These, and some of those that are wanted, which are so no more."""
        found = {table.key: table for table in tables}
        for key, table in [*self._wanted.copy().items()][:_SOME]:
            found[key] = table
            self._wanted.pop(key, None)
        return list(found.values())


_SOME = 16
