"""How much a number of comparisons can promise."""

import pytest

from usercache.observability.snapshot import bound_consistency


@pytest.mark.parametrize(
    ("checked", "mismatched", "expected"),
    [(0, 0, None), (1000, 0, 0.9970), (1_000_000, 0, 0.999997), (1000, 5, 0.98949), (1, 1, 0.0)],
)
def test_bound(checked: int, mismatched: int, expected: float | None) -> None:
    """As the Poisson distribution has it: three events in all may have been missed of none seen."""
    bound = bound_consistency(checked, mismatched)
    assert bound == (None if expected is None else pytest.approx(expected, abs=5e-5))
