"""Settings that are whole numbers within bounds."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error


def is_whole(value: Any, lowest: int = 1, highest: int | None = None) -> bool:
    """Return whether it is a whole number within the bounds, which both are allowed."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return is_number and lowest <= value and (highest is None or value <= highest)


def check_bounds(
    name: str, lowest: int, highest: int, *, reason: str, message_id: str
) -> list[CheckMessage]:
    """Check a setting by its name; `reason` ends the hint."""
    value = getattr(settings, name)  # a project may set anything
    if is_whole(value, lowest, highest):
        return []
    hint = f"Set it to a whole number from {lowest} to {highest}: {reason}."
    return [Error(f"{name} is {value!r}.", hint=hint, id=message_id)]
