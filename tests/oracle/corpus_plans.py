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
