"""What is installed into a driver, and how its classes come to make wrapped objects."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any
from weakref import WeakSet

from kysera_dbapi.mode import Mode
from kysera_dbapi.plugin import Plugin

__all__ = ["Installation", "changed_members", "installed", "make_new", "reach"]

#: What is installed, by driver.
installed: "dict[str, Installation]" = {}
#: What decides, beside the members of a connection, what its class makes.
_MAKING = {"__init__", "__new__"}
#: Classes whose ``__new__`` is ours.
_reached: "WeakSet[Any]" = WeakSet()


class Installation(ABC):
    """What makes a driver's constructors give wrapped connections."""

    def __init__(
        self, plugins: Sequence[Plugin], mode: Mode, only: Callable[[str], bool] | None
    ) -> None:
        self.plugins = plugins
        self.mode: Mode = mode
        self.only = only

    @abstractmethod
    def install(self) -> None:
        """Reach every constructor; what it gives asks ``installed``."""

    @abstractmethod
    def undo(self) -> None:
        """Put back what ``install`` has taken the place of."""


def reach(theirs: Any, new: Callable[..., Any]) -> None:
    """Have a class that is there already make its objects by ``new``.

    ``new(before, class, arguments, options)`` is called, with the ``__new__`` that was
    there before. It stays, as Python cannot take one back.
    """
    if theirs in _reached:
        return
    before = theirs.__new__

    def made(cls: Any, *args: Any, **options: Any) -> Any:
        return new(before, cls, args, options)

    theirs.__new__ = staticmethod(made)
    _reached.add(theirs)


def make_new(before: Any, cls: Any, args: Any, options: Any) -> Any:
    """An object by the ``__new__`` that was there before."""
    if before is object.__new__:
        return before(cls)
    return before(cls, *args, **options)


def changed_members(cls: Any, driver: Any, members: Collection[str]) -> set[str]:
    """What a program's class has its own of, of what a driver's connection does.

    It would run on the raw connection, or not at all.
    """
    above: tuple[type, ...] = cls.__mro__[: cls.__mro__.index(driver)]
    package = driver.__module__.partition(".")[0]
    own = [base for base in above if base.__module__.partition(".")[0] != package]
    changed = {name for base in own for name in vars(base)}
    return changed & (_MAKING | set(members))
