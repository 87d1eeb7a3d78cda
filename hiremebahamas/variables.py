"""Variables of the environment that are no text; one that can't be read is an error that names it.

django-environ makes 5.0 of "5 min", False of all that it doesn't know, and a nameless ValueError of
the rest. An empty variable is an unset one.
"""

import math
import os
from typing import Final, TypeVar

from django.core.exceptions import ImproperlyConfigured

Number = TypeVar("Number", int, float)

KINDS: Final[dict[type, str]] = {int: "a whole number", float: "a number"}
SWITCH: Final = {
    **dict.fromkeys(("true", "on", "yes", "1"), True),
    **dict.fromkeys(("false", "off", "no", "0"), False),
}


def read_switch(name: str, *, default: bool) -> bool:
    """Return what the variable says.

    Raises: ImproperlyConfigured if it is neither yes nor no.
    """
    value = os.environ.get(name) or str(default)
    if value.lower() not in SWITCH:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to True or False.")
    return SWITCH[value.lower()]


def read_int(name: str, default: int, *, low: float = -math.inf, high: float = math.inf) -> int:
    """Return a whole number from `low` to `high`.

    Raises: ImproperlyConfigured.
    """
    value = os.environ.get(name)
    return _check(name, value, int, (low, high)) if value else default


def read_float(
    name: str, default: float, *, low: float = -math.inf, high: float = math.inf
) -> float:
    """Return a number from `low` to `high`.

    Raises: ImproperlyConfigured.
    """
    value = os.environ.get(name)
    return _check(name, value, float, (low, high)) if value else default


def _check(name: str, value: str, kind: type[Number], bounds: tuple[float, float]) -> Number:
    low, high = bounds
    try:
        number = kind(value)
    except ValueError:
        number = None
    if number is not None and low <= number <= high and math.isfinite(number):
        return number
    wanted = KINDS[kind]
    if math.isfinite(low):
        wanted += f" from {low}"
    if math.isfinite(high):
        wanted += f" to {high}"
    raise ImproperlyConfigured(f"{name} is {value!r}. Set it to {wanted}, or leave it out.")
