"""Durations in buckets: what is lost by them, and what isn't."""

import math
import random

import pytest

from usercache.figures.histogram import BOUNDS, Histogram, bucket_of


def test_quantiles_are_within_a_tenth() -> None:
    """Whatever the durations, a quantile is told to within a tenth, and the mean exactly."""
    chance = random.Random(7)
    durations = sorted(math.exp(chance.uniform(math.log(2e-6), math.log(30))) for _ in range(5000))
    histogram = Histogram()
    for duration in durations:
        histogram.note(duration)
    for part in (0.5, 0.95, 0.99):
        exact = durations[math.ceil(part * len(durations)) - 1]
        assert histogram.quantile(part) == pytest.approx(exact, rel=0.1)
    assert histogram.mean == pytest.approx(sum(durations) / len(durations))


def test_buckets_cover_everything() -> None:
    """A bound belongs to its bucket; nothing is too short or too long to be counted."""
    assert bucket_of(0.0) == 0
    assert [bucket_of(bound) for bound in BOUNDS] == list(range(len(BOUNDS)))
    assert bucket_of(3600.0) == len(BOUNDS) - 1
    assert Histogram().quantile(0.5) is None
    assert Histogram().mean is None
