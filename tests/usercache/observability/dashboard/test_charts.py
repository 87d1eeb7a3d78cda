"""Charts: what is drawn of a series, and what is said of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usercache.observability.charts import HEIGHT, Scale, draw_charts, fit_linear, fit_logarithmic
from usercache.observability.metrics.time_buckets import Latency
from usercache.observability.snapshot import Point

START = 1_795_500_000


def point(minute: int, lookups: int, hits: int, p50_ms: float | None = None) -> Point:
    latency: Latency = dict.fromkeys(("mean", "p50", "p95", "p99"), p50_ms)
    return Point(START + 60 * minute, 60.0, lookups, hits, latency)


def test_a_gap_in_the_metrics_is_a_gap_in_the_line() -> None:
    """Minutes without look-ups have no hit rate: no line crosses them, dots mark their edges."""
    chart, *_ = draw_charts([point(0, 10, 10), point(1, 10, 5), point(2, 0, 0), point(3, 4, 3)])
    [line] = chart["lines"]
    assert line["path"] == "M0.0 0.0L200.0 60.0M600.0 30.0"
    assert line["dots"] == "M200.0 60.0h0.01M600.0 30.0h0.01"
    assert chart["summary"].startswith("Hit rate: latest 75.0%, lowest 50% at ")


def test_points_without_neighbours_are_dots() -> None:
    """Sparse metrics are seen: a point alone is no line, and is drawn as a dot."""
    chart, *_ = draw_charts(
        [point(0, 4, 3), point(1, 0, 0), point(2, 4, 2), point(3, 4, 1), point(4, 0, 0)]
    )
    [line] = chart["lines"]
    assert line["dots"] == "M0.0 30.0h0.01M300.0 60.0h0.01M450.0 90.0h0.01"
    assert line["latest"] == "25.0%"
    assert draw_charts([point(0, 4, 3)])[0]["lines"][0]["dots"] == "M0.0 30.0h0.01"


def test_metrics_without_gaps_have_no_dots() -> None:
    """A line says it all."""
    chart, *_ = draw_charts([point(minute, 4, 3) for minute in range(3)])
    assert chart["lines"][0]["dots"] == ""


def test_nothing_to_draw_is_not_drawn() -> None:
    """An empty series has no charts; a value that none of its points has is said."""
    assert draw_charts([point(minute, 0, 0) for minute in range(3)]) == []
    _, latency, _ = draw_charts([point(minute, 4, 0) for minute in range(3)])
    assert latency["summary"].startswith("p50: nothing to show yet. p95: nothing")


def test_each_point_says_its_metrics_under_the_pointer() -> None:
    """One mark to a point, side by side, from edge to edge."""
    _, latency, _ = draw_charts([point(minute, 60, 30, 0.25) for minute in range(4)])
    assert [x for x, _, _ in latency["marks"]] == [-100.0, 100.0, 300.0, 500.0]
    assert latency["marks"][0][-1].endswith(": p50 250 µs, p95 250 µs, p99 250 µs")


def test_a_minute_that_has_just_begun_is_left_out() -> None:
    """Its few look-ups would make every curve end in a leap."""
    series = [point(0, 600, 600), point(1, 600, 600), replace(point(2, 1, 0), seconds=3.0)]
    assert len(draw_charts(series)[0]["marks"]) == 2


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
    assert fit_linear([12.0]).values() == [0, 10, 20]
    hit_rate, *_ = draw_charts([point(0, 4, 3)])
    assert hit_rate["ticks"] == [(HEIGHT, "0%"), (HEIGHT / 2, "50%"), (0, "100%")]
