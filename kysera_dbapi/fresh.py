"""The plan of a new shape, by the schema as it is now: another may have changed it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kysera_dbapi.pipeline import Outdated
from kysera_dbapi.plan import Plan

if TYPE_CHECKING:
    from kysera_dbapi.catalogue import Table
    from kysera_dbapi.session import Session

__all__ = ["is_current", "plan"]


def plan(session: "Session", text: str, now: frozenset[str], style: int) -> Plan:
    """The plan for a text of a new shape.

    Where tables have stamps of their own, it is made first, and kept if what it uses is
    as it was read. Raises what planning does, by no old catalogue, and the driver's
    error if the schema cannot be asked for, and decides the text.
    """
    if session.stands_alone(text, style):
        return session.pipeline.plan(text, now, format_style=style)
    if session.dialect.stamps_tables:
        found = _by_known(session, text, now, style)
        if found is not None:
            return found
    else:
        session.reread()
    return session.pipeline.plan(text, now, format_style=style)


def _by_known(
    session: "Session", text: str, now: frozenset[str], style: int
) -> Plan | None:
    """The plan by the catalogue that is known; None if there is another one now."""
    asked = False

    def stands(plan: Plan) -> bool:
        nonlocal asked
        asked = True
        # one of a name that is not known has the catalogue read in any case
        return not plan.keep or _stands(session, plan)

    try:
        return session.pipeline.plan(text, now, format_style=style, stands=stands)
    except Outdated:
        return None
    except Exception:
        if asked or not session.reread():
            raise
        return None


def _stands(session: "Session", plan: Plan) -> bool:
    """Whether what a plan uses of the schema is as it was read."""
    standing = session.pipeline.standing
    tables = standing.tables(plan)
    stamps = None if tables is None else _stamps(session, tables, plan)
    if tables is None or stamps is None:
        return not session.reread()
    holds = standing.holds(stamps)
    if holds and not standing.wants:
        return True
    # amid a transaction the whole may be that of its snapshot, and a table of now
    settled = not session.transaction.open
    if holds and not settled:
        return True
    if settled:
        tables = standing.with_wanted(tables)
        stamps = _stamps(session, tables, plan)
    current = is_current(session)
    if not current:
        return not session.refresh()
    if not settled:
        standing.want(tables)
    elif stamps and _stamps(session, tables, plan) == stamps:
        standing.keep(stamps)
    return True


def is_current(session: "Session") -> bool:
    """Whether the schema is as it was read; raises the error of asking for it."""
    if not (session.plugins and session._catalogue.known):
        return True
    return session._quietly(lambda: session._stamp() == session._stamped)


def _stamps(
    session: "Session", tables: "Sequence[Table]", plan: Plan
) -> Mapping[str, object] | None:
    """What changes when one of the tables does; None if that cannot be asked."""
    try:
        return session._quietly(lambda: session._table_stamps(tables, plan.invoked))
    except session.driver.Error as error:
        if session.ends_more(error):  # the statement could not say so itself
            raise
        return None
