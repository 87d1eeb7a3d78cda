"""Slices that change no more, remembered for a while.

A page that shows two hours and is refreshed every few seconds would otherwise have its web process
read and parse all of them each time, a tenth of a second of it.
"""

from collections.abc import Iterable
from typing import Final

from usercache.figures.slices import Slice

SETTLED_AFTER_SECONDS: Final = 90.0
"""After its end a slice has what every process had to add, unless Redis was away meanwhile."""
REMEMBERED_SECONDS: Final = 60.0
"""So late is known what was added after an outage."""


class SettledSlices:
    """Remember slices by their start; as many as there are minutes and hours in Redis."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._slices: dict[tuple[int, int], tuple[float, Slice | None]] = {}

    def remember(self, start: int, span_seconds: int, part: Slice | None, now: float) -> None:
        """Keep a slice, or that there is none, if it is settled; it must not be changed then."""
        if now - start - span_seconds >= SETTLED_AFTER_SECONDS:
            self._slices[start, span_seconds] = now, part

    def recall(
        self, starts: Iterable[int], span_seconds: int, now: float
    ) -> dict[int, Slice | None]:
        """Return those of these slices that were read lately."""
        for key, (read_at, _) in list(self._slices.items()):
            if not 0 <= now - read_at < REMEMBERED_SECONDS:
                self._slices.pop(key, None)
        found = ((start, self._slices.get((start, span_seconds))) for start in starts)
        return {start: known[1] for start, known in found if known is not None}
