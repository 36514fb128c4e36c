"""New databases for tests, made ahead of them and dropped behind them.

To create a database and to drop it takes longer than most of the tests that want one.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from ssl import SSLContext
from threading import Lock
from typing import Any

import pytest
from pymysql.connections import Connection

from tests.servers import Server, database

#: How many wait to be used.
AHEAD = 2

#: Held while the driver's connections are raw ones: a test that installs plugins waits.
RAW = Lock()


class Databases:
    """The databases of one server; each is used once."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._workers = ThreadPoolExecutor(1, "databases")
        self._made: deque[Future[tuple[str, Callable[[], None]]]] = deque()
        self._dropped: list[Future[None]] = []

    @contextmanager
    def one(self) -> Generator[str, None, None]:
        """The URL of a new, empty database."""
        while len(self._made) <= AHEAD:
            self._made.append(self._workers.submit(self._make))
        url, drop = self._made.popleft().result()
        try:
            yield url
        finally:
            self._dropped.append(self._workers.submit(drop))

    def _make(self) -> tuple[str, Callable[[], None]]:
        after = ExitStack()

        def drop() -> None:
            with RAW:
                after.close()

        with RAW:
            return after.enter_context(database(self._server)), drop

    def close(self) -> None:
        """Drop what is left; raises what a worker could not do."""
        for made in self._made:
            made.result()[1]()
        self._workers.shutdown()
        for dropped in self._dropped:
            dropped.result()


@pytest.fixture(autouse=True, scope="session")
def authorities() -> Iterator[None]:
    """Have PyMySQL read the certificates of all authorities once, not as it connects.

    That takes ten times as long as all else that connecting does. Connections are
    encrypted as ever.
    """
    made: Any = getattr(Connection, "_create_ssl_ctx")  # noqa: B009
    shared: list[SSLContext] = []

    def context(self: object, given: Any) -> SSLContext:
        if given:
            found: SSLContext = made(self, given)
            return found
        shared[:] = shared or [made(self, given)]
        return shared[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "_create_ssl_ctx", context)
        yield


@pytest.fixture(scope="session")
def databases() -> Iterator[Callable[[Server], Databases]]:
    """The databases of a server, by the server."""
    of: dict[Server, Databases] = {}
    with ExitStack() as after:

        def find(server: Server) -> Databases:
            if server not in of:
                of[server] = Databases(server)
                after.callback(of[server].close)
            return of[server]

        yield find


@pytest.fixture(scope="session")
def postgresql_server(request: pytest.FixtureRequest) -> Server:
    """Each PostgreSQL that was found, for a database that many tests share."""
    server: Server = request.param
    return server


@pytest.fixture(scope="module")
def postgresql_shared_url(postgresql_server: Server) -> Iterator[str]:
    """A database of the tests of a file, each of which leaves it as it was."""
    with database(postgresql_server) as url:
        yield url


@pytest.fixture
def postgresql_url(
    request: pytest.FixtureRequest, databases: Callable[[Server], Databases]
) -> Iterator[str]:
    """A new database on each PostgreSQL that was found."""
    with databases(request.param).one() as url:
        yield url


@pytest.fixture
def mysql_url(
    request: pytest.FixtureRequest, databases: Callable[[Server], Databases]
) -> Iterator[str]:
    """A new database on each MariaDB and each MySQL that was found."""
    with databases(request.param).one() as url:
        yield url


@pytest.fixture(scope="session")
def mysql_server(request: pytest.FixtureRequest) -> Server:
    """Each MariaDB and each MySQL that was found, for a database that tests share."""
    server: Server = request.param
    return server


@pytest.fixture(scope="module")
def mysql_shared_url(
    mysql_server: Server, databases: Callable[[Server], Databases]
) -> Iterator[str]:
    """A database of the tests of a file, each of which leaves it as it was."""
    with databases(mysql_server).one() as url:
        yield url
