"""Charts: what is drawn of a series, and what is said of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usercache.dashboard.charts import HEIGHT, draw_charts
from usercache.dashboard.scales import Scale, fit_linear, fit_logarithmic
from usercache.report.snapshot import Latency, Point

START = 1_795_500_000


def point(minute: int, lookups: int, hits: int, p50_ms: float | None = None) -> Point:
    latency = Latency(p50_ms, p50_ms, p50_ms, p50_ms)
    return Point(START + 60 * minute, 60.0, lookups, hits, latency)


def test_a_gap_in_the_figures_is_a_gap_in_the_line() -> None:
    """Minutes without look-ups have no hit rate: nothing leads across them, and it is said."""
    chart, *_ = draw_charts([point(0, 10, 10), point(1, 10, 5), point(2, 0, 0), point(3, 4, 3)])
    [line] = chart.lines
    assert line.path == "M0.0 0.0h0.01L200.0 60.0M600.0 30.0h0.01"
    assert chart.summary.startswith("Hit rate: 75.0% at last, lowest 50.0% at ")


def test_nothing_to_draw_is_said() -> None:
    """An empty series has charts all the same, without a line and in words."""
    hit_rate, latency, lookups = draw_charts([point(minute, 0, 0) for minute in range(3)])
    assert hit_rate.lines[0].path == ""
    assert latency.summary.startswith("p50: nothing to show yet. p95: nothing")
    assert lookups.summary.startswith("Look-ups: 0/s at last")


def test_each_point_says_its_figures_under_the_pointer() -> None:
    """One mark to a point, side by side, from edge to edge."""
    _, latency, _ = draw_charts([point(minute, 60, 30, 0.25) for minute in range(4)])
    assert [mark.x for mark in latency.marks] == [-100.0, 100.0, 300.0, 500.0]
    assert latency.marks[0].text.endswith(": p50 0.25 ms, p95 0.25 ms, p99 0.25 ms")


def test_a_minute_that_has_just_begun_is_left_out() -> None:
    """Its few look-ups would make every curve end in a leap."""
    series = [point(0, 600, 600), point(1, 600, 600), replace(point(2, 1, 0), seconds=3.0)]
    assert len(draw_charts(series)[0].marks) == 2


@given(st.lists(st.just(0.0) | st.floats(1e-6, 1e9), max_size=20))
def test_every_value_has_a_place_on_its_scale(values: list[float]) -> None:
    """Within the chart's height, and a larger one never lower."""
    for scale in (fit_linear(values), fit_logarithmic(values)):
        places = [scale.place(value) for value in sorted(values)]
        assert places == sorted(places)
        assert all(0 <= place <= 1 for place in places)
        assert scale.high >= max(values, default=0.0)


def test_ticks() -> None:
    """Powers of ten where a scale goes by them, or both edges and the middle."""
    assert Scale(0.01, 10.0, is_logarithmic=True).values() == pytest.approx([0.01, 0.1, 1, 10])
    ticks = fit_linear([12.0]).ticks(HEIGHT, str)
    assert [(tick.y, tick.label) for tick in ticks] == [(120, "0.0"), (60, "10.0"), (0, "20.0")]
