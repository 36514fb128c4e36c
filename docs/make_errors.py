"""Makes docs/errors.md from the table of codes.

In the repository's root: ``python -m docs.make_errors``.
"""

from collections.abc import Iterator
from pathlib import Path

from kysera_dbapi import errors

__all__ = ["PATH", "reference"]

PATH = Path(__file__).with_name("errors.md")

HEAD = """\
<!-- made by `python -m docs.make_errors` from kysera_dbapi/_codes.py -->

# Errors

Every error has a `code`, which stays the same when its text changes. An error that
is raised through a connection is also the driver's error of the same kind, so that
`except sqlite3.IntegrityError` catches what `except kysera_dbapi.IntegrityError`
does. What the driver itself raised is the error's `__cause__`.
"""


def reference() -> str:
    """All codes as Markdown: by class, a heading each."""
    tree = str(errors.__doc__).partition("::\n\n")[2].partition("\n\nEach")[0]
    lines = [HEAD, "```text", *(line[4:] for line in tree.splitlines()), "```"]
    for error_class in dict.fromkeys(entry.error_class for entry in _entries()):
        lines += ["", *_section(error_class)]
    return "\n".join(lines) + "\n"


def _section(error_class: errors.KyseraClass) -> Iterator[str]:
    # "Raised as": the plain name would take the link of a code, such as "error"
    yield f"## Raised as `{error_class.__name__}`"
    yield ""
    yield str(error_class.__doc__)
    for code, entry in errors.CODES.items():
        if entry.error_class is error_class:
            yield f"\n### {code}\n\n{entry.meaning}\n\nWhat to do: {entry.cure}"


def _entries() -> list[errors.ErrorCode]:
    return list(errors.CODES.values())


if __name__ == "__main__":
    PATH.write_text(reference(), encoding="utf-8")
