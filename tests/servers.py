"""Database servers for the tests, and a database of its own for each test.

Servers are those named by the environment; else containers, where Docker answers; else
what listens on 127.0.0.1 at the default port. ``KYSERA_TEST_POSTGRESQL`` and
``KYSERA_TEST_MYSQL`` are URLs divided by spaces; MariaDB and MySQL are told apart by
their version. Tests of a kind that was not found are skipped, and the header says so;
``KYSERA_TEST_REQUIRE=postgresql,mariadb,mysql,pgbouncer,initdb,mariadbd,mysqld`` makes
it an error.
"""

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from secrets import choice
from string import ascii_lowercase
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import pytest

from tests import containers
from tests.cluster import initdb
from tests.mysql_cluster import mariadbd, mysqld
from tests.pgbouncer import pgbouncer

#: A family names the fixture and the variable; its servers are of these kinds.
FAMILIES = {"postgresql": ("postgresql",), "mysql": ("mariadb", "mysql")}
KINDS = [kind for kinds in FAMILIES.values() for kind in kinds]
#: What else can be demanded: programs that tests start, and where Debian has them.
PROGRAMS: dict[str, tuple[Callable[[], str | None], str]] = {
    "pgbouncer": (pgbouncer, "Debian's package is pgbouncer"),
    "initdb": (initdb, "Debian's package postgresql has it"),
    "mariadbd": (mariadbd, "Debian's package is mariadb-server"),
    "mysqld": (mysqld, ".ci/mysql-up.sh has it"),
}
LOCAL = {
    "postgresql": "postgresql://postgres@127.0.0.1:5432/postgres",
    "mysql": "mysql://root@127.0.0.1:3306",
}


@dataclass(frozen=True)
class Server:
    """A server that answers, or a container that will when its URL is asked for."""

    family: str
    kind: str
    label: str
    url: Callable[[], str]


@dataclass(frozen=True)
class Found:
    """The servers, and for each kind that has none the reason."""

    servers: tuple[Server, ...]
    missing: Mapping[str, str]

    def of(self, family: str) -> Iterator[Server | str]:
        """The servers of a family; in place of each missing kind, its name."""
        yield from (s for s in self.servers if s.family == family)
        yield from (kind for kind in FAMILIES[family] if kind in self.missing)


@cache
def found() -> Found:
    """The servers of this run: looked for once."""
    servers: list[Server] = []
    missing: dict[str, str] = {}
    for family, kinds in FAMILIES.items():
        here, reason = _look(family)
        servers += here
        absent = set(kinds) - {server.kind for server in here}
        missing |= {kind: reason for kind in kinds if kind in absent}
    missing |= {
        name: f"not installed; {where}"
        for name, (find, where) in PROGRAMS.items()
        if find() is None
    }
    return Found(tuple(servers), missing)


def _look(family: str) -> tuple[list[Server], str]:
    """The servers of a family, and why there are not more."""
    variable = f"KYSERA_TEST_{family.upper()}"
    if urls := os.environ.get(variable, "").split():
        return [_named(variable, family, url) for url in urls], f"not in {variable}"
    if containers.available():
        return [_contained(family, kind) for kind in FAMILIES[family]], ""
    try:
        server = _probe(family, LOCAL[family])
    except (ConnectionError, ImportError) as error:
        return [], f"no {variable}, no Docker, and no local one: {error}"
    return [server], f"no {variable}, no Docker, and the local one is {server.kind}"


def _named(variable: str, family: str, url: str) -> Server:
    try:
        return _probe(family, url)
    except (ConnectionError, ImportError) as error:
        raise pytest.UsageError(f"{variable}: {error}") from error


def _contained(family: str, kind: str) -> Server:
    image = containers.IMAGES[kind]
    label = f"{kind}: a container of {image.name}, started when a test wants it"
    return Server(family, kind, label, lambda: containers.start(kind, answers))


def _probe(family: str, url: str) -> Server:
    """The server that answers; ConnectionError if none, ImportError if no driver."""
    place = _place(urlsplit(url))
    try:
        version = _ask(url, "SELECT version()")
    except _errors(family) as error:
        reason = str(error).partition("\n")[0]
        raise ConnectionError(f"{family} at {place}: {reason}") from error
    kind = _kind(family, version)
    number = " ".join(version.split()[:2]) if kind == "postgresql" else version
    return Server(family, kind, f"{kind} at {place}: {number}", lambda: url)


def _errors(family: str) -> tuple[type[Exception], ...]:
    """What the driver raises; ImportError if there is no driver."""
    if family == "postgresql":
        import psycopg

        return (psycopg.Error,)
    import pymysql

    return (pymysql.Error, RuntimeError)  # a way to log in that wants a package more


def _kind(family: str, version: str) -> str:
    return "mariadb" if "mariadb" in version.lower() else family


def _place(url: SplitResult) -> str:
    """Host and port, for people: a URL may hold a password."""
    port = url.port or (5432 if url.scheme.startswith("postgres") else 3306)
    return f"{url.hostname}:{port}"


def answers(url: str) -> bool:
    """Whether a server lets us in at ``url``."""
    family = "postgresql" if url.startswith("postgres") else "mysql"
    try:
        _probe(family, url)
    except ConnectionError:
        return False
    return True


@contextmanager
def connect(url: str) -> Generator[Any, None, None]:
    """A raw connection of the URL's driver in autocommit, closed at the end."""
    parts = urlsplit(url)
    if parts.scheme.startswith("postgres"):
        import psycopg

        connection: Any = psycopg.connect(url, autocommit=True, connect_timeout=5)
    else:
        connection = _mysql(
            host=parts.hostname,
            port=parts.port or 3306,
            user=unquote(parts.username or "root"),
            password=unquote(parts.password or ""),
            database=unquote(parts.path[1:]) or None,
            autocommit=True,
            connect_timeout=5,
        )
    try:
        yield connection
    finally:
        connection.close()


def _mysql(**options: Any) -> Any:
    """A connection of PyMySQL, whose greeting with a busy server may fail once."""
    import pymysql

    try:
        return pymysql.connect(**options)
    except pymysql.InternalError:  # seen: "Packet sequence number wrong"
        return pymysql.connect(**options)


def _ask(url: str, sql: str) -> str:
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return str(cursor.fetchone()[0])


def run(url: str, statements: Iterable[str]) -> None:
    """Execute each of the statements, each in a transaction of its own."""
    with connect(url) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def unique() -> str:
    """A word that no other has, without a digit: none of the secrets is in it."""
    return "".join(choice(ascii_lowercase) for _ in range(20))


@contextmanager
def database(server: Server) -> Generator[str, None, None]:
    """The URL of a new, empty database of ``server``, dropped at the end."""
    url, name = server.url(), f"kysera_test_{unique()}"
    if server.family == "postgresql":
        make = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"
    else:
        make = f"CREATE DATABASE {name} CHARACTER SET utf8mb4"
    run(url, [make])
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        run(url, _dropping(server, name))


def _dropping(server: Server, name: str) -> list[str]:
    """Statements that drop a database, whoever is still connected to it."""
    if server.family == "postgresql":
        return dropping(name)
    import pymysql

    with connect(server.url()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE db = %s", (name,)
        )
        for (thread,) in cursor.fetchall():
            with suppress(pymysql.OperationalError):  # it has ended by itself
                cursor.execute(f"KILL {int(thread)}")
    return [f"DROP DATABASE {name}"]


def dropping(name: str) -> list[str]:
    """Statements that drop a database of PostgreSQL; WITH (FORCE) came with 13."""
    theirs = f"FROM pg_stat_activity WHERE datname = '{name}'"
    return [f"SELECT pg_terminate_backend(pid) {theirs}", f"DROP DATABASE {name}"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that wants a server on each that was found."""
    for family in FAMILIES:
        for name in (f"{family}_url", f"{family}_server"):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, parameters(family), indirect=True)


def parameters(family: str) -> list[Any]:
    """The servers of a family, for a fixture that is given them one by one."""
    return [_param(entry) for entry in found().of(family)]


def _param(entry: Server | str) -> Any:
    if isinstance(entry, Server):
        return pytest.param(entry, id=entry.kind)
    reason = f"no {entry}: {found().missing[entry]}"
    return pytest.param(None, id=entry, marks=pytest.mark.skip(reason=reason))


def pytest_configure() -> None:
    """Fail before the first test when a server that is demanded is missing."""
    demanded = os.environ.get("KYSERA_TEST_REQUIRE", "").replace(",", " ").split()
    known = [*KINDS, *PROGRAMS]
    if unknown := set(demanded) - set(known):
        raise pytest.UsageError(
            f"KYSERA_TEST_REQUIRE: expected some of {', '.join(known)}, "
            f"got {', '.join(sorted(unknown))}"
        )
    if absent := [kind for kind in demanded if kind in found().missing]:
        raise pytest.UsageError(
            "\n".join(f"no {k}: {found().missing[k]}" for k in absent)
            + "\nset the URLs, or take it out of KYSERA_TEST_REQUIRE"
        )


def pytest_report_header() -> list[str]:
    """The servers that were found, and loudly those that were not."""
    return [
        *(server.label for server in found().servers),
        *(f"!!! NO {k.upper()}: {why} !!!" for k, why in found().missing.items()),
    ]
