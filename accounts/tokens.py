"""The two kinds of token: what is in them, how they are made and read."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.crypto import salted_hmac
from rest_framework_simplejwt import tokens
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from accounts.errors import InvalidRefreshToken


class AccessToken(tokens.AccessToken):
    """Names a user and the token_version it was made at: `{"user_id": 7, "token_version": 1}`."""

    @classmethod
    def mint(cls, *, user_id: int, token_version: int) -> str:
        """Sign a token; only for a user known to be active."""
        token = cls()
        token[api_settings.USER_ID_CLAIM] = user_id
        token["token_version"] = token_version
        return str(token)


class RefreshToken(tokens.Token):
    """Names a login session, and in it one link of its chain of tokens."""

    token_type = "refresh"  # noqa: S105 (a kind, not a secret)
    lifetime = api_settings.REFRESH_TOKEN_LIFETIME


@dataclass(frozen=True)
class RefreshClaims:
    """What a refresh token says; `token_id` is its link in the session's chain."""

    session_id: uuid.UUID
    token_id: str
    user_id: int
    token_version: int

    @property
    def token_hash(self) -> str:
        """What the session's row holds of the token."""
        return hash_token_id(self.token_id)

    def succeed(self) -> "RefreshClaims":
        """Return the claims of the one token that may follow this one.

        It is derived, not drawn: whoever is late gets the very token that was handed out before.
        """
        link = salted_hmac(
            "accounts.tokens.RefreshClaims.succeed",
            self.token_id,
            secret=api_settings.SIGNING_KEY,
            algorithm="sha256",
        )
        return RefreshClaims(
            session_id=self.session_id,
            token_id=link.hexdigest(),
            user_id=self.user_id,
            token_version=self.token_version,
        )

    def sign(self, *, issued_at: datetime) -> str:
        """Return the token that says this; for the same second, the same token."""
        token = RefreshToken()
        token.set_iat(at_time=issued_at)
        token.set_exp(from_time=issued_at)
        token[api_settings.JTI_CLAIM] = self.token_id
        token["sid"] = str(self.session_id)
        token[api_settings.USER_ID_CLAIM] = self.user_id
        token["token_version"] = self.token_version
        return str(token)


@dataclass(frozen=True)
class TokenPair:
    """What a login or a refresh hands out, both signed."""

    access_token: str
    refresh_token: str


def refresh_lifetime() -> timedelta:
    """Return how long a session lasts after its last refresh."""
    lifetime: timedelta = api_settings.REFRESH_TOKEN_LIFETIME
    return lifetime


def hash_token_id(token_id: str) -> str:
    """Return the SHA-256 of a token's id, in hexadecimal."""
    return hashlib.sha256(token_id.encode()).hexdigest()


def read_refresh_token(raw_token: str) -> RefreshClaims:
    """Return the claims of a refresh token that is genuine and not expired.

    Raises: InvalidRefreshToken for anything else.
    """
    try:
        token = RefreshToken(raw_token)  # type: ignore[arg-type]  # annotated as if it were decoded
        return RefreshClaims(
            session_id=uuid.UUID(token["sid"]),
            token_id=str(token[api_settings.JTI_CLAIM]),
            user_id=int(token[api_settings.USER_ID_CLAIM]),
            token_version=int(token["token_version"]),
        )
    except (TokenError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidRefreshToken from error
