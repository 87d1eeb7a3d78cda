"""Signs the access tokens of the fleet's users, as a log-in would."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from accounts.token_keys.keys import read_key

TOKEN_HOURS = 2
FIRST_LINK = "first-"
"""The beginning of the id of everybody's first refresh token."""


class Mint:
    """Signs with one key, and with another from a moment on: everybody then has a new token."""

    def __init__(self, signing_key: str) -> None:
        """Take the key as the settings spell it."""
        self._tokens: dict[int, str] = {}
        self._key = read_key(signing_key)

    def change_key(self, signing_key: str) -> None:
        """Sign every user's token again, with this key."""
        self._key = read_key(signing_key)
        self._tokens = {}

    def find_token(self, pk: int) -> str:
        """Return the access token of a user."""
        tokens = self._tokens  # another thread may replace it
        if pk not in tokens:
            tokens[pk] = self._sign(pk, token_type="access", jti=f"access-{pk}")
        return tokens[pk]

    def make_refresh_token(self, pk: int) -> str:
        """Return the first refresh token of a user."""
        return self._sign(pk, token_type="refresh", jti=f"{FIRST_LINK}{pk}")

    def _sign(self, pk: int, **claims: Any) -> str:
        now = datetime.now(UTC)
        times = {"iat": now, "exp": now + timedelta(hours=TOKEN_HOURS)}
        session = {"user_id": pk, "token_version": 1, "sid": str(session_of(pk))}
        key, headers = self._key, {"kid": self._key.key_id}
        return jwt.encode(
            {**session, **times, **claims}, key.signing_key or "", key.algorithm, headers
        )


def session_of(pk: int) -> UUID:
    """Return the id of a user's session."""
    return UUID(int=pk)
