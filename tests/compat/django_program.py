"""A Django program on the shop; a process of its own, since settings are global.

``python django_program.py VARIANT DATABASE FILE`` writes what it saw into FILE, as
JSON. VARIANT is ``raw``, ``install`` or ``factory``; DATABASE is a file of SQLite's, or
the URL of a database of MySQL's.
"""

import json
import sqlite3
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def install_shim(driver: str) -> None:
    """Soft delete on the shop's tables, whoever connects."""
    from kysera_dbapi import install
    from tests.compat.shop import soft_delete

    install(driver, plugins=[soft_delete()])


def wrapped(*args: Any, **kwargs: Any) -> Any:
    """A connection factory: what Django's OPTIONS can say of one database."""
    from kysera_dbapi import wrap
    from tests.compat.shop import soft_delete

    return wrap(sqlite3.Connection(*args, **kwargs), plugins=[soft_delete()])


def on_sqlite(database: str) -> dict[str, Any]:
    """Django's settings for a file."""
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": database}


def on_mysql(database: str) -> dict[str, Any]:
    """The same for a URL; Django imports ``MySQLdb``."""
    import_module("pymysql").install_as_MySQLdb()
    parts = urlsplit(database)
    return {
        "ENGINE": "django.db.backends.mysql",
        "NAME": unquote(parts.path[1:]),
        "HOST": parts.hostname,
        "PORT": parts.port or 3306,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
    }


def set_up(database: str, options: dict[str, Any]) -> Any:
    """Configured Django; its ``models`` and ``transaction`` modules' package."""
    place = on_mysql(database) if "://" in database else on_sqlite(database)
    import_module("django.conf").settings.configure(
        DATABASES={"default": {**place, "OPTIONS": options}},
        INSTALLED_APPS=["tests.compat.django_program"],  # reverse names need one
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
    )
    import_module("django").setup()
    return import_module("django.db")


def models_of(db: Any) -> tuple[Any, Any, Any]:
    """Customer and Order on the shop's tables, and Review on one to be made."""
    models = db.models

    class Customer(models.Model):  # type: ignore[misc,name-defined]
        """A row of customers."""

        name = models.TextField()
        city = models.TextField(null=True)

        class Meta:
            app_label, db_table, managed = "django_program", "customers", False

    class Order(models.Model):  # type: ignore[misc,name-defined]
        """A row of orders."""

        id = models.IntegerField(primary_key=True)
        total = models.IntegerField()
        customer = models.ForeignKey(
            Customer, models.CASCADE, null=True, related_name="orders"
        )

        class Meta:
            app_label, db_table, managed = "django_program", "orders", False

    class Review(models.Model):  # type: ignore[misc,name-defined]
        """A row of reviews."""

        text = models.CharField(max_length=20, default="100%")
        picture = models.BinaryField(default=b"\xff\x00'%s")
        # elsewhere than on SQLite its key is added by ALTER TABLE
        order = models.ForeignKey(Order, models.SET_NULL, null=True)

        class Meta:
            app_label = "django_program"

    return Customer, Order, Review


def reads(db: Any, customer: Any, order: Any) -> list[Any]:
    """Queries of many shapes, by the ORM and by a cursor."""
    models = db.models
    count = customer.objects.annotate(n=models.Count("orders")).order_by("id")
    chosen = order.objects.filter(customer__city="Paris")
    rest = order.objects.exclude(customer__name="Ada")
    latest = order.objects.filter(customer=models.OuterRef("pk")).order_by("-id")
    newest = models.Subquery(latest.values("id")[:1])
    window = models.Window(models.functions.RowNumber(), order_by="total")
    seen: list[Any] = [
        [(c.name, c.n) for c in count],
        [o.id for o in chosen.select_related("customer")],
        [
            [o.id for o in c.orders.all()]
            for c in customer.objects.prefetch_related("orders")
        ],
        order.objects.filter(total__gt=40).count(),
        order.objects.filter(id=2).exists(),
        order.objects.filter(models.Q(id=3) | models.Q(total__in=[45, 50])).count(),
        order.objects.aggregate(models.Sum("total"), models.Max("id")),
        list(customer.objects.annotate(last=newest).values_list("name", "last")),
        list(order.objects.annotate(row=window).values_list("id", "row")),
        list(rest.values_list("pk", flat=True).order_by("pk")),
        [o.pk for o in order.objects.order_by("id").iterator(chunk_size=2)],
        [o.pk for o in order.objects.raw("SELECT * FROM orders WHERE id > %s", [3])],
        order.objects.filter(id=1).union(order.objects.filter(id=2)).count(),
        list(customer.objects.filter(city__icontains="on").values_list("name")),
    ]
    return seen + by_cursor(db.connection)


def by_cursor(connection: Any) -> list[Any]:
    """``%s``, ``%(name)s`` and ``%%``, which Django's cursor class turns into ``?``."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, '%%' FROM orders WHERE total > %s", [40])
        seen = [cursor.fetchall()]
        cursor.execute(
            "SELECT count(*) FROM orders WHERE total > %(t)s AND id > %(i)s",
            {"i": 1, "t": 40},
        )
        seen.append(cursor.fetchone())
        cursor.execute("SELECT '100%' FROM orders")
        seen.append(cursor.fetchall())
        updates = [(1, 1), (1, 2), (1, 3)]
        cursor.executemany(
            "UPDATE orders SET total = total + %s WHERE id = %s", updates
        )
        return [*seen, cursor.rowcount]


def writes(db: Any, models: tuple[Any, Any, Any]) -> list[Any]:
    """Bulk statements, deletion by query set and by model, atomic blocks."""
    customer, order, review = models
    with db.connection.schema_editor() as editor:
        editor.create_model(review)
    rows = [order(id=i, total=i, customer_id=1) for i in range(100, 110)]
    order.objects.bulk_create(rows, batch_size=4)
    review.objects.bulk_create([review(order_id=i) for i in (1, 4, 100)])
    seen: list[Any] = [
        order.objects.filter(total__lt=40).update(total=db.models.F("total") + 2),
        order.objects.filter(id__in=[4, 5, 100]).delete(),
        list(review.objects.order_by("id").values_list("text", "order")),
        review.objects.filter(picture=b"\xff\x00'%s").update(picture=b"%s"),
        [bytes(r.picture).hex() for r in review.objects.all()],
        customer.objects.get(name="Eve").delete(),
        list(order.objects.order_by("id").values_list("id", "total", "customer")),
    ]
    changed = list(order.objects.filter(id__gte=105))
    for row in changed:
        row.total += 1
    seen.append(order.objects.bulk_update(changed, ["total"]))
    seen.append(order.objects.update_or_create(id=200, defaults={"total": 2})[1])
    seen.append(order.objects.get_or_create(id=1, defaults={"total": 2})[1])
    return seen + atomic(db, order)


def atomic(db: Any, order: Any) -> list[Any]:
    """Nested blocks: the inner one is a savepoint and is rolled back."""
    transaction = db.transaction
    with transaction.atomic():
        order.objects.filter(id=101).delete()
        try:
            with transaction.atomic():
                order.objects.all().delete()
                raise RuntimeError
        except RuntimeError:
            pass
        kept = order.objects.count()
    with transaction.atomic():
        order.objects.filter(id=102).delete()
        transaction.set_rollback(True)
    ids = order.objects.order_by("id").values_list("id", flat=True)
    return [kept, list(ids), db.connection.introspection.table_names()]


def main(variant: str, database: str, file: str) -> None:
    """Run the program; raw, installed before Django is imported, or by its settings."""
    if variant == "install":
        install_shim("pymysql" if "://" in database else "sqlite3")
    db = set_up(database, {"factory": wrapped} if variant == "factory" else {})
    models = models_of(db)
    try:
        seen = reads(db, *models[:2]) + writes(db, models)
    finally:
        db.connections.close_all()
    Path(file).write_text(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
