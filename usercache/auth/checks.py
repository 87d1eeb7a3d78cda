"""Checks of simplejwt's settings, where CachedJWTAuthentication does what they say."""

from collections.abc import Sequence
from typing import Any, Final, cast

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from rest_framework.settings import api_settings as drf_settings
from rest_framework_simplejwt.settings import api_settings

from usercache.auth.jwt import CachedJWTAuthentication
from usercache.checks.settings import SHORTEST_SIGNING_KEY
from usercache.conf import conf
from usercache.identifiers import find_unique_column

LONGEST_LEEWAY_SECONDS: Final = 60.0
"""Clocks that are further apart want setting; every expired token lives so much longer."""


def check_tokens(**_kwargs: Any) -> list[CheckMessage]:
    """Check how a token leads to its user (E040, W041), and what clocks may differ by (E042)."""
    classes = cast("Sequence[type]", drf_settings.DEFAULT_AUTHENTICATION_CLASSES)
    if not any(issubclass(used, CachedJWTAuthentication) for used in classes):
        return []
    return [*_check_user_id_field(), *_check_revocation(), *_check_leeway()]


def check_forwarding(**_kwargs: Any) -> list[CheckMessage]:
    """Check what ForwardAuth tells, and that it can't be forged (E051, E052)."""
    key, messages = conf.USERCACHE_FORWARD_SIGNING_KEY, list[CheckMessage]()
    if 0 < len(key) < SHORTEST_SIGNING_KEY:
        messages.append(
            Error(
                f"USERCACHE_FORWARD_SIGNING_KEY has fewer than {SHORTEST_SIGNING_KEY} characters.",
                hint="Give it a random one that no other setting has: each service behind the "
                "gateway knows it.",
                id="usercache.E051",
            )
        )
    missing = sorted(set(conf.USERCACHE_FORWARD_FIELDS) - set(conf.USERCACHE_FIELDS))
    if missing:
        messages.append(
            Error(
                f"USERCACHE_FORWARD_FIELDS: {', '.join(missing)} isn't in USERCACHE_FIELDS.",
                hint="Add it there too: each request would query the database for it.",
                id="usercache.E052",
            )
        )
    return messages


def _check_user_id_field() -> list[CheckMessage]:
    model, name = get_user_model(), api_settings.USER_ID_FIELD
    if find_unique_column(model, conf.USERCACHE_FIELDS, name) is not None:
        return []
    return [
        Error(
            f"SIMPLE_JWT['USER_ID_FIELD'] is '{name}', and {model._meta.label} has no such unique "
            "column in USERCACHE_FIELDS: a token would lead to no cached user.",
            hint="Add the column to USERCACHE_FIELDS, if it is unique. For another one, "
            "authenticate with simplejwt's own JWTAuthentication, which makes a query for each "
            "request.",
            id="usercache.E040",
        )
    ]


def _check_revocation() -> list[CheckMessage]:
    if not api_settings.CHECK_REVOKE_TOKEN or conf.USERCACHE_PASSWORD_FINGERPRINT:
        return []
    return [
        CheckWarning(
            "SIMPLE_JWT['CHECK_REVOKE_TOKEN'] compares each token with the password's hash, which "
            "is never cached: each request makes a query.",
            hint="Set USERCACHE_PASSWORD_FINGERPRINT = True, and run manage.py migrate for "
            "PostgreSQL's triggers.",
            id="usercache.W041",
        )
    ]


def _check_leeway() -> list[CheckMessage]:
    leeway = api_settings.LEEWAY
    seconds = leeway.total_seconds() if hasattr(leeway, "total_seconds") else leeway
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        if 0 <= seconds <= LONGEST_LEEWAY_SECONDS:
            return []
    elif seconds is None:
        return []
    return [
        Error(
            f"SIMPLE_JWT['LEEWAY'] is {leeway!r}.",
            hint=f"Set it from 0 to {LONGEST_LEEWAY_SECONDS:.0f} seconds; 10 do for servers whose "
            "clocks are kept by NTP.",
            id="usercache.E042",
        )
    ]
