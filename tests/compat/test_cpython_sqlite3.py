"""CPython's own tests of sqlite3 come to the same, raw and through the shim."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

import tests.compat.cpython_suite
from tests.compat.outcomes import Run, differences
from tests.compat.process import run_script

SUITE = "test.test_sqlite3"

_FRAME = "a DeprecationWarning names the frame that called the driver: the shim's"

#: What no proxy can pass, and why. A test of these that passes is an error too.
ALWAYS_OUT_OF_REACH = {
    "test_dbapi.OpenTests.test_database_keyword": (
        "asks for type(connection) is sqlite3.Connection"
    ),
    "test_dbapi.ConnectionTests.test_connection_reinit": (
        "calls __init__ of an open connection to open another database"
    ),
    "test_dbapi.ConnectionTests.test_connection_bad_reinit": (
        "calls __init__ of an open connection to break it"
    ),
    "test_regression.RegressionTests.test_bpo31770": (
        "sqlite3.Cursor(connection) checks in C for a true sqlite3.Connection"
    ),
    "test_regression.RecursiveUseOfCursors.test_recursive_cursor_init": (
        "calls __init__ of a cursor while it fetches"
    ),
}
#: The same by the first version of Python whose suite holds it.
OUT_OF_REACH_SINCE = {
    (3, 12): {
        "test_dbapi.CursorTests.test_execute_named_param_and_sequence": _FRAME,
        "test_types.DateTimeTests.test_sqlite_date": _FRAME,
        "test_types.DateTimeTests.test_sqlite_timestamp": _FRAME,
    },
    (3, 13): {
        "test_dbapi.ConnectionTests.test_connect_positional_arguments": _FRAME,
        "test_factory.ConnectionFactoryTests."
        "test_connection_factory_as_positional_arg": _FRAME,
        "test_hooks.ProgressTests.test_progress_handler_keyword_args": _FRAME,
        "test_hooks.TraceCallbackTests.test_trace_keyword_args": _FRAME,
        "test_userfunctions.AggregateTests.test_agg_keyword_args": _FRAME,
        "test_userfunctions.FunctionTests.test_func_keyword_args": _FRAME,
        **dict.fromkeys(
            (
                f"test_userfunctions.{case}.test_authorizer_keyword_args"
                for case in (
                    "AuthorizerTests",
                    "AuthorizerIllegalTypeTests",
                    "AuthorizerLargeIntegerTests",
                    "AuthorizerRaiseExceptionTests",
                )
            ),
            _FRAME,
        ),
    },
}
OUT_OF_REACH = ALWAYS_OUT_OF_REACH | {
    name: why
    for version, found in OUT_OF_REACH_SINCE.items()
    if sys.version_info >= version
    for name, why in found.items()
}

#: The same where a plugin is on the connection, so that the schema is asked for.
OUT_OF_REACH_OF_PLUGINS = OUT_OF_REACH | {
    "test_dbapi.ConnectionTests.test_connection_limits": (
        "wants one of two errors of a text that is too long: asking gets the other"
    )
}

_UNKNOWN = "what is no statement is refused, not sent"

#: What the shim refuses while a table is protected, by the start of the tests' names.
REFUSED = {
    "test_backup.BackupTests.": "a backup would show hidden rows",
    "test_dbapi.SerializeTests.": "the bytes of a database hold hidden rows",
    "test_dbapi.ExtensionTests.test_script_syntax_error": _UNKNOWN,
    "test_cli.CommandLineInterface.test_cli_execute_incomplete_sql": _UNKNOWN,
    "test_cli.InteractiveSession.test_interact_invalid_sql": _UNKNOWN,
    "test_transactions.SpecialCommandTests.test_pragma": (
        "PRAGMA psow is not known to be harmless"
    ),
}


@pytest.fixture(scope="module")
def raw(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """What the suite comes to on the driver alone; skips if there is no suite."""
    if importlib.util.find_spec("test") is None or not importlib.util.find_spec(SUITE):
        text = f"not run: {sys.executable} was installed without {SUITE}"
        terminal = request.config.get_terminal_writer()
        terminal.line()
        terminal.sep("!", text, red=True)
        pytest.skip(text)
    return outcomes("raw", tmp_path_factory.mktemp("raw"))


def outcomes(variant: str, folder: Path, *modules: str) -> Run:
    """What the suite comes to in a process of its own, started in ``folder``."""
    file = folder / f"{variant}.json"
    script = tests.compat.cpython_suite.__file__
    run_script(script, variant, str(file), *modules, cwd=folder)
    return Run(**json.loads(file.read_text()))


def short(found: dict[str, str]) -> dict[str, str]:
    """The same with the suite's own name taken off the tests' names."""
    return {name.removeprefix(f"{SUITE}."): text for name, text in found.items()}


def test_the_driver_alone_passes(raw: Run) -> None:
    kinds = {outcome.partition(":")[0] for outcome in raw.outcomes.values()}
    assert kinds <= {"passed", "skipped"}, raw.tracebacks
    assert len(raw.outcomes) > 400
    assert {f"{SUITE}.{name}" for name in OUT_OF_REACH} <= raw.outcomes.keys()


@pytest.mark.parametrize("variant", ["bare", "noop", "hooked"])
def test_the_suite_comes_to_the_same_through_the_shim(
    raw: Run, variant: str, tmp_path: Path
) -> None:
    found = short(differences(raw, outcomes(variant, tmp_path)))
    known = OUT_OF_REACH if variant == "bare" else OUT_OF_REACH_OF_PLUGINS
    unexpected = [text for name, text in found.items() if name not in known]
    assert not unexpected, "\n".join(found)
    assert found.keys() == known.keys()


def test_beside_a_protected_table_the_suite_differs_in_what_is_refused(
    raw: Run, tmp_path: Path
) -> None:
    found = short(differences(raw, outcomes("protected", tmp_path)))
    known = OUT_OF_REACH_OF_PLUGINS
    refused = {name: text for name, text in found.items() if name not in known}
    there = {start_of(name) for name in short(raw.outcomes)}
    assert {start_of(name) for name in refused} == REFUSED.keys() & there
    assert all("UnsupportedStatement" in text for text in refused.values()), refused


def start_of(name: str) -> str:
    """The start of a test's name that REFUSED holds, or else the whole name."""
    return next((start for start in REFUSED if name.startswith(start)), name)


def test_a_wrong_wrapper_would_be_seen(raw: Run, tmp_path: Path) -> None:
    found = short(differences(raw, outcomes("broken", tmp_path, "test_transactions")))
    ran = {text for text in found.values() if not text.startswith("passed -> not run")}
    assert len(ran) >= 2, found
