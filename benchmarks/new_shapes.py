"""``python -m benchmarks.new_shapes pure sqlite 100``: plan statements never seen.

A process of its own, so that it can do without the compiled parts of sqlglot, whether
or not they are installed. Prints milliseconds, one statement a line; with another word,
``profile``, where they go.
"""

import sys
from collections.abc import Callable
from functools import partial
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from importlib.util import find_spec
from itertools import count
from pathlib import Path

__all__ = ["is_compiled"]

#: Three blocks: the query, a scalar sub-select, a sub-select in IN.
_SHAPE = """
SELECT c.name, count(o.id) AS n{i}, (SELECT max(total) FROM orders p WHERE p.id < o.id)
FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.total > ?
WHERE c.id IN (SELECT customer_id FROM orders WHERE total > ?) GROUP BY c.id
"""
#: What is loaded once is loaded by the first ones.
_FIRST = 20


def is_compiled() -> bool:
    """Whether the installed parser is the compiled one."""
    spec = find_spec("sqlglot.parser")
    return spec is not None and not str(spec.origin).endswith(".py")


def _prefer_source(path: str) -> FileFinder:
    """Where ``path`` is a folder of sqlglot's, find its .py files alone."""
    if "sqlglot" not in Path(path).parts:
        raise ImportError(path)
    return FileFinder(path, (SourceFileLoader, SOURCE_SUFFIXES))


def _planner(database: str) -> Callable[[], float]:
    """What plans a statement never seen, and returns the seconds that it took."""
    # after the choice of the parser
    from benchmarks.mysql import new_mysql_shop
    from benchmarks.postgresql import new_postgresql_shop
    from benchmarks.shop import new_shop

    shops = {"sqlite": new_shop, "postgresql": new_postgresql_shop}
    shop = shops.get(database, partial(new_mysql_shop, database))()
    shape = _SHAPE if database == "sqlite" else _SHAPE.replace("?", "%s")
    texts = (shape.format(i=i) for i in count())

    def plan() -> float:
        text = next(texts)
        start = shop.clock()
        shop.planned(text)
        return shop.clock() - start

    return plan


def main() -> None:
    """Measure, print."""
    build, database, times, *profile = sys.argv[1:]
    if build == "pure":
        sys.path_hooks.insert(0, _prefer_source)
        assert not is_compiled()
    plan = _planner(database)
    for _ in range(_FIRST):
        plan()
    if profile:
        from benchmarks.profiles import profiled

        print(profiled(lambda n: sum(plan() for _ in range(n)), int(times)))
    else:
        for _ in range(int(times)):
            print(plan() * 1e3)


if __name__ == "__main__":
    main()
