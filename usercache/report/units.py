"""Numbers as operators read and write them."""

import re
from typing import Final

NOTHING: Final = "-"
_MILLISECOND_US: Final = 1000
_KIB: Final = 1024
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_SPAN_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_span(text: str) -> float:
    """Return the seconds of `90`, `90s`, `15m`, `1h`, `1.5h` or `2d`.

    Raises:
        ValueError: it is none of these.
    """
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"'{text}' is no span of time: write it like 90s, 15m, 1h or 2d.")
    return float(match[1]) * _SPAN_SECONDS[match[2]]


def spell_span(seconds: float) -> str:
    """Return `45 s`, `5 min`, `2 h` or `3 d`, rounded down to what is worth knowing."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def spell_ms(milliseconds: float | None) -> str:
    """Return `62 us`, `0.84 ms`, `12 ms` or `1.5 s`; `-` for None."""
    if milliseconds is None:
        return NOTHING
    if milliseconds < 0.1:  # noqa: PLR2004  # from here on three digits say more as microseconds
        return f"{milliseconds * _MILLISECOND_US:.2g} us"
    if milliseconds >= 1000:  # noqa: PLR2004  # a second
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.2g} ms" if milliseconds < 100 else f"{milliseconds:.0f} ms"  # noqa: PLR2004


def spell_bytes(size: int) -> str:
    """Return `812 KB`, `45.2 MB` or `1.3 GB`, of 1024 each."""
    value = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if value < _KIB:
            return f"{value:.0f} {unit}" if unit in ("B", "KB") else f"{value:.1f} {unit}"
        value /= _KIB
    return f"{value:.1f} TB"


def spell_part(part: float | None) -> str:
    """Return `99.7%`; `100%` for all only, and `-` for None."""
    if part is None:
        return NOTHING
    if part in (0, 1):
        return f"{part:.0%}"
    return f"{min(max(part, 0.001), 0.999):.1%}"


def spell_rate(per_second: float | None) -> str:
    """Return `0.25/s`, `2.5/s` or `1,200/s`; `-` for None."""
    if per_second is None:
        return NOTHING
    if per_second >= 10 or per_second == int(per_second):  # noqa: PLR2004  # two digits are enough
        return f"{per_second:,.0f}/s"
    return f"{per_second:.2g}/s"
