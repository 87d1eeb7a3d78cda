"""Checks of the USERCACHE_* settings themselves: names, types, ranges, the signing key."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from usercache.conf import Conf, conf
from usercache.tracing import is_installed

SHORTEST_SIGNING_KEY: Final = 32
"""Characters; fewer could be guessed, and whoever has the key can make himself an admin."""


class Range(NamedTuple):
    """Say which numbers a setting may be."""

    low: float
    high: float
    unit: str
    is_whole: bool = False


RANGES: Final = {
    "USERCACHE_TTL_SECONDS": Range(1, 86_400, "seconds"),
    "USERCACHE_TTL_JITTER": Range(0, 0.5, "as a part of the TTL"),
    "USERCACHE_NEGATIVE_TTL_SECONDS": Range(1, 3600, "seconds"),
    "USERCACHE_LOCAL_TTL_SECONDS": Range(0.1, 60, "seconds"),
    "USERCACHE_NEAR_MAX_ENTRIES": Range(0, 10_000_000, "users", is_whole=True),
    "USERCACHE_NEAR_MAX_BYTES": Range(0, 1 << 40, "bytes", is_whole=True),
    "USERCACHE_TOKENS_MAX_ENTRIES": Range(0, 10_000_000, "tokens", is_whole=True),
    "USERCACHE_LEASE_TTL_SECONDS": Range(0.1, 60, "seconds"),
    "USERCACHE_LEASE_WAIT_SECONDS": Range(0, 60, "seconds"),
    "USERCACHE_BARRIER_WAIT_SECONDS": Range(0, 60, "seconds"),
    "USERCACHE_BARRIER_TTL_SECONDS": Range(1, 3600, "seconds"),
    "USERCACHE_STATS_FLUSH_SECONDS": Range(0.05, 60, "seconds"),
    "USERCACHE_AUDIT_SHARE": Range(0, 1, "of the hits"),
    "USERCACHE_WAIT_REPLICAS": Range(0, 10, "replicas", is_whole=True),
}
TEXTS: Final = (
    "USERCACHE_SHARED_ALIAS",
    "USERCACHE_LOCAL_ALIAS",
    "USERCACHE_SIGNING_KEY",
    "USERCACHE_TOKEN_VERSION_FIELD",
    "USERCACHE_METRICS_TOKEN",
)
KNOWN: Final = frozenset(name for name in vars(Conf) if name.startswith("USERCACHE_"))


def check_settings(**_kwargs: Any) -> list[CheckMessage]:
    """Check each USERCACHE_* setting's name, type and range (E001, E002, W003)."""
    return [*_check_numbers(), *_check_texts(), *_check_names()]


def check_signing_key(**_kwargs: Any) -> list[CheckMessage]:
    """Check that records are signed with something that can't be guessed (E004)."""
    if len(conf.USERCACHE_SIGNING_KEY) >= SHORTEST_SIGNING_KEY:
        return []
    return [
        Error(
            f"USERCACHE_SIGNING_KEY has fewer than {SHORTEST_SIGNING_KEY} characters.",
            hint="Give it a random one of its own, not SECRET_KEY: whoever has it and can write "
            'to Redis can make himself an admin. python -c "import secrets; '
            'print(secrets.token_urlsafe(48))" makes one.',
            id="usercache.E004",
        )
    ]


def check_tracing(**_kwargs: Any) -> list[CheckMessage]:
    """Check that spans can be made where they are asked for (W025)."""
    if not conf.USERCACHE_TRACING or is_installed():
        return []
    return [
        CheckWarning(
            "USERCACHE_TRACING is on, and there is no OpenTelemetry: no spans are made.",
            hint="Install opentelemetry-api and what sends the spans, or switch it off.",
            id="usercache.W025",
        )
    ]


def _check_numbers() -> Iterator[CheckMessage]:
    for name, (low, high, unit, is_whole) in RANGES.items():
        value = getattr(conf, name)
        if isinstance(value, bool) or not isinstance(value, int if is_whole else int | float):
            kind = "a whole number" if is_whole else "a number"
            yield Error(f"{name} must be {kind}, not {value!r}.", id="usercache.E001")
        elif not low <= value <= high:
            yield Error(
                f"{name} is {value}; it must be from {low} to {high} {unit}.", id="usercache.E002"
            )


def _check_texts() -> Iterator[CheckMessage]:
    for name in TEXTS:
        value = getattr(conf, name)
        if not isinstance(value, str):
            # The value isn't shown: one of these is a secret.
            yield Error(f"{name} must be a string.", id="usercache.E001")


def _check_names() -> Iterator[CheckMessage]:
    for name in dir(settings):
        if name.startswith("USERCACHE_") and name not in KNOWN:
            yield CheckWarning(
                f"{name} is not a setting of usercache, so it has no effect.",
                hint=f"The settings are {', '.join(sorted(KNOWN))}.",
                id="usercache.W003",
            )
