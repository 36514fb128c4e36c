"""Tests of what newer versions of PostgreSQL have: ``mark.postgresql_since(15)``."""

from functools import cache

import pytest

from tests.servers import Server, connect, found

__all__ = ["major", "postgresql_of"]


@cache
def major(server: Server) -> int:
    """The major version of a PostgreSQL."""
    with connect(server.url()) as connection:
        return int(connection.info.server_version) // 10_000


def postgresql_of(request: pytest.FixtureRequest) -> Server | None:
    """The server that a test was given, else the first that was found."""
    callspec = getattr(request.node, "callspec", None)
    given = callspec.params.values() if callspec is not None else ()
    servers = [*given, *found().of("postgresql")]
    own = (s for s in servers if isinstance(s, Server) and s.family == "postgresql")
    return next(own, None)


@pytest.fixture(autouse=True)
def postgresql_since(request: pytest.FixtureRequest) -> None:
    """Skip a test that wants a newer PostgreSQL than it is given."""
    marks = [mark.args[0] for mark in request.node.iter_markers("postgresql_since")]
    server = postgresql_of(request) if marks else None
    if server is not None and major(server) < max(marks):
        pytest.skip(f"PostgreSQL {max(marks)} has it, this is {major(server)}")
