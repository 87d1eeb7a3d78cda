"""Numbers as operators read and write them."""

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Final

NOTHING: Final = "-"
_PER_UNIT: Final = 1000
_KIB: Final = 1024
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*([smhd]?)")
_SPAN_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_span(text: str, shortest: float = 0.0, longest: float = math.inf) -> float:
    """Return the seconds of `90`, `90s`, `15m`, `1h`, `1.5h` or `2d`.

    Raises:
        ValueError: it is none of these, or out of these bounds in seconds.
    """
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"'{text}' is no span of time: write it like 90s, 15m, 1h or 2d.")
    seconds = float(match[1]) * _SPAN_SECONDS[match[2]]
    if not shortest <= seconds <= longest:
        raise ValueError(f"'{text}' is out of range: {shortest:g} s to {format_span(longest)}.")
    return seconds


def span_argument(shortest: float = 0.0, longest: float = math.inf) -> Callable[[str], float]:
    """Return what argparse is to call for a span; of a ValueError it would not show the words."""

    def parse(text: str) -> float:
        try:
            return parse_span(text, shortest, longest)
        except ValueError as error:
            raise ArgumentTypeError(str(error)) from error

    return parse


def format_span(seconds: float) -> str:
    """Return `45 s`, `5 min`, `2 h` or `3 d`, rounded down to what is worth knowing."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def format_ms(milliseconds: float | None) -> str:
    """Return `9.2 µs`, `840 µs`, `12 ms` or `1.5 s`; `-` for None."""
    if milliseconds is None:
        return NOTHING
    if milliseconds < 1:
        return f"{_two_digits(milliseconds * _PER_UNIT)} µs"
    if milliseconds >= _PER_UNIT:
        return f"{milliseconds / _PER_UNIT:.1f} s"
    return f"{_two_digits(milliseconds)} ms"


def format_bytes(size: int) -> str:
    """Return `812 KB`, `45.2 MB` or `1.3 GB`, of 1024 each."""
    value = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if value < _KIB:
            return f"{value:.0f} {unit}" if unit in ("B", "KB") else f"{value:.1f} {unit}"
        value /= _KIB
    return f"{value:.1f} TB"


def format_part(part: float | None) -> str:
    """Return `99.7%`; `0%`, `50%` and `100%` where that is exact; `-` for None."""
    if part is None:
        return NOTHING
    if part in (0, 0.5, 1):
        return f"{part:.0%}"
    return f"{min(max(part, 0.001), 0.999):.1%}"


def format_rate(per_second: float | None) -> str:
    """Return `0.25/s`, `2.5/s` or `1,200/s`; `-` for None."""
    if per_second is None:
        return NOTHING
    return f"{_two_digits(per_second)}/s"


def _two_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"  # noqa: PLR2004
