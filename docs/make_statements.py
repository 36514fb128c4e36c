"""Makes docs/statements.md from the rules of a dialect.

In the repository's root: ``python -m docs.make_statements``.
"""

from collections.abc import Collection, Iterator
from itertools import chain
from pathlib import Path
from textwrap import fill

from kysera_dbapi.dialect import Dialect, Rule
from kysera_dbapi.registry import get_dialect

__all__ = ["PATH", "reference"]

PATH = Path(__file__).with_name("statements.md")

HEAD = """\
<!-- made by `python -m docs.make_statements` from the rules of the dialects -->

# Statements

What becomes of a statement on a connection with plugins that protect tables. Where no
table is protected, nothing is refused and the driver's own errors come through.

- **planned**: parsed and edited. What has no parse is refused (`unparsed-statement`).
- **passed**: sent as it is written.
- **refused**: raises `UnsupportedStatement` before anything reaches the database. All
  of it can be run within `bypass()`.

Relations are followed to what lies beneath them. Refused is what reads a protected
table through a view, a virtual table (its shadow tables and its use as a table function
too), what fires a trigger that uses one, or removes its rows by `ON DELETE CASCADE`.

Foreign keys that the database enforces know nothing of filters: a row may come to
refer to a deleted one, and `SET NULL`, `SET DEFAULT` and `ON UPDATE CASCADE` reach
hidden rows whose parent changes.

## Modes

What a statement gives in each mode, set by `connect(..., mode=...)`:

- **normal** guards against mistakes. Any statement gives what it would give on a
  database where every protected table is its filtered view, or it is refused. Functions
  that the program has registered, extensions and statistics may be used; how many rows
  a table stores is no secret.
- **strict** also guards against hostile text of statements. Functions that are not
  known are refused, as are statistics (PostgreSQL's EXPLAIN of a protected table is
  one) and virtual tables of unknown modules. When the
  database prepares a statement, each relation and function that it is about to use must
  be one that the plan holds (SQLite's authorizer; it is not asked about functions in
  the defaults and constraints of columns). What is not is refused, a view that another
  connection has put in the place of a table too. Strict mode does not guard against
  what a program does with the raw connection, nor against conclusions from the time
  that a statement takes, from a violated unique or foreign key, or from an error that
  a condition raises: the database may try a condition that an index covers, such as
  `abs(total) > 1`, on rows that a filter then drops, as it does beneath a view
  (`barrier=True` of row-level security guards against that, see guarantees.md).
- **report** refuses nothing, for the time of adoption: what normal mode would refuse is
  logged (logger `kysera_dbapi`, once for each shape of statement) and
  runs without the edits that could not be made. **Deleted rows can be seen and removed
  by it.**

A function that the program registers through the connection (`create_function`,
`create_aggregate`, `create_window_function`) is known in strict mode from then on. The
database may call it for rows that a filter then drops: it should have no side effects.
One that is registered on the raw connection, or comes with an extension, is not known.
"""


def reference() -> str:
    """What becomes of the statements of each database, as Markdown."""
    sections = (_section(get_dialect(name), title) for name, title in _TITLES.items())
    return "\n".join([HEAD, *chain.from_iterable(sections)])


_TITLES = {
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "mysql": "MySQL and MariaDB",
}


def _section(dialect: Dialect, title: str) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| statement | treatment | why | for example |"
    yield "| --- | --- | --- | --- |"
    yield from map(_row, dialect.rules)
    yield "| any other | refused | it is not known what it would do | |"
    for heading, names in dialect.lists().items():
        yield f"\n### {heading}\n"
        yield _listed(names)
    yield ""


def _row(rule: Rule) -> str:
    examples = "<br>".join(f"`{text}`" for text in rule.examples)
    return f"| {rule.syntax} | {rule.treatment} | {rule.reason} | {examples} |"


def _listed(names: Collection[str]) -> str:
    listed = ", ".join(f"`{name}`" for name in sorted(names))
    return fill(listed, 88, break_on_hyphens=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(reference().rstrip() + "\n", encoding="utf-8")
