"""Bring what is measured to the state that it is measured in."""

import time
from collections.abc import Callable
from typing import Final

from benchmarks.environment import Environment

WAIT_SECONDS: Final = 10.0
FEW: Final = 0.01
"""Of all look-ups: so many may still go to Redis where the client-side cache answers."""


def warm_up(environment: Environment, look_up: Callable[[], int]) -> float:
    """Repeat look-ups until Redis hears of next to none, for 10 s at most.

    `look_up` returns how many it made. The answer is how many GETs each of the last ones cost: 1
    where there is no client-side cache.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        before = environment.count_gets()
        made = look_up()
        gets = (environment.count_gets() - before) / made
        if gets <= FEW or time.monotonic() > deadline:
            return gets
