"""Latencies in buckets: what is lost by them, and what isn't."""

import math
import random

import pytest

from usercache.events import MISS
from usercache.observability.metrics.time_buckets import BOUNDS, Histogram, TimeBucket


def measure(*seconds: float) -> Histogram:
    bucket = TimeBucket()
    bucket.note_latencies(MISS, seconds)
    return bucket.histogram()


def test_quantiles_are_within_a_tenth() -> None:
    """Whatever the durations, a quantile is told to within a tenth, and the mean exactly."""
    chance = random.Random(7)
    durations = sorted(math.exp(chance.uniform(math.log(2e-6), math.log(30))) for _ in range(5000))
    histogram = measure(*durations)
    described = histogram.describe()
    for percent in (50, 95, 99):
        exact = durations[math.ceil(percent / 100 * len(durations)) - 1]
        assert histogram.quantile(percent / 100) == pytest.approx(exact, rel=0.1)
        assert described[f"p{percent}"] == pytest.approx(exact * 1000, rel=0.1)
    assert described["mean"] == pytest.approx(sum(durations) / len(durations) * 1000)


def test_buckets_cover_everything() -> None:
    """A bound belongs to its bucket; nothing is too short or too long to be counted."""
    assert measure(*BOUNDS).counts == [1] * len(BOUNDS)
    assert measure(0.0).counts[0] == measure(3600.0).counts[-1] == 1
    assert measure().quantile(0.5) is None
    assert set(measure().describe().values()) == {None}
