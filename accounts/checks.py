"""System checks of this app's own settings."""

from collections.abc import Collection
from typing import Any, Final, cast

from django.conf import settings
from django.contrib.auth.password_validation import get_password_validators
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.db.models import Q
from rest_framework_simplejwt.settings import api_settings

from accounts.bounds import is_whole
from accounts.limits.rates import SCOPES
from accounts.mail.mailer import TOKEN
from accounts.models import User
from accounts.passwords.validators import (
    LeakedPasswordValidator,
    LengthValidator,
    OwnWordsValidator,
)

LONGEST_GRACE_SECONDS: Final = 60.0
"""As long as a stolen token could be used beside its owner's without either noticing."""

SILENT_BACKENDS: Final = {f"django.core.mail.backends.{name}" for name in ("dummy", "console")}
PASSWORD_VALIDATORS: Final = (LengthValidator, LeakedPasswordValidator, OwnWordsValidator)
NAMED_USERS: Final = 10
"""So many ids are in a message."""
# What can have another normal form than itself: the rest need not be looked at one by one.
SUSPECTS: Final = {"email": r"[^\x20-\x7e]|xn--", "phone": r"^\+[0-9]{1,3}0"}


def check_normal_forms(*, databases: Collection[str] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Check that users are found by what they type (E002); asks the database."""
    alias = router.db_for_write(User)
    if alias not in (databases or ()):
        return []
    if User._meta.db_table not in connections[alias].introspection.table_names():
        return []
    return [message for name in SUSPECTS for message in _check_column(alias, name)]


def _check_column(alias: str, name: str) -> list[CheckMessage]:
    field: Any = User._meta.get_field(name)
    suspects = User._base_manager.using(alias).filter(Q(**{f"{name}__regex": SUSPECTS[name]}))
    found = [
        pk
        for pk, value in suspects.values_list("pk", name).order_by("pk")
        if field.get_prep_value(value) != value
    ]
    if not found:
        return []
    ids = ", ".join(map(str, found[:NAMED_USERS])) + (", ..." if len(found) > NAMED_USERS else "")
    return [
        Error(
            f"{len(found)} users have an {name} that isn't in its normal form, so they aren't "
            f"found by it: {ids}.",
            hint="Load each and save it, which normalises it. Where that is refused, somebody "
            "else has the normal form: decide which of the two accounts is to stay.",
            id="accounts.E002",
        )
    ]


def check_limits(**_kwargs: Any) -> list[CheckMessage]:
    """Check how often what may be done (E003), and how much slow work at once (E005)."""
    limits = cast(Any, settings.AUTH_LIMITS)
    bad = [
        f"{action}_{scope}"
        for action, scopes in limits.items()
        for scope, rate in scopes.items()
        if scope not in SCOPES or not _is_rate(rate)
    ]
    messages: list[CheckMessage] = [
        Error(
            f"AUTH_LIMITS: {name} is no limit.",
            hint=f"Give each action tuples of how many in how many seconds, both whole numbers "
            f"above 0, for any of {', '.join(SCOPES)}.",
            id="accounts.E003",
        )
        for name in bad
    ]
    if not is_whole(settings.AUTH_SLOW_REQUESTS_MAX):
        messages.append(
            Error(
                f"AUTH_SLOW_REQUESTS_MAX is {settings.AUTH_SLOW_REQUESTS_MAX!r}.",
                hint="Set it to less than the threads of a process, and to 1 at least.",
                id="accounts.E005",
            )
        )
    return messages


def check_session_lifetimes(**_kwargs: Any) -> list[CheckMessage]:
    """Check that a session lasts longer than its access tokens (E006)."""
    idle, longest = settings.AUTH_SESSION_IDLE_SECONDS, settings.AUTH_SESSION_LONGEST_SECONDS
    shortest = api_settings.ACCESS_TOKEN_LIFETIME.total_seconds()
    if is_whole(idle) and is_whole(longest) and shortest <= idle <= longest:
        return []
    return [
        Error(
            f"AUTH_SESSION_IDLE_SECONDS is {idle!r}, AUTH_SESSION_LONGEST_SECONDS {longest!r}.",
            hint=f"Set the first to {shortest:.0f} at least, which is how long an access token "
            "lives, and the second to no less than the first.",
            id="accounts.E006",
        )
    ]


def check_refresh_cookie(**_kwargs: Any) -> list[CheckMessage]:
    """Check that browsers take the cookie, and keep it to themselves (E009)."""
    same_site, secure = settings.AUTH_REFRESH_COOKIE_SAMESITE, settings.AUTH_REFRESH_COOKIE_SECURE
    if (same_site, secure) in {("Strict", True), ("Strict", False), ("None", True)}:
        return []
    return [
        Error(
            f"AUTH_REFRESH_COOKIE_SAMESITE is {same_site!r}, and AUTH_REFRESH_COOKIE_SECURE "
            f"{secure!r}.",
            hint='Set the first to "Strict", or to "None" where the pages are of another site than '
            "this server; the second to True, or to False for development with Strict.",
            id="accounts.E009",
        )
    ]


def check_password_validators(**_kwargs: Any) -> list[CheckMessage]:
    """Check that weak passwords are refused (E008)."""
    try:
        found = get_password_validators(cast(Any, settings.AUTH_PASSWORD_VALIDATORS))
    except ImproperlyConfigured as error:
        return [Error(str(error), id="accounts.E008")]
    return [
        Error(
            f"AUTH_PASSWORD_VALIDATORS has no {wanted.__name__}, nor a subclass of it.",
            hint=f"Add {wanted.__module__}.{wanted.__name__}.",
            id="accounts.E008",
        )
        for wanted in PASSWORD_VALIDATORS
        if not any(isinstance(validator, wanted) for validator in found)
    ]


def check_mail(**_kwargs: Any) -> list[CheckMessage]:
    """Check that the links in messages hold the token (E007)."""
    names = ("AUTH_RESET_PASSWORD_URL", "AUTH_CONFIRM_EMAIL_URL", "AUTH_REOPEN_ACCOUNT_URL")
    urls = {name: getattr(settings, name) for name in names}
    bad = [name for name, url in urls.items() if url and not _is_link(url)]
    return [
        Error(
            f"{name} is {urls[name]!r}.",
            hint=f"Write a URL with {TOKEN}, as in https://www.example.com/reset#{TOKEN}; without "
            "one the message has the token alone.",
            id="accounts.E007",
        )
        for name in bad
    ]


def check_mail_is_sent(**_kwargs: Any) -> list[CheckMessage]:
    """Check, before a deployment, that mail is sent (W001)."""
    if settings.EMAIL_BACKEND.rpartition(".")[0] not in SILENT_BACKENDS:
        return []
    return [
        CheckWarning(
            "No mail is sent: a user without their password has no way back in.",
            hint="Set EMAIL_URL, as in smtp+tls://user:password@mail.example.com:587.",
            id="accounts.W001",
        )
    ]


def _is_link(url: Any) -> bool:
    return isinstance(url, str) and TOKEN in url and url.startswith(("https://", "http://"))


def check_proxies(**_kwargs: Any) -> list[CheckMessage]:
    """Check that addresses are read from what the proxies say, if there are any (E004)."""
    proxies = cast(Any, settings.NUM_PROXIES)
    if not is_whole(proxies, 0):
        return [
            Error(
                f"NUM_PROXIES is {proxies!r}.",
                hint="Set it to the number of proxies between the clients and this server.",
                id="accounts.E004",
            )
        ]
    if proxies == 0 and settings.SECURE_PROXY_SSL_HEADER:
        return [
            Error(
                "A proxy is trusted to say X-Forwarded-Proto, and NUM_PROXIES is 0: all clients "
                "have the proxy's address, and one of them uses up every client's limits.",
                hint="Set NUM_PROXIES to the number of proxies. Each must add the address that it "
                "was asked from to X-Forwarded-For, or set it.",
                id="accounts.E004",
            )
        ]
    return []


def _is_rate(rate: Any) -> bool:
    return isinstance(rate, tuple) and [*map(is_whole, rate)] == [True, True]


def check_refresh_grace(**_kwargs: Any) -> list[CheckMessage]:
    """Check how long a used refresh token still yields its successor (E001)."""
    grace = cast(Any, settings.AUTH_REFRESH_GRACE_SECONDS)  # a project may set anything
    is_number = isinstance(grace, int | float) and not isinstance(grace, bool)
    if is_number and 0 <= grace <= LONGEST_GRACE_SECONDS:
        return []
    return [
        Error(
            f"AUTH_REFRESH_GRACE_SECONDS is {grace!r}.",
            hint=f"Set it from 0 to {LONGEST_GRACE_SECONDS:.0f}; a few seconds do for two tabs.",
            id="accounts.E001",
        )
    ]
