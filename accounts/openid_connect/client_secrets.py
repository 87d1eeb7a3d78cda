"""Client secrets: a provider's own, or one that is signed for a few minutes, as Apple wants it."""

from datetime import timedelta
from typing import Final

import jwt
from django.utils import timezone

from accounts.openid_connect.providers import Provider

LIFETIME: Final = timedelta(minutes=5)


def make_secret(provider: Provider) -> str:
    """Return what proves to the provider who we are."""
    return provider.client_secret or sign_secret(provider)


def sign_secret(provider: Provider) -> str:
    """Return a JWT for Apple. Source: "Creating a client secret", Apple's documentation.

    Raises: ValueError, TypeError or PyJWTError for a key that can't sign.
    """
    now = timezone.now()
    claims = {
        "iss": provider.team_id,
        "sub": provider.client_id,
        "aud": provider.issuer,
        "iat": now,
        "exp": now + LIFETIME,
    }
    key = provider.private_key
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": provider.key_id})
