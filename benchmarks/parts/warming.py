"""Bring what is measured to the state that it is measured in."""

import time
from collections.abc import Callable
from typing import Final

from benchmarks.ground import Ground

PATIENCE_SECONDS: Final = 10.0
FEW: Final = 0.01
"""Of all look-ups: so many may still go to Redis where the near tier answers."""


def warm_up(ground: Ground, look_up: Callable[[], int]) -> float:
    """Repeat look-ups until Redis hears of next to none, for 10 s at most.

    `look_up` returns how many it made. The answer is how many GETs each of the last ones cost: 1
    where there is no near tier.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        before = ground.count_gets()
        made = look_up()
        gets = (ground.count_gets() - before) / made
        if gets <= FEW or time.monotonic() > deadline:
            return gets
