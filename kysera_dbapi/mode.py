"""The modes of a connection: what becomes of statements that cannot be planned."""

from typing import Literal, get_args

from kysera_dbapi.errors import ConfigurationError

__all__ = ["Mode", "check_mode"]

Mode = Literal["normal", "strict", "report"]
_MODES: tuple[str, ...] = get_args(Mode)


def check_mode(mode: object) -> None:
    """Raise ``ConfigurationError`` (unknown-mode) for what is no mode."""
    if mode not in _MODES:
        raise ConfigurationError(
            f"unknown mode {mode!r}; known are {', '.join(_MODES)}",
            code="unknown-mode",
        )
