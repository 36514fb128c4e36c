"""How statements of one kind are treated: the rows of docs/statements.md."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Rule", "Treatment"]

Treatment = Literal["planned", "passed", "refused"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How statements of one kind are treated: a row of docs/statements.md.

    ``kind`` names the statement, ``effect`` what a passed one changes. One that may
    not name a protected table (``names_protected`` is false) is refused if it does;
    with ``refers`` it may do so after REFERENCES.
    """

    kind: str
    syntax: str
    treatment: Treatment
    reason: str
    examples: tuple[str, ...] = ()
    effect: Literal["", "catalogue", "transaction"] = ""
    names_protected: bool = True
    refers: bool = False
    #: It is kept and run outside the shim: what reads a protected table counts too.
    keeps_text: bool = False
    #: What happens to the rows of the tables that a passed one names.
    event: str = ""
    #: It does not run, or has no effect, within a transaction.
    outside: bool = False
