"""What a text costs that was not seen before: in seconds, there is no baseline."""

from collections.abc import Iterator
from itertools import count
from statistics import median

from benchmarks.pairs import seconds
from benchmarks.shop import Shop

__all__ = ["new_literal", "new_shape"]

SHAPE = """
SELECT c.name, count(o.id) AS n{i}, (SELECT max(total) FROM orders p WHERE p.id < o.id)
FROM customers c LEFT JOIN orders o ON o.customer_id = c.id AND o.total > ?
WHERE c.id IN (SELECT customer_id FROM orders WHERE total > ?) GROUP BY c.id
"""


def new_shape(shop: Shop, *, times: int) -> float:
    """Seconds to plan a statement of three blocks that was never seen."""
    return median(
        seconds(lambda sql=sql: shop.shim.explain(sql), 1)  # type: ignore[misc]
        for sql in (SHAPE.format(i=i) for i in range(times))
    )


def new_literal(shop: Shop, *, times: int) -> float:
    """Seconds to plan a statement of a known shape with literals of its own."""

    def texts() -> Iterator[str]:
        for i in count():
            yield f"SELECT total FROM orders WHERE id = {i} AND total <> 'x{i}'"

    made = texts()
    shop.shim.execute(next(made))
    session = shop.shim._self_session
    return median(
        seconds(lambda sql=sql: session.plan(sql), 1)  # type: ignore[misc]
        for sql in (next(made) for _ in range(times))
    )
