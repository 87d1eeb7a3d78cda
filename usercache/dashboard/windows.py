"""How far back the dashboard looks: what it offers, and what a query may say."""

from typing import Final, NamedTuple

from usercache.report import LONGEST_WINDOW_SECONDS, SHORTEST_WINDOW_SECONDS
from usercache.report.units import parse_span, spell_span


class Window(NamedTuple):
    """One span, and how a query spells it."""

    query: str
    seconds: float

    @property
    def label(self) -> str:
        """Return `15 min`."""
        return spell_span(self.seconds)


WINDOWS: Final = tuple(Window(text, parse_span(text)) for text in ("15m", "1h", "2h", "12h", "2d"))
DEFAULT: Final = WINDOWS[1]


def parse_window(query: str | None) -> tuple[Window, str]:
    """Return the window that a query asks for, and what is wrong with it; then it is the default.

    Like `cache_stats --window` it takes any span that is kept: `90s`, `15m`, `1.5h`, `2d`.
    """
    if query is None:
        return DEFAULT, ""
    try:
        seconds = parse_span(query)
    except ValueError as error:
        return DEFAULT, str(error)
    if not SHORTEST_WINDOW_SECONDS <= seconds <= LONGEST_WINDOW_SECONDS:
        return DEFAULT, f"'{query}' is out of range: 60s to 2d are kept."
    return Window(query, seconds), ""
