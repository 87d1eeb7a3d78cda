"""The series of a snapshot as charts of SVG paths, and each in a sentence."""

import datetime
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from django.utils import timezone

from usercache.management.units import format_ms, format_part, format_rate
from usercache.observability.sections import QUANTILES
from usercache.observability.snapshot import Point

WIDTH: Final = 600
HEIGHT: Final = 120
SETTLING_SECONDS: Final = 10.0
"""Before which a minute is not drawn: by so few look-ups every curve would end in a leap."""
_SHORTEST: Final = 0.01
"""What a point without neighbours is drawn as: round line caps make it a dot."""
_LONG_SECONDS: Final = 12 * 3600.0  # the length of a series from which on its labels name the day

Values = Sequence[float | None]
Format = Callable[[float | None], str]
Chart = dict[str, Any]  # what its template shows


class Scale(NamedTuple):
    """What the lower and the upper edge stand for; evenly in between, or by powers of ten."""

    low: float
    high: float
    is_logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return the height of a value, 0 to 1."""
        if self.is_logarithmic:
            part = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, part))

    def values(self) -> list[float]:
        """Return what to mark: each power of ten, or both edges and the middle."""
        if not self.is_logarithmic:
            return [self.low, (self.low + self.high) / 2, self.high]
        powers = round(math.log10(self.high / self.low))
        return [self.low * 10**power for power in range(powers + 1)]


def fit_linear(values: Sequence[float]) -> Scale:
    """Reach from 0 to 1, 2 or 5 times a power of ten that is large enough."""
    largest = max(values, default=0.0)
    if largest <= 0:
        return Scale(0.0, 1.0)
    power = 10.0 ** math.floor(math.log10(largest))
    return Scale(0.0, next((s * power for s in (1, 2, 5) if s * power >= largest), 10 * power))


def fit_logarithmic(values: Sequence[float]) -> Scale:
    """Reach from a power of ten to another, one apart at least."""
    known = [value for value in values if value > 0] or [1.0]
    low = 10.0 ** math.floor(math.log10(min(known)))
    high = 10.0 ** math.ceil(math.log10(max(known)))
    return Scale(low, max(high, low * 10), is_logarithmic=True)


def to_local_time(seconds: float) -> datetime.datetime:
    """Return seconds since 1970 in the project's time zone."""
    return timezone.localtime(datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC))


def label_points(series: Sequence[Point]) -> list[str]:
    """Return when each point began: `09:05`, or `Tue 09:00` where they reach back for days."""
    form = "%a %H:%M" if series[-1].start - series[0].start >= _LONG_SECONDS else "%H:%M"
    return [to_local_time(point.start).strftime(form) for point in series]


def draw_charts(series: Sequence[Point]) -> list[Chart]:
    """Return the charts of hit rate, latency and look-ups over time; none while all is empty.

    A chart's summary says the same in a sentence. A line has the `d` of its path, with gaps where
    there was nothing to measure, and that of the dots beside gaps: alone they would be no line.
    """
    if series[-1].seconds < SETTLING_SECONDS:
        series = series[:-1]
    if not any(point.lookups for point in series):
        return []
    labels = label_points(series)
    hit_rates = {"Hit rate": [point.hit_rate for point in series]}
    latencies = {name: [point.latency[name] for point in series] for name in QUANTILES}
    rates = {"Look-ups": [point.lookups / point.seconds for point in series]}
    latency_scale = fit_logarithmic([v for vs in latencies.values() for v in vs if v is not None])
    rate_scale = fit_linear(rates["Look-ups"])
    return [
        _draw("hit-rate", "Hit rate", hit_rates, labels, scale=Scale(0.0, 1.0), form=format_part),
        _draw("latency", "Response time", latencies, labels, scale=latency_scale, form=format_ms),
        _draw("lookups", "Look-ups", rates, labels, scale=rate_scale, form=format_rate),
    ]


def _draw(
    name: str,
    title: str,
    curves: Mapping[str, Values],
    labels: Sequence[str],
    *,
    scale: Scale,
    form: Format,
) -> Chart:
    return {
        "name": name,
        "title": title,
        "summary": " ".join(_summarize(curve, curves[curve], labels, form) for curve in curves),
        "lines": [_draw_line(curve, curves[curve], scale, form) for curve in curves],
        "ticks": [(round(HEIGHT * (1 - scale.place(v)), 1), form(v)) for v in scale.values()],
        "marks": list(_mark(curves, labels, form)),
        "times": [labels[at] for at in (0, len(labels) // 2, -1)],
    }


def _draw_line(name: str, values: Values, scale: Scale, form: Format) -> dict[str, str]:
    step = WIDTH / max(1, len(values) - 1)
    path, dots = list[str](), list[str]()
    for number, value in enumerate(values):
        if value is None:
            continue
        x, y = number * step, HEIGHT * (1 - scale.place(value))
        follows = number > 0 and values[number - 1] is not None
        path.append(f"{'L' if follows else 'M'}{x:.1f} {y:.1f}")
        if None in values[max(0, number - 1) : number + 2] or len(values) == 1:
            dots.append(f"M{x:.1f} {y:.1f}h{_SHORTEST}")
    latest = next((value for value in reversed(values) if value is not None), None)
    return {"name": name, "path": "".join(path), "dots": "".join(dots), "latest": form(latest)}


def _summarize(name: str, values: Values, labels: Sequence[str], form: Format) -> str:
    known = [(v, label) for v, label in zip(values, labels, strict=True) if v is not None]
    if not known:
        return f"{name}: nothing to show yet."
    (lowest, lowest_at), (highest, highest_at) = min(known), max(known)
    return (
        f"{name}: latest {form(known[-1][0])}, lowest {form(lowest)} at {lowest_at}, "
        f"highest {form(highest)} at {highest_at}."
    )


def _mark(
    curves: Mapping[str, Values], labels: Sequence[str], form: Format
) -> Iterator[tuple[float, float, str]]:
    # What to show where the pointer is: from x on, so wide, this text.
    width = WIDTH / max(1, len(labels) - 1)
    for number, label in enumerate(labels):
        values = ", ".join(f"{name} {form(values[number])}" for name, values in curves.items())
        yield round((number - 0.5) * width, 1), round(width, 1), f"{label}: {values}"
