"""The series of a snapshot as charts of SVG paths, and each in a sentence."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from usercache.dashboard.moments import label_points
from usercache.dashboard.scales import Scale, Tick, fit_linear, fit_logarithmic
from usercache.report.snapshot import Point
from usercache.report.units import spell_ms, spell_part, spell_rate

WIDTH: Final = 600
HEIGHT: Final = 120
SETTLING_SECONDS: Final = 10.0
"""Before which a minute is not drawn: by so few look-ups every curve would end in a leap."""
_SHORTEST: Final = 0.01
"""What a point without neighbours is drawn as: round line caps make it a dot."""


class Line(NamedTuple):
    """One curve, and what it is called."""

    name: str
    path: str
    """As in an SVG path's `d`; it has gaps where there was nothing to measure."""


class Mark(NamedTuple):
    """What to show where the pointer is."""

    x: float
    width: float
    text: str


class Chart(NamedTuple):
    """All that a template needs to draw one."""

    name: str
    """Unique on the page, as in `hit-rate`."""
    title: str
    summary: str
    """The same in a sentence, for those who can't see it."""
    lines: Sequence[Line]
    ticks: Sequence[Tick]
    marks: Sequence[Mark]
    moments: Sequence[str]
    """Below the chart: when it begins, its middle, and when it ends."""


class Subject(NamedTuple):
    """What a chart is about."""

    name: str
    title: str
    curves: dict[str, Callable[[Point], float | None]]
    """What is drawn of each point, by name; None where there is nothing to draw."""
    fit: Callable[[Sequence[float]], Scale]
    spell: Callable[[float | None], str]


SUBJECTS: Final = (
    Subject(
        "hit-rate",
        "Hit rate",
        {"Hit rate": lambda point: point.hit_rate},
        lambda _: Scale(0.0, 1.0),
        spell_part,
    ),
    Subject(
        "latency",
        "Response time",
        {
            "p50": lambda point: point.latency.p50_ms,
            "p95": lambda point: point.latency.p95_ms,
            "p99": lambda point: point.latency.p99_ms,
        },
        fit_logarithmic,
        spell_ms,
    ),
    Subject(
        "lookups",
        "Look-ups",
        {"Look-ups": lambda point: point.lookups_per_second},
        fit_linear,
        spell_rate,
    ),
)


def draw_charts(series: Sequence[Point]) -> list[Chart]:
    """Return the charts of hit rate, latency and look-ups over time."""
    if series[-1].seconds < SETTLING_SECONDS:
        series = series[:-1]
    labels = label_points(series)
    return [_draw(subject, series, labels) for subject in SUBJECTS]


def _draw(subject: Subject, series: Sequence[Point], labels: Sequence[str]) -> Chart:
    curves = {name: [value(point) for point in series] for name, value in subject.curves.items()}
    scale = subject.fit([v for values in curves.values() for v in values if v is not None])
    summaries = (_summarise(name, curves[name], labels, subject.spell) for name in curves)
    return Chart(
        name=subject.name,
        title=subject.title,
        summary=" ".join(summaries),
        lines=[Line(name, _spell_path(values, scale)) for name, values in curves.items()],
        ticks=scale.ticks(HEIGHT, subject.spell),
        marks=list(_mark(curves, labels, subject.spell)),
        moments=[labels[at] for at in (0, len(labels) // 2, -1)],
    )


def _spell_path(values: Sequence[float | None], scale: Scale) -> str:
    step = WIDTH / max(1, len(values) - 1)
    parts, is_drawing = list[str](), False
    for number, value in enumerate(values):
        if value is None:
            is_drawing = False
            continue
        x, y = number * step, HEIGHT * (1 - scale.place(value))
        parts.append(f"L{x:.1f} {y:.1f}" if is_drawing else f"M{x:.1f} {y:.1f}h{_SHORTEST}")
        is_drawing = True
    return "".join(parts)


def _summarise(
    name: str,
    values: Sequence[float | None],
    labels: Sequence[str],
    spell: Callable[[float | None], str],
) -> str:
    known = [(v, label) for v, label in zip(values, labels, strict=True) if v is not None]
    if not known:
        return f"{name}: nothing to show yet."
    (lowest, lowest_at), (highest, highest_at) = min(known), max(known)
    return (
        f"{name}: {spell(known[-1][0])} at last, lowest {spell(lowest)} at {lowest_at}, "
        f"highest {spell(highest)} at {highest_at}."
    )


def _mark(
    curves: dict[str, list[float | None]],
    labels: Sequence[str],
    spell: Callable[[float | None], str],
) -> Iterator[Mark]:
    width = WIDTH / max(1, len(labels) - 1)
    for number, label in enumerate(labels):
        figures = ", ".join(f"{name} {spell(values[number])}" for name, values in curves.items())
        yield Mark(round((number - 0.5) * width, 1), round(width, 1), f"{label}: {figures}")
