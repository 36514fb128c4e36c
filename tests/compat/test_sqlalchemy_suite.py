"""SQLAlchemy's suite for dialects comes to the same, raw and through the shim."""

import json
from collections import Counter
from pathlib import Path

import pytest

import tests.compat.sqlalchemy_suite
from tests.compat.process import run_script

pytestmark = pytest.mark.slow
#: The only texts of the suite that are refused beside a protected table.
REFUSED = {
    "ATTACH DATABASE is refused",  # SQLAlchemy's own setup of a second schema
    "( is no statement that is understood",  # SQLite does not take it either
}


def outcomes(variant: str, folder: Path) -> tuple[dict[str, str], list[str]]:
    """What the suite comes to in a process of its own, and what would be refused."""
    file = folder / f"{variant}.json"
    script = tests.compat.sqlalchemy_suite.__file__
    run_script(script, variant, str(file), cwd=folder)
    seen, refused = json.loads(file.read_text())
    return seen, refused


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the suite comes to on the driver alone."""
    seen, _ = outcomes("raw", tmp_path_factory.mktemp("raw"))
    return seen


def test_most_of_the_suite_runs(raw: dict[str, str]) -> None:
    assert Counter(raw.values())["passed"] > 900


CASES: list[tuple[str, set[str]]] = [("noop", set()), ("reported", REFUSED)]


@pytest.mark.parametrize(("variant", "expected"), CASES)
def test_the_suite_comes_to_the_same_through_the_shim(
    variant: str, expected: set[str], raw: dict[str, str], tmp_path: Path
) -> None:
    seen, refused = outcomes(variant, tmp_path)
    assert dict(raw.items() ^ seen.items()) == {}
    texts = {text.removeprefix("would be refused: ") for text in refused}
    starts = {start for start in REFUSED if any(t.startswith(start) for t in texts)}
    assert (starts, len(texts)) == (expected, len(expected))
