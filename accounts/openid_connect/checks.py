"""The system check of this app's setting."""

from collections import Counter
from typing import Any, Final

import jwt
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ValidationError

from accounts.columns.visible_text import validate_visible
from accounts.openid_connect.client_secrets import sign_secret
from accounts.openid_connect.models import ISSUER_MAX_LENGTH
from accounts.openid_connect.providers import (
    FORM_POST,
    NAME,
    QUERY,
    Provider,
    is_safe_url,
    list_providers,
)

TITLE_MAX_LENGTH: Final = 50


def check_providers(**_kwargs: Any) -> list[CheckMessage]:
    """Check that each provider can be asked, and lets nobody in that it shouldn't (E001)."""
    try:
        providers = list_providers()
    except (AttributeError, TypeError) as error:
        return [_make_error(f"AUTH_OPENID_PROVIDERS isn't in order: {error}.", "name")]
    messages = [
        _make_error(f"AUTH_OPENID_PROVIDERS: {part} of {provider.name!r} isn't good.", part)
        for provider in providers
        for part in _find_bad_parts(provider)
    ]
    issuers = Counter(provider.issuer for provider in providers)
    messages += [
        _make_error(f"AUTH_OPENID_PROVIDERS: two providers have the issuer {issuer!r}.", "issuer")
        for issuer, count in issuers.items()
        if count > 1
    ]
    return messages


HINTS: Final = {
    "name": "Name each by a word of small letters and digits, and give it the fields of "
    "accounts.openid_connect.providers.Provider.",
    "title": f"Give it what a button may say, at most {TITLE_MAX_LENGTH} characters.",
    "issuer": "Write it exactly as the provider's discovery document has it: an https URL without "
    "a query.",
    "client_id": "Give it the id that the provider knows this service by.",
    "client_secret": "Give it client_secret; or, for Apple, team_id, key_id and private_key, a "
    "P-256 key in PEM, and no client_secret.",
    "scopes": "Name openid, and email, among them.",
    "redirect_uris": "Name one at least, each an https URL that the provider knows as well.",
    "response_mode": f"Write {QUERY}; or {FORM_POST}, with a return_url that is an https URL.",
}


def _find_bad_parts(provider: Provider) -> list[str]:
    is_good = {
        "name": NAME.fullmatch(provider.name) is not None,
        "title": _is_title(provider.title),
        "issuer": is_safe_url(provider.issuer)
        and "?" not in provider.issuer
        and len(provider.issuer) <= ISSUER_MAX_LENGTH,
        "client_id": bool(provider.client_id),
        "client_secret": _has_secret(provider),
        "scopes": {"openid", "email"} <= set(provider.scopes),
        "redirect_uris": bool(provider.redirect_uris)
        and all(map(is_safe_url, provider.redirect_uris)),
        "response_mode": provider.response_mode == QUERY
        or (provider.response_mode == FORM_POST and is_safe_url(provider.return_url)),
    }
    return [part for part, good in is_good.items() if not good]


def _is_title(title: str) -> bool:
    try:
        validate_visible(title)
    except ValidationError:
        return False
    return bool(title.strip()) and len(title) <= TITLE_MAX_LENGTH


def _has_secret(provider: Provider) -> bool:
    if provider.client_secret:
        others = {settings.SECRET_KEY, settings.USERCACHE_SIGNING_KEY}
        return not provider.private_key and provider.client_secret not in others
    try:
        return bool(provider.team_id and provider.key_id and sign_secret(provider))
    except (jwt.PyJWTError, ValueError, TypeError):
        return False


def _make_error(message: str, part: str) -> CheckMessage:
    return Error(message, hint=HINTS[part], id="openid_connect.E001")
