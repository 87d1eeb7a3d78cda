"""How often each user is asked for: a few all the time, most hardly ever."""

from collections.abc import Sequence
from itertools import accumulate
from random import Random


class Zipf:
    """Ranks from 0 to `count` - 1, the n-th of which is drawn 1/n**exponent as often as the first.

    The same `random` draws the same ranks.
    """

    def __init__(self, count: int, exponent: float, random: Random) -> None:
        """Sum the weights up once."""
        self._ranks = range(count)
        self._sums = list(accumulate(rank**-exponent for rank in range(1, count + 1)))
        self.random = random

    def draw(self, count: int) -> Sequence[int]:
        """Return that many ranks, one independent of the other."""
        return self.random.choices(self._ranks, cum_weights=self._sums, k=count)


def expiries_per_thousand(
    count: int, exponent: float, *, requests_per_second: float, ttl_seconds: float
) -> float:
    """Return how many of 1,000 requests find a record run out, in a steady state without writes.

    A user that is asked for `rate` times a second is loaded once in each span of the TTL and the
    wait for the next request after it: every `ttl_seconds + 1 / rate`. It is arithmetic, and the
    same for every cache that keeps its records so long.
    """
    weights = [float(rank**-exponent) for rank in range(1, count + 1)]
    per_weight = requests_per_second / sum(weights)
    loads = sum(1 / (ttl_seconds + 1 / (per_weight * weight)) for weight in weights)
    return loads / requests_per_second * 1000
