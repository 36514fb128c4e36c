"""psycopg's own tests come to the same, raw and through the shim.

They are no part of its package: KYSERA_TEST_PSYCOPG names a checkout of
https://github.com/psycopg/psycopg, of about the version that is installed.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tests.compat.psycopg_suite
from tests.compat.outcomes import Run, differences
from tests.compat.process import run_script
from tests.servers import Server, database

VARIABLE = "KYSERA_TEST_PSYCOPG"
#: Asynchronous, of types alone, or in want of other packages.
LEFT_OUT = (
    "async",
    "typing",
    "gevent",
    "windows",
    "dns",
    "attempts",
    "free",
    "tstring",
    "waiting",
)

_TYPE = "asks for type(cursor) is the driver's class"
_COMMANDS = "puts a function of its own in the place of connection._exec_command"
_REACH = {
    "test_connection.py::test_cursor_factory_connect": _TYPE,
    "test_cursor.py::test_default_cursor": _TYPE,
    "test_cursor.py::test_from_cursor_factory": _TYPE,
    "test_cursor_client.py::test_default_cursor": _TYPE,
    "test_cursor_client.py::test_from_cursor_factory": _TYPE,
    "test_cursor_common.py::test_query_parse_cache_size": _TYPE,
    "test_cursor_raw.py::test_default_cursor": _TYPE,
    "test_cursor_server.py::test_itersize": _COMMANDS,
    "test_transaction.py::test_named_savepoints_exception_exit": _COMMANDS,
    "test_transaction.py::test_named_savepoints_successful_exit": _COMMANDS,
    "test_errors.py::test_exception_class_fallback": "asks for type(error) is a class",
}
#: What no proxy can pass, and why. A test of these that passes is an error too.
OUT_OF_REACH = {f"tests/{name}": why for name, why in _REACH.items()}

_EARLY = "a text that is refused fails no transaction: it has not reached the server"
_SEVERAL = "several statements with values are an error, of another class"
_TRACE = "reads what libpq traces: the shim reads the schema first"
_PARTS = "several statements are run one by one, and each may come to be prepared"
#: What differs beside a protected table, but for what is refused by an error of ours.
BESIDE = {
    **dict.fromkeys(
        (
            "test_cursor.py::test_execute_many_results_param",
            "test_cursor_client.py::test_execute_many_results_param",
            "test_cursor_raw.py::test_execute_many_results_param",
        ),
        _SEVERAL,
    ),
    "test_pipeline.py::test_executemany_trace": _TRACE,
    "test_pipeline.py::test_executemany_trace_returning": _TRACE,
    "test_prepared.py::test_no_prepare_multi": _PARTS,
    "test_prepared.py::test_prepare_disable": "looks into the driver's own counts",
    "test_prepared.py::test_no_prepare_multi_with_drop": _PARTS,
    "test_connection.py::test_auto_transaction_fail": _EARLY,
    "test_connection.py::test_autocommit_inerror": _EARLY,
    "test_errors.py::test_diag_independent": _EARLY,
    "test_errors.py::test_error_encoding": _EARLY,
}


@pytest.fixture(scope="module")
def checkout(request: pytest.FixtureRequest) -> Path:
    """The checkout; skips loudly if none was named."""
    named = os.environ.get(VARIABLE)
    if not named:
        text = f"psycopg's own tests are not run: {VARIABLE} names no checkout of it"
        terminal = request.config.get_terminal_writer()
        terminal.line()
        terminal.sep("!", text, red=True)
        pytest.skip(text)
    return Path(named)


@pytest.fixture(scope="module")
def url(postgresql_server: Server) -> Iterator[str]:
    """A database for the suite alone."""
    with database(postgresql_server) as made:
        yield made


def outcomes(variant: str, checkout: Path, url: str, folder: Path, *only: str) -> Run:
    """What the suite comes to in a process of its own."""
    file = folder / f"{variant}.json"
    script = tests.compat.psycopg_suite.__file__
    named = [str(p.relative_to(checkout)) for p in checkout.glob("tests/test_*.py")]
    wanted = [n for n in sorted(named) if not any(word in n for word in LEFT_OUT)]
    given = only or tuple(wanted)
    run_script(script, variant, str(file), url, *given, cwd=checkout)
    found: dict[str, Any] = json.loads(file.read_text())[0]
    return Run(**found)


@pytest.fixture(scope="module")
def raw(checkout: Path, url: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What the suite comes to on the driver alone."""
    return outcomes("raw", checkout, url, tmp_path_factory.mktemp("raw"))


def without_parameters(names: Any) -> set[str]:
    """The tests' own names."""
    return {name.partition("[")[0] for name in names}


def test_most_of_the_suite_passes_on_the_driver_alone(raw: Run) -> None:
    kinds = list(raw.outcomes.values())
    assert kinds.count("passed") > 1000
    assert len([k for k in kinds if k.startswith("failed")]) < 20, raw.tracebacks


def test_the_suite_comes_to_the_same_through_the_shim(
    raw: Run, checkout: Path, url: str, tmp_path: Path
) -> None:
    found = differences(raw, outcomes("bare", checkout, url, tmp_path))
    names = without_parameters(found)
    assert names == OUT_OF_REACH.keys(), "\n".join(found.values())


def test_beside_a_protected_table_the_suite_differs_in_what_is_refused(
    raw: Run, checkout: Path, url: str, tmp_path: Path
) -> None:
    found = differences(raw, outcomes("protected", checkout, url, tmp_path))
    others = {n: text for n, text in found.items() if not is_refusal(text)}
    allowed = OUT_OF_REACH.keys() | {f"tests/{name}" for name in BESIDE}
    left = {n: t for n, t in others.items() if n.partition("[")[0] not in allowed}
    assert not left, "\n".join(f"{n} {t}" for n, t in left.items())


def is_refusal(text: str) -> bool:
    """Whether a test failed of a refusal."""
    return "UnsupportedStatement" in text


def test_a_wrong_wrapper_would_be_seen(
    raw: Run, checkout: Path, url: str, tmp_path: Path
) -> None:
    only = "tests/test_connection.py"
    found = differences(raw, outcomes("broken", checkout, url, tmp_path, only))
    ran = {text for text in found.values() if not text.startswith("passed -> not run")}
    assert len([t for t in ran if t.startswith("passed -> failed")]) >= 2, found
