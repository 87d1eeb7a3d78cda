"""What a user's own columns weigh, before anybody adds anything."""

import datetime
from typing import Final

NUMBER_BYTES: Final = 8


def count_bytes(value: object) -> int:
    """Count what a column's value takes: text in UTF-8, numbers and times 8, truth 1."""
    if value is None:
        return 0
    if isinstance(value, bool):
        return 1
    if isinstance(value, int | float | datetime.datetime):
        return NUMBER_BYTES
    return len(str(value).encode())
