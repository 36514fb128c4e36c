"""The tables that names in a plugin's configuration mean."""

from typing import TYPE_CHECKING

from kysera_dbapi.catalogue import folded

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Catalogue, Table

__all__ = ["found"]


def found(catalogue: "Catalogue", name: str) -> "Table | None":
    """The table that a name of the configuration means: "orders" or "main.orders".

    A bare name means one of the home schema, never a temporary table that hides it.
    """
    schema, dot, rest = name.rpartition(".")
    if dot and not catalogue.known:
        return catalogue.resolve([folded(schema), folded(rest)])
    for spelled in (name, folded(name)):
        table = catalogue.resolve([catalogue.home, spelled])
        if table is not None:
            return table
    return catalogue.resolve([folded(schema), folded(rest)]) if dot else None
