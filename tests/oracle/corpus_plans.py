"""Statements of the corpus with their filters, written by hand."""

#: What PostgreSQL takes of a table alone, or plans in another way from a view, is
#: written by hand: ``{o:orders}`` is what is asked of the rows of ``orders o``.
#:
#: A condition that is an anti-join stays in a LATERAL sub-query that it is written in;
#: that of a view in it does not.
HAND = {
    "pg-tenant-lateral": "SELECT c.id, x.* FROM public.customers c, LATERAL (SELECT * FROM public.orders o WHERE {o:orders} AND o.customer_id = c.id) x WHERE {c:customers}",
    "pg-place-lateral-column-names": "SELECT c.id, x.a FROM public.customers c, LATERAL (SELECT id, total FROM public.orders WHERE {orders:orders} AND customer_id = c.id) AS x (a, b) WHERE {c:customers}",
    "pg-place-group-by-key": "SELECT o.id, o.status, count(i.line) FROM public.orders o LEFT JOIN public.items i ON {i:items} AND i.order_id = o.id WHERE {o:orders} GROUP BY o.id",
    "pg-source-group-by-key-left": "SELECT o.id, o.status, c.id FROM public.customers c LEFT JOIN public.orders o ON {o:orders} AND o.customer_id = c.id WHERE {c:customers} GROUP BY o.id, c.id",
    "pg-source-sample": "SELECT id FROM public.orders TABLESAMPLE BERNOULLI (100) REPEATABLE (3) WHERE {orders:orders}",
    "pg-source-sample-aliased": "SELECT o.id FROM public.orders AS o TABLESAMPLE SYSTEM (100) WHERE {o:orders} AND o.total > 5",
}
HAND["block-group-by-key"] = HAND["pg-place-group-by-key"]
#: Beneath a FULL join only this keeps what a view loses.
_FULL = (
    "FROM (public.orders o JOIN (SELECT) k ON {o:orders}) FULL JOIN "
    "(public.customers c JOIN (SELECT) l ON {c:customers}) ON c.id = o.customer_id"
)
_KEPT = {
    "pg-kept-group-by-key": f"SELECT o.id, o.status {_FULL} GROUP BY o.id",
    "pg-kept-group-by-key-ordinal": f"SELECT o.id, max(c.id), o.status || 'x' {_FULL} GROUP BY 1",
    "pg-kept-group-by-key-having": f"SELECT count(*) {_FULL} GROUP BY o.id HAVING o.total > 5",
    "pg-kept-group-by-key-star": f"SELECT o.* {_FULL} GROUP BY o.id",
    "pg-kept-group-by-key-window": f"SELECT sum(o.total) OVER () {_FULL} GROUP BY o.id",
    "pg-kept-row-identifier": f"SELECT o.id, o.ctid IS NULL, o.xmin IS NULL, o.tableoid = 'orders'::regclass {_FULL}",
    "pg-kept-sample": "SELECT c.id, o.id FROM (public.customers c JOIN (SELECT) k ON {c:customers}) FULL JOIN (public.orders o TABLESAMPLE BERNOULLI (100) REPEATABLE (1) JOIN (SELECT) l ON {o:orders}) ON c.id = o.customer_id",
}
HAND.update(_KEPT)
