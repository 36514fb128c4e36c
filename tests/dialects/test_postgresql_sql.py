"""SQL that the shim writes for PostgreSQL, and errors that it understands."""

from collections.abc import Iterator
from typing import Any

import pytest

from kysera_dbapi.registry import get_dialect
from tests import servers

DIALECT = get_dialect("postgresql")


@pytest.fixture
def connection(postgresql_url: str) -> Iterator[Any]:
    with servers.connect(postgresql_url) as made:
        made.execute(
            "CREATE TABLE orders (id int PRIMARY KEY, total int, comment text);"
            "INSERT INTO orders SELECT n, n % 10, 'c' || n FROM "
            "generate_series(1, 99) n"
        )
        yield made


@pytest.mark.parametrize(
    ("sql", "passes"),
    [
        ("SELECT id FROM orders WHERE total = 3 AND {total = 3}", True),
        ("SELECT id FROM orders WHERE total = 3 AND {total = 4}", False),
        ("UPDATE orders SET comment = '' WHERE total = 3 RETURNING {total = 3}", True),
        ("UPDATE orders SET total = 5 WHERE total = 3 RETURNING {total = 3}", False),
        ("SELECT {NULL}", False),
        ("EXPLAIN SELECT * FROM orders WHERE {total = 77} AND id = 1", True),
        (
            "INSERT INTO orders VALUES (1) ON CONFLICT (id) DO UPDATE SET total = 1 "
            "WHERE {orders.id = 1}",
            True,
        ),
        (
            "INSERT INTO orders VALUES (1) ON CONFLICT (id) DO UPDATE SET total = 1 "
            "WHERE {orders.id = 2}",
            False,
        ),
    ],
)
def test_a_check_fails_with_its_label(connection: Any, sql: str, passes: bool) -> None:
    connection.execute("ANALYZE; CREATE INDEX ON orders (total)")
    before, after = DIALECT.check("rls:it's 100%")
    text = sql.replace("{", before).replace("}", after)
    if passes:
        connection.execute(text)
        return
    with pytest.raises(connection.Error) as info:
        connection.execute(text)
    assert getattr(info.value, "sqlstate", "") == "22P02"
    assert "_k_check:rls:it's 100%" in str(info.value)


def test_rows_of_a_list(connection: Any) -> None:
    before, after = DIALECT.one_of(["id"], ["integer"])
    one = f"SELECT count(*) FROM orders WHERE {before}%s{after}"
    keys = [(1,), (2,), (500,)]
    assert connection.execute(one, (DIALECT.listed(keys),)).fetchone() == (2,)
    assert connection.execute(one, (DIALECT.listed([]),)).fetchone() == (0,)
    before, after = DIALECT.one_of(["id", "comment"], ["integer", "text"])
    two = f"SELECT count(*) FROM orders WHERE {before}%s{after}"
    pairs = [(1, "c1"), (2, "c1"), (3, None), (4, "c4")]
    assert connection.execute(two, (DIALECT.listed(pairs),)).fetchone() == (2,)
    before, after = DIALECT.in_list(negated=True)
    three = f"SELECT count(*) FROM orders WHERE comment {before}%s{after}"
    assert connection.execute(three, (["c1", "c2"],)).fetchone() == (97,)


def test_errors_are_told_by_their_codes(connection: Any) -> None:
    assert DIALECT.schema_differs(error(connection, "SELECT * FROM nowhere"))
    assert DIALECT.schema_differs(error(connection, "SELECT nothing FROM orders"))
    assert not DIALECT.schema_differs(error(connection, "SELECT 1 / 0"))
    deep = f"SELECT {'(' * 20_000}1{')' * 20_000}"
    assert DIALECT.is_too_deep(error(connection, deep))


def error(connection: Any, sql: str) -> BaseException:
    with pytest.raises(connection.Error) as info:
        connection.execute(sql)
    raised: BaseException = info.value
    return raised
