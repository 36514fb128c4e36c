"""The Python blocks of the README and of docs/ run.

Those of one file run in order, in one namespace and one new folder. A block after a
comment ``<!-- not run: reason -->`` is left out; ``NOT_RUN`` says how many there are.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FILES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
NOT_RUN: dict[str, int] = {}

BLOCK = re.compile(
    r"(?P<skip>^<!-- not run: \S.* -->\n\s*)?"
    r"^(?P<indent> *)```python *\n(?P<code>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)


class Program(NamedTuple):
    """The blocks of a file as one text with the file's line numbers."""

    text: str
    run: int
    left_out: int


def program(markdown: str) -> Program:
    """The Python in a text, each line where it stands there."""
    lines, run, left_out = [""] * (markdown.count("\n") + 1), 0, 0
    for block in BLOCK.finditer(markdown):
        if block["skip"]:
            left_out += 1
            continue
        run += 1
        first = markdown.count("\n", 0, block.start("code"))
        for number, line in enumerate(block["code"].splitlines(), first):
            lines[number] = line.removeprefix(block["indent"])
    return Program("\n".join(lines), run, left_out)


def execute(text: str, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run a program in ``folder`` on what this process imports."""
    command = "import sys; exec(compile(sys.stdin.read(), sys.argv[1], 'exec'), {})"
    return subprocess.run(
        [sys.executable, "-P", "-c", command, name],
        input=text,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_blocks_run(path: Path, tmp_path: Path) -> None:
    name = str(path.relative_to(ROOT))
    blocks = program(path.read_text(encoding="utf-8"))
    assert blocks.left_out == NOT_RUN.get(name, 0)
    done = execute(blocks.text, tmp_path, str(path))
    assert done.returncode == 0, done.stderr


TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")


def test_the_tests_that_guarantees_name_are_there() -> None:
    named = TEST.findall((ROOT / "docs/guarantees.md").read_text(encoding="utf-8"))
    assert len(named) > 20
    for path, name in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert f"\ndef {name}(" in text, f"{path}::{name}"


def test_the_readme_has_blocks() -> None:
    assert program(FILES[0].read_text(encoding="utf-8")).run > 0


SAMPLE = """# Sample

```python
x = [1]
```

- a list

  ```python
  x.append(2)
  if x:
      open("here", "w").close()
  ```

```sh
exit 1
```

<!-- not run: needs a server -->
```python
raise SystemExit(2)
```

```python
assert x == [1, 2]
assert x == [3], "line 26"
```
"""


def test_blocks_share_a_namespace_and_a_folder(tmp_path: Path) -> None:
    blocks = program(SAMPLE.replace("== [3]", "!= [3]"))
    assert (blocks.run, blocks.left_out) == (3, 1)
    done = execute(blocks.text, tmp_path, "sample.md")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here").exists()


def test_a_block_that_fails_is_named_by_its_line(tmp_path: Path) -> None:
    done = execute(program(SAMPLE).text, tmp_path, "sample.md")
    assert done.returncode == 1
    assert 'File "sample.md", line 26' in done.stderr
    assert SAMPLE.splitlines()[25].endswith('"line 26"')


def test_a_reason_is_wanted_for_a_block_left_out() -> None:
    assert program("<!-- not run: -->\n```python\n1 / 0\n```\n").left_out == 0
