"""What ``connection.verify()`` found wrong with a database."""

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that a plugin cannot mend by editing statements.

    ``code`` tells its kind, ``table`` is the table as the catalogue knows it
    ("main.orders"), ``problem`` says what is wrong and what to do. ``ddl`` is a script
    that mends it, empty if no statement alone can.
    """

    table: str
    code: str
    problem: str
    ddl: str = ""

    def __str__(self) -> str:
        mended = f"\n    {self.ddl}" if self.ddl else ""
        return f"{self.table}: {self.problem} [{self.code}]{mended}"
