"""The rules of the house, read from the source: who imports whom, what lies where."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "kysera": ROOT / "kysera",
    "kysera_dbapi": ROOT / "kysera_dbapi",
    "kysera_dialects": ROOT / "dialects" / "kysera_dialects",
}
OTHERS = ("tests", "examples", "benchmarks")

#: What each module of kysera_dbapi may import: these, and all that these may import.
DIRECTIONS = {
    "_codes": "",
    "errors": "_codes",
    "protocols": "",
    "mode": "errors",
    "_blocks": "",
    "_context": "_blocks errors",
    "_sqlglot": "errors",
    "rule": "errors",
    "dialect": "rule errors protocols",
    "registry": "dialect errors",
    "value_list": "",
    "lists": "errors",
    "shape": "lists dialect errors",
    "binding": "_blocks dialect errors",
    "params": "binding dialect errors shape",
    "catalogue": "dialect errors protocols",
    "source": "shape dialect",
    "referring": "source shape",
    "merge": "_sqlglot",
    "layout": "merge _sqlglot",
    "respelling": "layout",
    "exposure": "dialect",
    "locking": "",
    "stand_in": "source _sqlglot",
    "statement": "exposure layout locking source catalogue dialect _sqlglot",
    "walker": "merge statement exposure errors",
    "targets": "walker statement",
    "parsing": "targets walker respelling stand_in",
    "splices": "binding errors",
    "names": "splices _sqlglot",
    "predicate": "splices binding",
    "condition": "predicate catalogue _sqlglot dialect errors",
    "grouping": "statement",
    "derivation": "exposure grouping predicate splices statement",
    "joining": "derivation predicate splices statement",
    "placement": "derivation joining layout predicate splices statement",
    "row_images": "",
    "deletion": "row_images splices names statement",
    "violation": "errors",
    "insertion": "names splices _sqlglot params",
    "checking": "exposure names predicate splices",
    "holding": "insertion grouping predicate splices",
    "proposed": "holding insertion predicate splices _sqlglot",
    "proposal": "insertion names predicate splices",
    "action": "proposal placement violation",
    "changing": "binding splices _sqlglot",
    "conflict": "changing holding names predicate splices _sqlglot violation",
    "several": "layout splices statement",
    "image": "splices names layout",
    "edits": "parsing deletion image placement checking conflict insertion condition "
    "functions action holding proposed several changing",
    "collision": "catalogue",
    "resolution": "parsing predicate edits statement source",
    "finding": "",
    "plugin": "errors finding mode",
    "verification": "reach plugin finding",
    "viewed": "reach grouping plugin catalogue statement errors",
    "outline": "params",
    "plan": "outline source",
    "program": "plan edits",
    "mentions": "catalogue dialect shape",
    "functions": "mentions statement catalogue dialect",
    "reach": "parsing functions mentions statement catalogue dialect",
    "searching": "edits errors",
    "closed_world": "functions reach mentions referring plugin edits searching "
    "statement catalogue",
    "limits": "statement",
    "planner": "parsing limits program closed_world plan plugin",
    "standing": "plan catalogue",
    "pipeline": "planner plan plugin standing _blocks",
    "transaction": "",
    "turn": "errors",
    "script": "dialect shape",
    "explanation": "pipeline errors",
    "fresh": "pipeline plan",
    "session": "fresh violation _context collision pipeline transaction turn",
    "connection": "session explanation verification",
    "authorizer": "session reach",
    "testing": "connection catalogue protocols",
    "cursor": "session plan",
    "dump": "catalogue dialect",
    "physical": "session",
    "subclasses": "connection cursor",
    "sqlite3_session": "session script authorizer violation",
    "sqlite3_cursor": "cursor sqlite3_session subclasses",
    "sqlite3": "registry sqlite3_cursor connection dump physical subclasses",
    "copying": "catalogue dialect shape",
    "psycopg_session": "session violation",
    "psycopg_cursor": "copying cursor psycopg_session script",
    "psycopg": "registry psycopg_cursor connection",
    "pymysql_session": "registry session violation value_list",
    "pymysql_rows": "",
    "pymysql_cursor": "cursor pymysql_session pymysql_rows script",
    "pymysql": "pymysql_cursor connection",
    "_connect": "registry connection sqlite3 psycopg pymysql",
    "installation": "plugin",
    "sqlite3_installation": "installation sqlite3",
    "psycopg_installation": "installation psycopg",
    "pymysql_installation": "installation pymysql",
    "_install": (
        "sqlite3_installation psycopg_installation pymysql_installation session"
    ),
}
#: These may import what is written here and no more.
PLUGINS = {
    "plugin", "statement", "edits", "splices", "predicate", "condition", "resolution",
    "collision", "viewed",
    "catalogue", "_blocks", "_context", "errors", "protocols", "dialect", "binding",
    "finding",
}  # fmt: skip
DIALECTS = {"value_list", "dialect", "catalogue", "errors", "params", "shape"}

DRIVERS = {"sqlite3", "psycopg", "psycopg2", "pymysql", "MySQLdb", "aiosqlite"}
DATABASES = {"sqlite", "postgresql", "postgres", "mysql", "mariadb", "mssql"}
#: The module that knows the schemes of URLs, and so the databases' names.
SCHEMES = "kysera_dbapi._connect"
JUNK = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
FILE, FUNCTION, DEPTH = 600, 60, 2


@dataclass(frozen=True)
class Module:
    """A module of ours: its dotted name, whether it is a folder's, its text."""

    name: str
    text: str
    package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    @cached_property
    def imports(self) -> frozenset[str]:
        """Dotted names imported anywhere but under TYPE_CHECKING."""
        return frozenset(self._imports(self.tree))

    def _imports(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = self._base(node)
            yield from (f"{base}.{alias.name}" for alias in node.names)
        for child in _at_run_time(node):
            yield from self._imports(child)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return str(node.module)
        parts = self.name.split(".")
        parts = parts[: len(parts) - node.level + self.package]
        return ".".join([*parts, node.module] if node.module else parts)


def _at_run_time(node: ast.AST) -> Iterable[ast.AST]:
    """The children of a node, less what only type checkers see."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return node.orelse
    return ast.iter_child_nodes(node)


def read(folder: Path, package: str) -> Iterator[Module]:
    """The modules below a folder that is the package of that name."""
    for path in sorted(folder.rglob("*.py")):
        parts = [package, *path.relative_to(folder).with_suffix("").parts]
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        yield Module(name, path.read_text(encoding="utf-8"), is_package)


MODULES = {m.name: m for name, at in FOLDERS.items() for m in read(at, name)}
ALL = [*MODULES.values(), *(m for name in OTHERS for m in read(ROOT / name, name))]

every_module = pytest.mark.parametrize("module", MODULES.values(), ids=lambda m: m.name)


def ours(module: Module, modules: Iterable[str] = MODULES) -> set[str]:
    """The modules of ours that a module imports."""
    known = set(modules)
    found: set[str] = set()
    for name in module.imports:
        if name.partition(".")[0] in FOLDERS:
            found.add(name if name in known else name.rpartition(".")[0] or name)
    return found - {module.name}


def allowed(name: str) -> set[str]:
    """All modules of kysera_dbapi that one of them may import."""
    direct = set(DIRECTIONS[name].split())
    return direct.union(*(allowed(other) for other in direct))


#: From the text to the plan: no I/O.
ENGINE = allowed("pipeline") | {"pipeline"}


def wrong_directions(module: Module, modules: Iterable[str] = MODULES) -> set[str]:
    """The imports of a module that point the wrong way."""
    package, _, inner = module.name.partition(".")
    imported = ours(module, modules)
    if package == "kysera":
        return {n for n in imported if not _public(n)} | _private_names(module)
    if package == "kysera_dialects":
        return imported - _within("kysera_dialects", imported) - _shim(DIALECTS)
    if not inner:  # the package itself
        return imported - _within("kysera_dbapi", imported)
    if inner.partition(".")[0] == "plugins":
        family = _within("kysera_dbapi.plugins", imported)
        return imported - family - _shim(PLUGINS)
    assert inner in DIRECTIONS, f"say in DIRECTIONS what {module.name} may import"
    return imported - _shim(allowed(inner))


def _shim(names: set[str]) -> set[str]:
    return {f"kysera_dbapi.{name}" for name in names}


def _within(package: str, names: set[str]) -> set[str]:
    return {n for n in names if n == package or n.startswith(f"{package}.")}


def _public(name: str) -> bool:
    """Whether the toolkit may import it: its own, or public of the driver."""
    package = name.partition(".")[0]
    return package == "kysera" or (package == "kysera_dbapi" and "._" not in name)


def _private_names(module: Module) -> set[str]:
    return {n for n in module.imports if n.startswith("kysera_dbapi") and "._" in n}


def drivers(module: Module) -> set[str]:
    """The drivers that a module imports."""
    return {name.partition(".")[0] for name in module.imports} & DRIVERS


def sqlglot_internals(module: Module) -> set[str]:
    """What a module takes from sqlglot, less the tree classes."""
    taken = {n for n in module.imports if n.partition(".")[0] == "sqlglot"}
    return {name for name in taken if name != "sqlglot.exp"}


def database_tests(module: Module) -> set[int]:
    """The lines that compare something with the name of a database."""
    return {
        node.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Compare | ast.MatchValue)
        and any(
            isinstance(part, ast.Constant) and part.value in DATABASES
            for part in ast.walk(node)
        )
    }


def long_functions(module: Module) -> set[str]:
    """The functions that are too long, their docstrings not counted."""
    return {
        node.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and _lines(node) > FUNCTION
    }


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (node.end_lineno or 0) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        docstring = node.body[0]
        lines -= (docstring.end_lineno or 0) - docstring.lineno + 1
    return lines


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of one import cycle, none if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


@every_module
def test_imports_point_one_way(module: Module) -> None:
    assert not wrong_directions(module)


def test_no_import_cycle() -> None:
    assert not cycle({m.name: ours(m) for m in MODULES.values()})


@every_module
def test_the_engine_knows_no_driver(module: Module) -> None:
    package, _, inner = module.name.partition(".")
    pure = inner in ENGINE or inner.startswith("plugins") or package != "kysera_dbapi"
    assert not (pure and drivers(module))


@every_module
def test_one_module_touches_sqlglot(module: Module) -> None:
    assert module.name == "kysera_dbapi._sqlglot" or not sqlglot_internals(module)


@every_module
def test_no_test_of_the_database_outside_its_dialect(module: Module) -> None:
    exempt = module.name.startswith("kysera_dialects") or module.name == SCHEMES
    assert exempt or not database_tests(module)


@pytest.mark.parametrize("module", ALL, ids=lambda m: m.name)
def test_sizes(module: Module) -> None:
    lines = len(module.text.splitlines())
    assert lines <= FILE
    assert not long_functions(module)
    assert module.name.count(".") <= DEPTH + (not module.package)


@pytest.mark.parametrize("module", ALL, ids=lambda m: m.name)
def test_no_drawer_for_everything(module: Module) -> None:
    assert module.name.rpartition(".")[2].strip("_") not in JUNK


def test_every_package_was_read() -> None:
    assert MODULES.keys() >= FOLDERS.keys()
    assert {"kysera_dbapi.errors", "kysera_dialects.sqlite"} <= MODULES.keys()
    assert {"tests.conftest", "tests.test_architecture"} <= {m.name for m in ALL}


WRONG = [
    ("kysera_dbapi.errors", "from kysera_dbapi.protocols import RawCursor"),
    ("kysera_dbapi.errors", "from .protocols import RawCursor"),
    ("kysera_dbapi.errors", "from . import protocols"),
    ("kysera_dbapi.statement", "def f():\n    from kysera_dbapi.edits import Draft"),
    ("kysera_dbapi.plan", "import kysera_dbapi.connection"),
    ("kysera_dbapi.edits", "import kysera_dialects.sqlite"),
    ("kysera_dbapi.edits", "from kysera_dbapi import connect"),
    ("kysera_dbapi.connection", "import kysera"),
    ("kysera_dbapi.plugins.audit", "from kysera_dbapi import _sqlglot"),
    ("kysera_dbapi.plugins.audit", "from ..connection import Connection"),
    ("kysera_dialects.duck", "from kysera_dbapi.parsing import parse"),
    ("kysera.pool", "from kysera_dbapi._context import scope"),
    ("kysera.pool", "from kysera_dbapi.errors import _TEXTS"),
    ("kysera.pool", "from kysera_dialects.sqlite import SQLiteDialect"),
]
RIGHT = [
    ("kysera_dbapi.edits", "from kysera_dbapi import _sqlglot"),
    ("kysera_dbapi.edits", "from kysera_dbapi.errors import Error\nimport re"),
    ("kysera_dbapi.errors", "if TYPE_CHECKING:\n    import kysera_dbapi.plan"),
    ("kysera_dbapi.plugins.audit", "from kysera_dbapi.plugins.clock import now"),
    ("kysera_dbapi.plugins.audit", "from ..plugin import Plugin"),
    ("kysera_dialects.duck", "from kysera_dbapi.dialect import Dialect"),
    ("kysera.pool", "import kysera_dbapi\nfrom kysera_dbapi.errors import Error"),
]
KNOWN = [f"kysera_dbapi.{n}" for n in [*DIRECTIONS, "plugins", "plugins.clock"]]


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_a_wrong_import_is_seen(name: str, text: str) -> None:
    assert wrong_directions(Module(name, text), [*KNOWN, *MODULES])


@pytest.mark.parametrize(("name", "text"), RIGHT)
def test_a_right_import_passes(name: str, text: str) -> None:
    assert not wrong_directions(Module(name, text), [*KNOWN, *MODULES])


def test_a_module_without_a_direction_is_seen() -> None:
    with pytest.raises(AssertionError, match="DIRECTIONS"):
        wrong_directions(Module("kysera_dbapi.novelty", ""))


def test_the_directions_themselves_have_no_cycle() -> None:
    assert not cycle({name: set(text.split()) for name, text in DIRECTIONS.items()})
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}})


@pytest.mark.parametrize(
    "text",
    [
        "if dialect.name == 'mysql': pass",
        "found = name in ('sqlite', 'duck')",
        "match name:\n    case 'postgresql': pass",
    ],
)
def test_a_test_of_the_database_is_seen(text: str) -> None:
    assert database_tests(Module("kysera_dbapi.edits", text))
    assert not database_tests(Module("kysera_dbapi.edits", "name = 'mysql'"))


@pytest.mark.parametrize(
    "text",
    [
        "import sqlglot",
        "from sqlglot import parse_one, exp",
        "import sqlglot.optimizer",
    ],
)
def test_other_parts_of_sqlglot_are_seen(text: str) -> None:
    assert sqlglot_internals(Module("kysera_dbapi.edits", text))
    assert not sqlglot_internals(
        Module("kysera_dbapi.edits", "from sqlglot import exp")
    )


def test_a_driver_and_a_long_function_are_seen() -> None:
    body = "".join(f"    x = {n}\n" for n in range(FUNCTION))
    module = Module("kysera_dbapi.plan", f"import sqlite3\ndef f():\n{body}")
    assert drivers(module) == {"sqlite3"}
    assert long_functions(module) == {"f"}
    documented = f'def f():\n    """One.\n\n    Two.\n    """\n{body[10:]}'
    assert not long_functions(Module("kysera_dbapi.plan", documented))
