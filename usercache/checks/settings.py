"""Checks of the USERCACHE_* settings themselves: names, types, ranges, the signing key."""

from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from usercache.conf import SETTINGS, conf

SHORTEST_SIGNING_KEY: Final = 32
"""Characters; a shorter one could be guessed, and the key allows forging an admin."""

KINDS: Final = {
    str: "a string",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    tuple: "a tuple of strings",
}

Check = Callable[..., list[CheckMessage]]


@cache  # one function for a check: INSTALLED_APPS may be overridden, and ready() called again
def once_settings_are_typed(check: Check) -> Check:
    """Skip a check while a setting has the wrong type: it could only fail on that."""

    @wraps(check)
    def checked(**kwargs: Any) -> list[CheckMessage]:
        return [] if any(_check_types()) else check(**kwargs)

    return checked


def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """Check each USERCACHE_* setting's name, type and range (E001, E002, W003)."""
    return [*(list(_check_types()) or _check_ranges()), *_check_names()]


def check_signing_key(**_kwargs: Any) -> list[CheckMessage]:
    """Check that records are signed with something that can't be guessed (E004)."""
    keys = {
        "USERCACHE_SIGNING_KEY": (conf.USERCACHE_SIGNING_KEY,),
        "USERCACHE_SIGNING_KEY_FALLBACKS": conf.USERCACHE_SIGNING_KEY_FALLBACKS,
    }
    return [
        Error(
            f"{name} has fewer than {SHORTEST_SIGNING_KEY} characters.",
            hint="Give it a random one of its own, not SECRET_KEY: anyone who has it and can write "
            'to Redis can make a user an admin. python -c "import secrets; '
            'print(secrets.token_urlsafe(48))" makes one.',
            id="usercache.E004",
        )
        for name, values in keys.items()
        if any(len(value) < SHORTEST_SIGNING_KEY for value in values)
    ]


def _check_types() -> Iterator[CheckMessage]:
    for name, setting in SETTINGS.items():
        if not _is_typed(getattr(conf, name), setting.default):
            # The value isn't shown: some of these are secrets.
            yield Error(f"{name} must be {KINDS[type(setting.default)]}.", id="usercache.E001")


def _is_typed(value: object, default: object) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, tuple) and all(isinstance(part, str) for part in value)
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type(default)


def _check_ranges() -> Iterator[CheckMessage]:
    for name, setting in SETTINGS.items():
        value = getattr(conf, name)
        if setting.unit and not setting.low <= value <= setting.high:
            yield Error(
                f"{name} is {value}; it must be from {setting.low} to {setting.high} "
                f"{setting.unit}.",
                id="usercache.E002",
            )


def _check_names() -> Iterator[CheckMessage]:
    for name in dir(settings):
        if name.startswith("USERCACHE_") and name not in SETTINGS:
            yield CheckWarning(
                f"{name} is not a setting of usercache, so it has no effect.",
                hint=f"The settings are {', '.join(sorted(SETTINGS))}.",
                id="usercache.W003",
            )
