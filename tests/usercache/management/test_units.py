"""Numbers as operators read and write them."""

import pytest

from usercache.management.units import (
    format_bytes,
    format_ms,
    format_part,
    format_rate,
    format_span,
    parse_span,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15 m", 900), ("1.5h", 5400), (".5", 0.5), ("2D", 172_800)],
)
def test_span(text: str, seconds: float) -> None:
    """Seconds, minutes, hours and days are understood."""
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "-1h", "1w", "1h30m", "nan", "1e3", "inf", "\u0661h\n1"])
def test_no_span(text: str) -> None:
    """Anything else is refused with what to write."""
    with pytest.raises(ValueError, match="write it like 90s, 15m, 1h or 2d"):
        parse_span(text)


def test_spelling() -> None:
    """Two or three digits, and a unit; all and nothing are said of no less than that."""
    assert [format_ms(ms) for ms in (None, 0.00912, 0.84, 12.3, 99.7, 1500)] == (
        ["-", "9.1 µs", "840 µs", "12 ms", "100 ms", "1.5 s"]
    )
    assert [format_bytes(n) for n in (0, 812 * 1024, 47_400_000, 2**41)] == (
        ["0 B", "812 KB", "45.2 MB", "2.0 TB"]
    )
    assert [format_part(p) for p in (None, 0, 0.00001, 0.5, 0.857, 0.99999, 1)] == (
        ["-", "0%", "0.1%", "50%", "85.7%", "99.9%", "100%"]
    )
    assert [format_rate(r) for r in (None, 0, 0.0167, 9.96, 1200)] == (
        ["-", "0/s", "0.017/s", "10/s", "1,200/s"]
    )
    assert [format_span(s) for s in (45, 3600, 5400, 7300, 200_000)] == (
        ["45 s", "1 h", "90 min", "2 h", "2 d"]
    )
