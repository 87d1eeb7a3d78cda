"""System checks of this app's settings."""

from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error

from accounts.bounds import check_bounds

KEY_MIN_BYTES: Final = 32
SHORTEST_SECONDS: Final = 30
LONGEST_SECONDS: Final = 3600


def check_keys(**_kwargs: Any) -> list[CheckMessage]:
    """Check that secrets of authenticator apps can be encrypted, with keys of their own (E001)."""
    keys: Any = settings.AUTH_SECOND_FACTOR_KEYS
    others = {settings.SECRET_KEY, settings.USERCACHE_SIGNING_KEY}
    are_good = (
        isinstance(keys, tuple)
        and bool(keys)
        and all(isinstance(key, str) and len(key.encode()) >= KEY_MIN_BYTES for key in keys)
        and len({*keys} | others) == len(keys) + len(others)
    )
    if are_good:
        return []
    return [
        Error(
            "AUTH_SECOND_FACTOR_KEYS is no tuple of keys.",
            hint=f"Give it one key of at least {KEY_MIN_BYTES} bytes, different from every other "
            "secret, and after it the earlier keys that secrets may still be encrypted with.",
            id="second_factor.E001",
        )
    ]


def check_challenges(**_kwargs: Any) -> list[CheckMessage]:
    """Check the time for a log-in (E002), who needs a factor (E003), and the origins (E004)."""
    messages = check_bounds(
        "AUTH_SECOND_FACTOR_CHALLENGE_SECONDS",
        SHORTEST_SECONDS,
        LONGEST_SECONDS,
        reason="so long a log-in waits for its second step",
        message_id="second_factor.E002",
    )
    messages += _check_origins()
    required: Any = settings.AUTH_SECOND_FACTOR_FOR_STAFF
    if not isinstance(required, bool):
        messages.append(
            Error(
                f"AUTH_SECOND_FACTOR_FOR_STAFF is {required!r}.",
                hint="Set it to True or False.",
                id="second_factor.E003",
            )
        )
    return messages


def _check_origins() -> list[CheckMessage]:
    domain: Any = settings.AUTH_PASSKEY_DOMAIN
    origins: Any = settings.AUTH_PASSKEY_ORIGINS
    bad = [origin for origin in origins if not _is_origin_of(domain, origin)]
    if origins and domain and not bad:
        return []
    return [
        Error(
            f"AUTH_PASSKEY_ORIGINS is {origins!r}, AUTH_PASSKEY_DOMAIN {domain!r}.",
            hint="Set the first to the pages that log users in, as in https://www.example.com "
            "without a path, and the second to their host or a domain above it. Browsers have "
            "passkeys on pages with HTTPS and on localhost.",
            id="second_factor.E004",
        )
    ]


def _is_origin_of(domain: str, origin: str) -> bool:
    parts = urlsplit(origin)
    host = parts.hostname or ""
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and host == "localhost")
    is_bare = origin == f"{parts.scheme}://{parts.netloc}"
    return is_safe and is_bare and (host == domain or host.endswith(f".{domain}"))
