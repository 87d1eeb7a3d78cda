"""What an examination finds: a sentence about a server, and what to do about it."""

from enum import Enum
from typing import NamedTuple


class Level(Enum):
    """How a finding bears on the cache; the order is that of the exit codes."""

    GOOD = "ok"
    WARNING = "warning"
    """It works, but without something."""
    ERROR = "error"
    """It doesn't work."""

    @property
    def exit_code(self) -> int:
        """Return 0, 1 or 2."""
        return list(Level).index(self)


class Finding(NamedTuple):
    """One line of an examination."""

    subject: str
    """What was examined: `settings`, `database default`, `redis 127.0.0.1:6379`."""
    level: Level
    text: str
    hint: str = ""
    """What to do; empty if nothing need be done."""


def good(subject: str, text: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(subject, Level.GOOD, text)


def warning(subject: str, text: str, hint: str) -> Finding:
    """Return that something is missing, and what to do."""
    return Finding(subject, Level.WARNING, text, hint)


def error(subject: str, text: str, hint: str) -> Finding:
    """Return that something doesn't work, and what to do."""
    return Finding(subject, Level.ERROR, text, hint)
