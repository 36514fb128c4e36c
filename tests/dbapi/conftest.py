"""A database of notes on PostgreSQL, raw and through the shim."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import psycopg
import pytest

import kysera_dbapi
from tests.dbapi.notes import SCHEMA, plugins


@pytest.fixture
def raw_notes(postgresql_url: str) -> Iterator[Any]:
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as made:
        made.execute(cast("Any", SCHEMA))
        yield made


@pytest.fixture
def notes(raw_notes: Any, postgresql_url: str) -> Iterator[Any]:
    made = kysera_dbapi.connect(postgresql_url, plugins=plugins(), autocommit=True)
    with closing(made), kysera_dbapi.context(tenant_id=7):
        yield made
