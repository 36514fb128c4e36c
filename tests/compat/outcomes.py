"""What each test of a unittest suite came to, and where two runs of it differ."""

import traceback
import unittest
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, TypeAlias

__all__ = ["Outcomes", "Run", "differences", "run"]

_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
)


@dataclass(frozen=True)
class Run:
    """The outcome of each test by its id, and the tracebacks of those that failed."""

    outcomes: dict[str, str] = field(default_factory=dict[str, str])
    tracebacks: dict[str, str] = field(default_factory=dict[str, str])

    def as_dict(self) -> dict[str, Any]:
        """For ``json``; ``Run(**...)`` is the way back."""
        return asdict(self)


class Outcomes(unittest.TestResult):
    """Notes passed, skipped: reason, failed: Class, line 1, or error: ....

    The line is the test's own, so a test that fails anyway must fail at one place.
    Sub-tests count with their test: their ids may hold addresses.
    """

    def __init__(self) -> None:
        super().__init__()
        self.run = Run()

    def startTest(self, test: unittest.TestCase) -> None:
        """A test passes until something else is heard of it."""
        super().startTest(test)
        self.run.outcomes[test.id()] = "passed"

    def addError(self, test: unittest.TestCase, err: _ExcInfo) -> None:
        """The test raised something else than a failure."""
        super().addError(test, err)
        self._note(test, f"error: {_where(err)}", self.errors)

    def addFailure(self, test: unittest.TestCase, err: _ExcInfo) -> None:
        """An assertion of the test did not hold."""
        super().addFailure(test, err)
        self._note(test, f"failed: {_where(err)}", self.failures)

    def addSubTest(
        self,
        test: unittest.TestCase,
        subtest: unittest.TestCase,
        err: _ExcInfo | None,
    ) -> None:
        """A sub-test ended, well if there is no ``err``."""
        super().addSubTest(test, subtest, err)
        if err is None:
            return
        failed = err[0] is not None and issubclass(err[0], test.failureException)
        kind, notes = "error", self.errors
        if failed:
            kind, notes = "failed", self.failures
        self._note(test, f"{kind}: {_where(err)}", notes)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        """The test, or a sub-test of it, did not run."""
        super().addSkip(test, reason)
        self._note(test, f"skipped: {reason}")

    def addExpectedFailure(self, test: unittest.TestCase, err: _ExcInfo) -> None:
        """The test failed, as it says itself."""
        super().addExpectedFailure(test, err)
        self._note(test, f"failed as expected: {_where(err)}")

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        """The test passed, against what it says itself."""
        super().addUnexpectedSuccess(test)
        self._note(test, "passed unexpectedly")

    def _note(
        self,
        test: unittest.TestCase,
        outcome: str,
        notes: list[tuple[unittest.TestCase, str]] | None = None,
    ) -> None:
        test_id = getattr(test, "test_case", test).id()  # a sub-test has a test_case
        earlier = self.run.outcomes.get(test_id, "passed")
        if earlier not in ("passed", outcome):
            outcome = f"{earlier}; {outcome}"
        self.run.outcomes[test_id] = outcome
        if notes:
            self.run.tracebacks[test_id] = notes[-1][1]


def run(suite: unittest.TestSuite | unittest.TestCase) -> Run:
    """Run every test of ``suite``; nothing is printed."""
    result = Outcomes()
    suite.run(result)
    return result.run


def differences(raw: Run, wrapped: Run) -> dict[str, str]:
    """The tests that came to something else, as ``raw -> wrapped`` and a traceback."""
    found: dict[str, str] = {}
    for test_id in sorted(raw.outcomes.keys() | wrapped.outcomes.keys()):
        before, after = _of(raw.outcomes, test_id), _of(wrapped.outcomes, test_id)
        if before != after:
            text = wrapped.tracebacks.get(test_id, "")
            found[test_id] = f"{before} -> {after}\n{text}"
    return found


def _of(outcomes: Mapping[str, str], test_id: str) -> str:
    return outcomes.get(test_id, "not run")


def _where(err: _ExcInfo) -> str:
    lines = [
        line
        for frame, line in traceback.walk_tb(err[2])
        if frame.f_code.co_name.startswith("test")
    ]
    name = _class_name(err[0])
    return f"{name}, line {lines[-1]}" if lines else name


def _class_name(kind: type[BaseException] | None) -> str:
    # an error of the shim is a twin: what counts is the driver's class in it
    names = [k.__name__ for k in (kind or BaseException).__mro__ if not _ours(k)]
    return names[0]


def _ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in ("kysera_dbapi", "kysera")
