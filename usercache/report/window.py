"""What was counted in a window of time up to now, by all processes where Redis can be asked."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from usercache.figures.slices import (
    HOUR_SECONDS,
    HOURS_KEPT_SECONDS,
    MINUTE_SECONDS,
    MINUTES_KEPT_SECONDS,
    Slice,
    add_up,
    start_of,
)
from usercache.report.snapshot import Latency, Point
from usercache.report.units import parse_span
from usercache.stats import COUNTERS, MISS
from usercache.store import Store
from usercache.totals import Reading, Totals

SHORTEST_WINDOW_SECONDS: Final = MINUTE_SECONDS
LONGEST_WINDOW_SECONDS: Final = HOURS_KEPT_SECONDS


def parse_window(text: str) -> float:
    """Return the seconds of a window that is kept: `90s`, `15m`, `1h`, `2d`.

    Raises:
        ValueError: it is none, or shorter or longer than what is kept.
    """
    seconds = parse_span(text)
    if not SHORTEST_WINDOW_SECONDS <= seconds <= LONGEST_WINDOW_SECONDS:
        raise ValueError(f"'{text}' is out of range: 60s to 2d are kept.")
    return seconds


class Window(NamedTuple):
    """A span of time up to now, cut into minutes or, where those aren't kept, hours."""

    starts: range
    span_seconds: int

    @classmethod
    def of(cls, seconds: float, now: float) -> "Window":
        """Cover so many seconds at least.

        Raises:
            ValueError: that is shorter or longer than what is kept.
        """
        if not SHORTEST_WINDOW_SECONDS <= seconds <= LONGEST_WINDOW_SECONDS:
            raise ValueError(
                f"The window must be {SHORTEST_WINDOW_SECONDS} to {LONGEST_WINDOW_SECONDS} seconds."
            )
        span = MINUTE_SECONDS if seconds <= MINUTES_KEPT_SECONDS else HOUR_SECONDS
        return cls(range(start_of(now - seconds, span), int(now) + 1, span), span)


class Counted(NamedTuple):
    """The window's figures, and what Redis said besides."""

    window: Window
    slices: dict[int, Slice]
    """By the start of the minute or hour; none where nothing was counted."""
    whole: Slice
    totals: Slice
    delivered: Slice | None
    """Without what this process has yet to deliver; None where Redis can't be asked."""
    reading: Reading | None
    """None where the figures are this process's alone."""


def count(store: Store, seconds: float, now: float) -> Counted:
    """Return what was counted in so many seconds up to now, and ever.

    Raises:
        ValueError: the window is shorter or longer than what is kept.
    """
    window = Window.of(seconds, now)
    reading = None if store.shared is None else _read(Totals(store.shared), window)
    slices, totals = dict[int, Slice](), Slice()
    if reading is not None:
        slices, totals = reading.minutes | reading.hours, add_up([reading.totals])
    # What this process has not delivered yet; all there is, where nobody takes it.
    for start, part in store.stats.read().items():
        totals.add(part)
        start_in_window = start_of(start, window.span_seconds)
        if start_in_window in window.starts:
            slices[start_in_window] = add_up([slices.get(start_in_window, Slice()), part])
    delivered = None if reading is None else reading.totals
    return Counted(window, slices, add_up(slices.values()), totals, delivered, reading)


def describe_series(counted: Counted, now: float) -> Iterator[Point]:
    """Yield a point for each minute or hour of the window, also where nothing was counted."""
    for start in counted.window.starts:
        part = counted.slices.get(start, Slice())
        by_result = {result: part.counts[name] for result, name in COUNTERS.items()}
        yield Point(
            start=start,
            seconds=max(1.0, min(float(counted.window.span_seconds), now - start)),
            lookups=sum(by_result.values()),
            hits=sum(by_result.values()) - by_result[MISS],
            latency=Latency.of_all(part.latencies.values()),
        )


def _read(totals: Totals, window: Window) -> Reading | None:
    nothing: Sequence[int] = ()
    if window.span_seconds == MINUTE_SECONDS:
        return totals.read(minutes=window.starts, hours=nothing)
    return totals.read(minutes=nothing, hours=window.starts)
