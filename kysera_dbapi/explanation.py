"""What became of a statement, for people: final text, edits, plugins, reasons."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kysera_dbapi.plan import Plan

if TYPE_CHECKING:
    from kysera_dbapi.edits import Edit

__all__ = ["Explanation"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The caller's text, the text sent for it, and the edits between them."""

    original: str
    sql: str
    edits: "tuple[Edit, ...]"

    @classmethod
    def of(cls, text: str, plan: Plan) -> "Explanation":
        """The explanation of a plan."""
        return cls(text, plan.sql, plan.edits)

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins that edited the statement, in order."""
        return tuple(dict.fromkeys(edit.plugin for edit in self.edits))

    def __str__(self) -> str:
        lines = [self.sql]
        lines += [f"-- {e.plugin}: {e.action} ({e.reason})" for e in self.edits]
        return "\n".join(lines)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """Before, after and the edits, side by side, where rich is there."""
        from rich.syntax import Syntax
        from rich.table import Table

        table = Table(show_lines=True)
        table.add_column("written")
        table.add_column("sent")
        table.add_row(*(Syntax(_pretty(s), "sql") for s in (self.original, self.sql)))
        yield table
        for edit in self.edits:
            yield f"[bold]{edit.plugin}[/]: {edit.action} [dim]({edit.reason})[/]"


def _pretty(sql: str) -> str:
    import sqlparse  # for people alone: not worth its time in every import

    return str(sqlparse.format(sql, reindent=True, keyword_case="upper"))
