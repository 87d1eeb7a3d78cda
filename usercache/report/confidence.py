"""What a number of checks can promise: how many nines, and no more."""

import math
from typing import Final

ONE_SIDED_95: Final = 1.6449
"""The 95 % quantile of the normal distribution."""


def bound_consistency(checked: int, mismatched: int) -> float | None:
    """Return the part of hits that is true at least, with 95 % confidence; None without checks.

    Without a mismatch that is one less 3 / checked. Source: the Wilson-Hilferty approximation of
    the Poisson distribution's upper bound.
    """
    if not checked:
        return None
    events = mismatched + 1
    root = 1 - 1 / (9 * events) + ONE_SIDED_95 / (3 * math.sqrt(events))
    return max(0.0, 1 - events * root**3 / checked)
