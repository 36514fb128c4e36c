"""What is built: a clean sdist, a wheel of three packages, and it works installed."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from configparser import ConfigParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"kysera", "kysera_dbapi", "kysera_dialects"}
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
META = PROJECT["project"]


class Built(NamedTuple):
    """The wheel made from the sdist made from the checkout, and what both hold."""

    wheel: Path
    in_wheel: frozenset[str]
    in_sdist: frozenset[str]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program to its end; it must end well."""
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def hatchling(source: Path, target: Path, kind: str) -> Path:
    """Build ``source`` into ``target``; the one file that is there."""
    run(sys.executable, "-P", "-m", "hatchling", "build", "-t", kind, "-d", target,
        cwd=source)  # fmt: skip
    (file,) = target.iterdir()
    return file


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The distributions, made once."""
    folder = tmp_path_factory.mktemp("built")
    sdist = hatchling(ROOT, folder / "sdist", "sdist")
    with tarfile.open(sdist) as archive:
        names = frozenset(n.partition("/")[2] for n in archive.getnames())
        safely: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(folder, **safely)  # 3.11.4 brought it
    source = folder / sdist.name.removesuffix(".tar.gz")
    wheel = hatchling(source, folder / "wheel", "wheel")
    with zipfile.ZipFile(wheel) as archive:
        return Built(wheel, frozenset(archive.namelist()), names)


def test_the_wheel_holds_three_packages(built: Built) -> None:
    top = {name.partition("/")[0] for name in built.in_wheel}
    info = {name for name in top if name.endswith(".dist-info")}
    assert len(info) == 1
    assert top - info == PACKAGES


def test_each_package_is_whole_and_typed(built: Built) -> None:
    folders = [ROOT / "kysera", ROOT / "kysera_dbapi"]
    folders.append(ROOT / "dialects" / "kysera_dialects")
    for folder in folders:
        sources = {
            f"{folder.name}/{path.relative_to(folder).as_posix()}"
            for path in [*folder.rglob("*.py"), folder / "py.typed"]
        }
        assert sources <= built.in_wheel


def test_the_sdist_is_whole_and_clean(built: Built) -> None:
    wanted = {"pyproject.toml", "README.md", "LICENSE", "Makefile", "tox.ini"}
    tests = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("tests/**/*.py")}
    assert wanted | tests <= built.in_sdist
    parts = {part for name in built.in_sdist for part in name.split("/")}
    assert not parts & {".git", ".venv", ".tox", "__pycache__", ".mypy_cache"}


def test_the_wheel_works_where_it_is_installed(built: Built, tmp_path: Path) -> None:
    """Dependencies are those of this environment, kysera is the wheel's."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    names = {"base": str(home), "platbase": str(home)}
    python = Path(sysconfig.get_path("scripts", "venv", names), "python")
    site = Path(sysconfig.get_path("purelib", "venv", names))
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps",
        "--no-index", "--quiet", built.wheel, cwd=tmp_path)  # fmt: skip
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    script = """if True:
        import kysera, kysera_dbapi, kysera_dialects
        from importlib.metadata import entry_points, version
        from pathlib import Path
        print(version("kysera"))
        for module in (kysera, kysera_dbapi, kysera_dialects):
            print(Path(module.__file__).parents[1])
        for entry in entry_points(group="kysera.dialects"):
            print(entry.name, entry.load().__module__)
    """
    lines = run(python, "-I", "-c", script, cwd=tmp_path).splitlines()
    assert lines[0] == META["version"]
    assert lines[1:4] == [str(site)] * 3
    assert "sqlite kysera_dialects.sqlite" in lines[4:]


def test_the_oldest_environment_has_the_lowest_versions() -> None:
    """tox.ini pins what pyproject.toml allows at least."""
    extras = META["optional-dependencies"]
    declared = [*META["dependencies"], *(r for e in extras for r in extras[e])]
    lowest: dict[str, str] = {}
    for requirement in declared:
        name, found, rest = requirement.partition(">=")
        if found:
            lowest.setdefault(name, rest.partition(",")[0])
    del lowest["sqlglot"]  # the same as sqlglot[c]
    config = ConfigParser()
    config.read(ROOT / "tox.ini")
    pins = dict(p.split("==") for p in config["testenv:oldest"]["deps"].split())
    assert pins.keys() == lowest.keys()
    for name, version in pins.items():
        assert f"{version}.0".startswith(f"{lowest[name]}."), name


def test_the_versions_of_python_agree() -> None:
    """requires-python, the classifiers and tox name the same interpreters."""
    label = "Programming Language :: Python :: "
    versions = [c.removeprefix(label) for c in META["classifiers"] if label in c]
    config = ConfigParser()
    config.read(ROOT / "tox.ini")
    environments = config["tox"]["env_list"].replace(",", " ").split()
    assert [f"py{v.replace('.', '')}" for v in versions] == [
        name for name in environments if name.startswith("py")
    ]
    assert META["requires-python"] == f">={versions[0]}"


def test_all_names_every_extra() -> None:
    extras = set(META["optional-dependencies"])
    (everything,) = META["optional-dependencies"]["all"]
    listed = everything.removeprefix("kysera[").removesuffix("]")
    assert set(listed.split(",")) == extras - {"all"}
