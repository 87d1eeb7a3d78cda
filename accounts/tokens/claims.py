"""The two kinds of token: their claims, issuing and reading."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from django.utils.crypto import salted_hmac
from rest_framework_simplejwt import state, tokens
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from accounts.columns.fields import LARGEST_INTEGER
from accounts.errors import InvalidRefreshToken

Claim = TypeVar("Claim")

# What the claims of a signed token can raise: missing, of another type, or an impossible time,
# since simplejwt converts `exp` to a datetime unchecked.
CLAIM_ERRORS: Final = (KeyError, TypeError, ValueError, OverflowError, OSError)
SESSION_CLAIM: Final = "sid"


class AccessToken(tokens.AccessToken):
    """Names a user, the token_version it was made at, and the session: `{"user_id": 7, …}`."""

    @classmethod
    def mint(cls, *, user_id: int, token_version: int, session_id: uuid.UUID) -> str:
        """Sign a token; only for a user known to be active."""
        token = cls()
        token[api_settings.USER_ID_CLAIM] = user_id
        token["token_version"] = token_version
        token[SESSION_CLAIM] = str(session_id)
        return str(token)


class RefreshToken(tokens.Token):
    """Names a login session, and in it one link of its chain of tokens."""

    token_type = "refresh"  # noqa: S105 (a kind, not a secret)
    lifetime = api_settings.REFRESH_TOKEN_LIFETIME


@dataclass(frozen=True)
class RefreshClaims:
    """The claims of a refresh token; `token_id` is its link in the session's chain."""

    session_id: uuid.UUID
    token_id: str
    user_id: int
    token_version: int

    @property
    def token_hash(self) -> str:
        """The hash of the token's id, which the session's row holds."""
        return hash_token_id(self.token_id)

    def succeed(self) -> "RefreshClaims":
        """Return the claims of the one token that may follow this one.

        It is derived, not random: a late caller gets the very token that was issued before. With
        SECRET_KEY, not with the key that signs; see Note [Token keys].
        """
        link = salted_hmac(
            "accounts.tokens.RefreshClaims.succeed", self.token_id, algorithm="sha256"
        )
        return RefreshClaims(
            session_id=self.session_id,
            token_id=link.hexdigest(),
            user_id=self.user_id,
            token_version=self.token_version,
        )

    def sign(self, *, issued_at: datetime) -> str:
        """Return the signed token; the same one for the same second."""
        token = RefreshToken()
        token.set_iat(at_time=issued_at)
        token.set_exp(from_time=issued_at)
        token[api_settings.JTI_CLAIM] = self.token_id
        token[SESSION_CLAIM] = str(self.session_id)
        token[api_settings.USER_ID_CLAIM] = self.user_id
        token["token_version"] = self.token_version
        return str(token)


@dataclass(frozen=True)
class TokenPair:
    """The two signed tokens of a log-in or refresh."""

    access_token: str
    refresh_token: str


def access_lifetime() -> timedelta:
    """Return how long after its issue an access token is refused everywhere.

    Four servers' clocks come in: at the issue, the check, the session's end and the request.
    """
    lifetime: timedelta = api_settings.ACCESS_TOKEN_LIFETIME
    return lifetime + 4 * state.token_backend.get_leeway()


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
            session_id=uuid.UUID(_read_claim(token, SESSION_CLAIM, str)),
            token_id=_read_claim(token, api_settings.JTI_CLAIM, str),
            user_id=_read_claim(token, api_settings.USER_ID_CLAIM, int),
            token_version=_read_claim(token, "token_version", int),
        )
    except (TokenError, *CLAIM_ERRORS) as error:
        raise InvalidRefreshToken from error


def _read_claim(token: RefreshToken, name: str, kind: type[Claim]) -> Claim:
    claim = token[name]
    if type(claim) is not kind:  # not isinstance(), for which True is an int
        raise TypeError(f"The claim {name} is of {type(claim)}.")
    if isinstance(claim, int) and abs(claim) > LARGEST_INTEGER:
        raise ValueError(f"The claim {name} is larger than any integer of the database.")
    return claim
