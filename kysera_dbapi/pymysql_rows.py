"""What PyMySQL's ``executemany`` makes of an INSERT: one statement of many rows.

The driver puts values into the rows alone. What plugins compare the rows that an upsert
meets with stands after them, and is the same for each.
"""

import re
from collections.abc import Callable
from typing import Any

from pymysql.cursors import RE_INSERT_VALUES

__all__ = ["divided"]

#: A percent sign of the text, or a placeholder.
_MARK = re.compile(r"%(%|s|\(([^()]*)\)s)")


def divided(
    query: object, rows: Any, formatted: Callable[[str, Any], str]
) -> tuple[tuple[str, str, str] | None, Any]:
    """What stands before the row, the row, and what follows it; and the rows.

    None if they are to be sent one by one. ``formatted`` is as the driver's mogrify().
    """
    found = RE_INSERT_VALUES.match(query) if isinstance(query, str) else None
    if found is None:
        return None, rows
    before, row, after = found[1] % (), found[2].rstrip(), found[3] or ""
    marks = [mark for mark in _MARK.finditer(after) if mark[1] != "%"]
    if not marks:
        return (before, row, after % ()), rows
    rows = list(rows)
    names = [mark[2] for mark in marks if mark[2] is not None]
    width = row.count("%s")
    values = [{n: one[n] for n in names} if names else one[width:] for one in rows]
    ways = {formatted(after, one) for one in values}
    if len(ways) != 1:  # the caller's own, which the driver would not take
        return None, rows
    return (before, row, ways.pop()), rows if names else [one[:width] for one in rows]
