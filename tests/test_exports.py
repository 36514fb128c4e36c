"""``__all__`` of every public module is what is really there."""

import ast
import pkgutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

PACKAGES = ("kysera", "kysera_dbapi", "kysera_dialects")


def modules() -> Iterator[str]:
    """The names of all public modules, whether or not they can be imported."""
    for package in PACKAGES:
        yield package
        paths = import_module(package).__path__
        for found in pkgutil.walk_packages(paths, f"{package}."):
            if "._" not in found.name:
                yield found.name


def defined(text: str, *, package: bool) -> set[str]:
    """The public names that a module's text makes; a package's, imported ones too."""
    return {n for n in _made(ast.parse(text).body, package) if not n.startswith("_")}


def _made(body: Iterable[ast.stmt], package: bool) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign():
                yield from (n for target in node.targets for n in _names(target))
            case ast.AnnAssign():
                yield from _names(node.target)
            case ast.ImportFrom() if package and _of_ours(node):
                yield from (alias.asname or alias.name for alias in node.names)
            case ast.If() if "TYPE_CHECKING" in ast.unparse(node.test):
                yield from _made(node.orelse, package)
            case ast.If() | ast.Try() | ast.With():
                yield from _made(_inside(node), package)
            case _:
                pass


def _names(target: ast.expr) -> Iterator[str]:
    """The names that an assignment binds in the module."""
    return (
        node.id
        for node in ast.walk(target)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )


def _of_ours(node: ast.ImportFrom) -> bool:
    return node.level > 0 or str(node.module).partition(".")[0] in PACKAGES


def _inside(node: ast.If | ast.Try | ast.With) -> list[ast.stmt]:
    if isinstance(node, ast.Try):
        handlers = [s for handler in node.handlers for s in handler.body]
        return [*node.body, *handlers, *node.orelse, *node.finalbody]
    return [*node.body, *([] if isinstance(node, ast.With) else node.orelse)]


def faults(module: ModuleType, text: str) -> list[str]:
    """What is wrong with the ``__all__`` of a module of that text."""
    made = defined(text, package=hasattr(module, "__path__"))
    listed: list[str] | None = getattr(module, "__all__", None)
    if listed is None:
        return [f"no __all__, but {', '.join(sorted(made))}"] if made else []
    return [
        *(f"{n} is listed twice" for n in sorted(listed) if listed.count(n) > 1),
        *(f"{n} is listed, not there" for n in listed if not hasattr(module, n)),
        *(f"{n} is there, not listed" for n in sorted(made.difference(listed))),
    ]


@pytest.mark.parametrize("name", list(modules()))
def test_all_is_what_is_there(name: str) -> None:
    module = import_module(name)
    text = Path(str(module.__file__)).read_text(encoding="utf-8")
    assert not faults(module, text)


def test_every_package_was_read() -> None:
    assert {*PACKAGES, "kysera_dbapi.errors", "kysera_dialects.sqlite"} <= {*modules()}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("def f(): ...", "no __all__, but f"),
        ("__all__ = []\nclass A: ...", "A is there, not listed"),
        ("__all__ = ['b']\na = b = 1", "a is there, not listed"),
        ("__all__ = []\nx: int = 1", "x is there, not listed"),
        ("__all__ = []\ntry:\n    a, _b = 1, 2\nexcept OSError: ...", "a is there"),
        ("__all__ = []\nif True:\n    pass\nelse:\n    f = 1", "f is there"),
        ("__all__ = ['gone']", "gone is listed, not there"),
        ("__all__ = ['f', 'f']\ndef f(): ...", "f is listed twice"),
    ],
)
def test_a_fault_is_seen(text: str, fault: str) -> None:
    module = ModuleType("sample")
    exec(text, module.__dict__)
    found = faults(module, text)
    assert found[:1] == [fault] or fault in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "import os\n_private = 1\ndef _f(): ...",
        "__all__ = ['A']\nfrom os import path\nclass A: ...",
        "__all__ = ['path']\nfrom os import path",
    ],
)
def test_what_is_right_passes(text: str) -> None:
    module = ModuleType("sample")
    exec(text, module.__dict__)
    assert not faults(module, text)


def test_what_a_package_imports_from_us_is_public() -> None:
    text = "from kysera_dbapi.errors import Error\nfrom os import path\n"
    assert defined(text, package=True) == {"Error"}
    assert defined("from .errors import Error as E", package=True) == {"E"}
    assert defined(text, package=False) == set()
