"""PyMySQL's own tests come to the same, raw and through the shim.

They are no part of its package: KYSERA_TEST_PYMYSQL names a checkout of
https://github.com/PyMySQL/PyMySQL, of about the version that is installed.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import tests.compat.pymysql_suite
from tests.compat.outcomes import Run, differences
from tests.compat.process import run_script
from tests.servers import Server, database, parameters

VARIABLE = "KYSERA_TEST_PYMYSQL"

_CONNECTION = "test_connection.py::TestConnection"
_WRITES = "sets what the driver has read of the server: server_version"
_SOCKET = "looks at the socket, which leads past every plugin"
_CHARSET = "sets another character set than utf8mb4"
#: What no proxy can pass, and why. A test of these that passes is an error too.
OUT_OF_REACH = {
    f"{_CONNECTION}::test_ssl_preferred_no_server_ssl": _WRITES,
    f"{_CONNECTION}::test_ssl_required_error": _WRITES,
}
#: What differs with a plugin: it would be led past, or misled.
WITH_PLUGINS = OUT_OF_REACH | {
    f"{_CONNECTION}::test_set_character_set": _CHARSET,
    "test_connection.py::TestEscape::test_force_close_closes_socketio": _SOCKET,
    "test_connection.py::TestEscape::test_socket_closed_on_exception_in_connect": (
        _SOCKET
    ),
}
#: What differs beside a protected table, but for what is refused by an error of ours.
BESIDE = {
    "test_nextset.py::TestNextset::test_nextset_error": (
        "several statements with values are refused"
    ),
    "test_nextset.py::TestNextset::test_multi_cursor": (
        "expected to fail: of several statements one was amid another cursor's"
    ),
}


@pytest.fixture(scope="module")
def checkout(request: pytest.FixtureRequest) -> Path:
    """The checkout; skips loudly if none was named."""
    named = os.environ.get(VARIABLE)
    if not named:
        text = f"PyMySQL's own tests are not run: {VARIABLE} names no checkout of it"
        terminal = request.config.get_terminal_writer()
        terminal.line()
        terminal.sep("!", text, red=True)
        pytest.skip(text)
    return Path(named)


@pytest.fixture(scope="module", params=parameters("mysql"))
def server(request: pytest.FixtureRequest) -> Server:
    """Each server."""
    found: Server = request.param
    return found


def outcomes(
    variant: str, checkout: Path, server: Server, folder: Path, *only: str
) -> Run:
    """What the suite comes to, in a process and in two databases of its own."""
    file = folder / f"{variant}.json"
    script = tests.compat.pymysql_suite.__file__
    with database(server) as first, database(server) as second:
        run_script(script, variant, str(file), first, second, *only, cwd=checkout)
    found: dict[str, Any] = json.loads(file.read_text())
    return Run(**found)


@pytest.fixture(scope="module")
def raw(
    checkout: Path, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """What the suite comes to on the driver alone."""
    return outcomes("raw", checkout, server, tmp_path_factory.mktemp("raw"))


def named(tests: Mapping[str, str]) -> set[str]:
    """The tests' full names."""
    return {f"pymysql/tests/{name}" for name in tests}


def test_most_of_the_suite_passes_on_the_driver_alone(raw: Run) -> None:
    kinds = list(raw.outcomes.values())
    assert kinds.count("passed") > 160
    assert len([k for k in kinds if k.startswith("failed")]) < 6, raw.tracebacks


@pytest.mark.parametrize(
    ("variant", "expected"), [("bare", OUT_OF_REACH), ("noop", WITH_PLUGINS)]
)
def test_the_suite_comes_to_the_same_through_the_shim(
    variant: str,
    expected: dict[str, str],
    raw: Run,
    checkout: Path,
    server: Server,
    tmp_path: Path,
) -> None:
    found = differences(raw, outcomes(variant, checkout, server, tmp_path))
    assert found.keys() == named(expected), "\n".join(found.values())


def test_beside_a_protected_table_the_suite_differs_in_what_is_refused(
    raw: Run, checkout: Path, server: Server, tmp_path: Path
) -> None:
    found = differences(raw, outcomes("protected", checkout, server, tmp_path))
    others = {n: text for n, text in found.items() if not is_refusal(text)}
    allowed = named(WITH_PLUGINS | BESIDE)
    left = {n: t for n, t in others.items() if n not in allowed}
    assert not left, "\n".join(f"{n} {t}" for n, t in left.items())


def is_refusal(text: str) -> bool:
    """Whether a test failed of a refusal."""
    return "UnsupportedStatement" in text


def test_a_wrong_wrapper_would_be_seen(
    raw: Run, checkout: Path, server: Server, tmp_path: Path
) -> None:
    only = "pymysql/tests/test_basic.py"
    dbapi = "pymysql/tests/thirdparty/test_MySQLdb/test_MySQLdb_capabilities.py"
    broken = outcomes("broken", checkout, server, tmp_path, only, dbapi)
    found = differences(raw, broken)
    ran = [text for text in found.values() if not text.startswith("passed -> not run")]
    assert [t for t in ran if t.startswith("passed -> failed")], found
