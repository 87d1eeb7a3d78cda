"""How far back the dashboard looks: what it offers, and what a query may say."""

from typing import Final, NamedTuple

from usercache.report import parse_window
from usercache.report.units import spell_span


class Window(NamedTuple):
    """One span, and how a query spells it."""

    query: str
    seconds: float

    @property
    def label(self) -> str:
        """Return `15 min`."""
        return spell_span(self.seconds)


OFFERED: Final = ("15m", "1h", "2h", "12h", "2d")
WINDOWS: Final = tuple(Window(text, parse_window(text)) for text in OFFERED)
DEFAULT: Final = WINDOWS[1]


def choose_window(query: str | None) -> tuple[Window, str]:
    """Return the window that a query asks for, and what is wrong with it; then it is the default.

    Like `cache_stats --window` it takes any span that is kept: `90s`, `15m`, `1.5h`, `2d`.
    """
    if query is None:
        return DEFAULT, ""
    try:
        return Window(query, parse_window(query)), ""
    except ValueError as error:
        return DEFAULT, str(error)
