"""The table of codes: its classes, its sentences, its use, its documentation."""

import ast
import re
import runpy
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from kysera_dbapi import errors
from kysera_dbapi.errors import CODES, KyseraClass

ROOT = Path(__file__).parents[2]
PACKAGES = [
    ROOT / "kysera_dbapi",
    ROOT / "dialects" / "kysera_dialects",
    ROOT / "kysera",
]
CLASSES: dict[str, KyseraClass] = {
    entry.error_class.__name__: entry.error_class for entry in CODES.values()
}
PEP_249 = [name for name in CLASSES if hasattr(sqlite3, name)]


def test_every_class_is_in_the_table() -> None:
    exported = [getattr(errors, name) for name in errors.__all__]
    raised = [c for c in exported if isinstance(c, type) and hasattr(c, "code")]
    assert set(raised) == set(CLASSES.values())


@pytest.mark.parametrize("name", CLASSES)
def test_each_class_has_a_code_of_its_own(name: str) -> None:
    error = CLASSES[name]("broken")
    assert str(error) == "broken"
    assert CODES[error.code].error_class is type(error)
    assert [c.code for c in CLASSES.values()].count(error.code) == 1


def test_the_tree_is_that_of_pep_249() -> None:
    assert len(PEP_249) == 10
    for name in PEP_249:
        ours, driver = CLASSES[name], getattr(sqlite3, name)
        above = [base.__name__ for base in ours.__mro__ if base.__name__ in PEP_249]
        assert above == [b.__name__ for b in driver.__mro__ if b.__name__ in PEP_249]


def test_the_drawing_shows_the_tree() -> None:
    parents: list[str] = []
    drawn: dict[str, str] = {}
    for line in str(errors.__doc__).splitlines():
        if match := re.fullmatch(r"    ([ │├└─]*)(\w+)", line):
            depth = len(match[1]) // 4
            drawn[match[2]] = parents[depth - 1] if depth else ""
            parents[depth:] = [match[2]]
    del drawn["Exception"]
    assert drawn.keys() == CLASSES.keys()
    for name, parent in drawn.items():
        public = [b.__name__ for b in CLASSES[name].__mro__ if b.__name__[0] != "_"]
        assert public[1] == parent


def test_a_code_of_the_table_is_kept() -> None:
    error = errors.UnsupportedStatement("nested 300 deep", code="too-deep")
    assert error.code == "too-deep"
    assert errors.UnsupportedStatement.code == "unsupported-statement"


def test_an_unknown_code_fails_at_once() -> None:
    with pytest.raises(KeyError, match="no such error code: to-deep"):
        errors.UnsupportedStatement("nested 300 deep", code="to-deep")


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_a_slug_with_two_sentences(code: str) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
    for sentence in CODES[code][1:]:
        assert re.fullmatch(r"[A-Z][^\n]*[^.\s]\.", sentence)
        assert ". " not in sentence


def calls(text: str) -> Iterator[tuple[KyseraClass, str, int]]:
    """The errors made in a text: class, code ("" if none is given), line."""
    makers = {**CLASSES, "refuse": errors.UnsupportedStatement}
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        module, _, name = ast.unparse(node.func).rpartition(".")
        codes = [k.value for k in node.keywords if k.arg == "code"]
        of_driver = module in ("_driver", "sqlite3") or module.endswith(".driver")
        if of_driver or name not in makers:
            continue
        match codes:
            case [ast.Constant(value=str(code))]:
                yield makers[name], code, node.lineno
            case [] if name in CLASSES:
                yield makers[name], "", node.lineno
            case _:  # handed on: the caller's is looked at
                pass


def wrong(text: str) -> list[str]:
    """The errors made in a text whose code is not one of their class."""
    return [
        f"line {line}: {made.__name__}, code {code!r}"
        for made, code, line in calls(text)
        if code not in CODES or not issubclass(made, CODES[code].error_class)
    ]


def sources() -> list[Path]:
    return [path for start in PACKAGES for path in sorted(start.rglob("*.py"))]


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_errors_are_raised_with_a_code_of_their_class(path: Path) -> None:
    assert not wrong(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "raise DataError('x', code='gone')",
        "raise errors.DataError('x')",
        "raise InterfaceError('x', code='bad-url')",
        "draft.refuse('x', code='bad-url')",
    ],
)
def test_a_wrong_code_is_seen(text: str) -> None:
    assert wrong(text)


@pytest.mark.parametrize(
    "text",
    [
        "raise errors.PluginError('x', code='configuration')",
        "raise UnsupportedStatement(reason, code=code)",
        "draft.refuse('x', code='too-deep')",
        "draft.refuse('x')",
    ],
)
def test_a_right_code_passes(text: str) -> None:
    assert not wrong(text)


# docs/errors.md


def test_the_reference_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_errors.py"))["reference"]()
    there = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert there == made, "stale: run python -m docs.make_errors"


def test_every_code_has_a_heading_to_link_to() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    links = [re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles]
    assert set(CODES) <= set(links)
    assert len(links) == len(set(links))
