"""What became of a statement, for people: final text, edits, plugins, reasons."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kysera_dbapi.errors import ContextMissing, UnsupportedStatement
from kysera_dbapi.pipeline import Pipeline

if TYPE_CHECKING:
    from kysera_dbapi.edits import Edit

__all__ = ["Explanation"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The caller's text, the text sent for it, and the edits between them.

    ``sql`` is empty if nothing would be sent: ``refused`` says why and ``code`` is the
    error's. In report mode both are there.
    """

    original: str
    sql: str
    edits: "tuple[Edit, ...]" = ()
    refused: str = ""
    code: str = ""

    @classmethod
    def of(cls, text: str, pipeline: Pipeline, scope: frozenset[str]) -> "Explanation":
        """The explanation of a text; nothing is executed, bound or kept."""
        reported = pipeline.mode == "report"
        judge = pipeline
        if reported:
            judge = Pipeline(pipeline.dialect, pipeline.plugins, pipeline.catalogue)
        refused = code = ""
        try:
            plan = judge.preview(text, scope)
        except (UnsupportedStatement, ContextMissing) as error:
            refused, code = str(error), error.code
            if not reported or isinstance(error, ContextMissing):
                return cls(text, "", (), refused, code)
            plan = pipeline.preview(text, scope)
        return cls(text, plan.sql, plan.edits, refused, code)

    @property
    def plugins(self) -> tuple[str, ...]:
        """The plugins that edited the statement, in order."""
        return tuple(dict.fromkeys(edit.plugin for edit in self.edits))

    @property
    def _notes(self) -> list[tuple[str, str]]:
        """What is said below the text: of whom, and what."""
        notes = [(e.plugin, f"{e.action} ({e.reason})") for e in self.edits]
        if self.refused:
            verb = "would be refused" if self.sql else "refused"
            notes.append((verb, f"{self.refused} ({self.code})"))
        return notes

    def __str__(self) -> str:
        lines = [self.sql] if self.sql else []
        return "\n".join([*lines, *(f"-- {who}: {what}" for who, what in self._notes)])

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """Before, after and the edits, side by side, where rich is there."""
        from rich.syntax import Syntax
        from rich.table import Table
        from rich.text import Text

        table = Table(show_lines=True)
        table.add_column("written")
        table.add_column("sent")
        sent = Syntax(_pretty(self.sql), "sql") if self.sql else Text("nothing")
        table.add_row(Syntax(_pretty(self.original), "sql"), sent)
        yield table
        for who, what in self._notes:
            # no markup: names may hold brackets
            yield Text.assemble((who, "bold"), ": ", what)


def _pretty(sql: str) -> str:
    import sqlparse  # for people alone: not worth its time in every import

    return str(sqlparse.format(sql, reindent=True, keyword_case="upper"))
