"""Numbers, switches and rates from the environment; an invalid one raises an error that names it.

django-environ makes 5.0 of "5 min", False of all that it doesn't know, and a nameless ValueError of
the rest. An empty variable is an unset one.
"""

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from django.core.exceptions import ImproperlyConfigured

Rate = tuple[int, int]
"""How many, and in how many seconds."""

Number = TypeVar("Number", int, float)

KINDS: Final[dict[type, str]] = {int: "a whole number", float: "a number"}
SWITCH: Final = {
    **dict.fromkeys(("true", "on", "yes", "1"), True),
    **dict.fromkeys(("false", "off", "no", "0"), False),
}

_RATE: Final = re.compile(
    r"(?P<action>[a-z]+)_(?P<scope>[a-z]+)=(?P<count>[1-9][0-9]{0,8})/(?P<seconds>[1-9][0-9]{0,5})"
)


def read_switch(name: str, *, default: bool) -> bool:
    """Return what the variable says.

    Raises: ImproperlyConfigured if it is neither yes nor no.
    """
    value = os.environ.get(name) or str(default)
    if value.lower() not in SWITCH:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to True or False.")
    return SWITCH[value.lower()]


def read_choice(name: str, choices: Sequence[str]) -> str:
    """Return one of the choices, the first by default.

    Raises: ImproperlyConfigured for anything else.
    """
    value = os.environ.get(name) or choices[0]
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to {' or '.join(choices)}.")
    return value


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


def read_rates(name: str, defaults: Mapping[str, Mapping[str, Rate]]) -> dict[str, dict[str, Rate]]:
    """Return the rates, with those changed that `login_address=200/60,search_account=…` names.

    Raises: ImproperlyConfigured for a name without a default, and for what is no rate.
    """
    rates = {action: dict(scopes) for action, scopes in defaults.items()}
    for part in filter(None, os.environ.get(name, "").split(",")):
        found = _RATE.fullmatch(part.strip())
        if found is None or found["scope"] not in rates.get(found["action"], {}):
            known = ", ".join(f"{action}_{scope}" for action in rates for scope in rates[action])
            raise ImproperlyConfigured(
                f"{name} has {part!r}. Write how many in how many seconds, as in "
                f"login_address=100/60, for any of {known}."
            )
        rates[found["action"]][found["scope"]] = int(found["count"]), int(found["seconds"])
    return rates


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
