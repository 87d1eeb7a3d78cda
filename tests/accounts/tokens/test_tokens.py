"""What tokens say, and how one refresh token follows from another."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as project_settings
from django.utils import timezone
from pytest_django import Settings

from accounts.errors import InvalidRefreshToken
from accounts.tokens.claims import AccessToken, RefreshClaims, hash_token_id, read_refresh_token

CLAIMS = RefreshClaims(session_id=uuid.UUID(int=7), token_id="link", user_id=3, token_version=2)


def decode(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token, str(project_settings.SIMPLE_JWT["SIGNING_KEY"]), algorithms=["HS256"]
    )
    return claims


def test_access_token_says_whose_it_is_and_since_when() -> None:
    """For a quarter of an hour; and nothing of the person."""
    said = decode(AccessToken.mint(user_id=3, token_version=2, session_id=uuid.uuid4()))
    assert said.keys() == {"token_type", "exp", "iat", "jti", "user_id", "token_version", "sid"}
    assert (said["token_type"], said["user_id"], said["token_version"]) == ("access", 3, 2)
    assert said["exp"] - said["iat"] == 15 * 60


def test_refresh_token_says_which_session_and_link() -> None:
    """For fourteen days from its issue; the same for the same second."""
    now = timezone.now().replace(microsecond=0)
    token = CLAIMS.sign(issued_at=now)
    assert token == CLAIMS.sign(issued_at=now + timedelta(milliseconds=999))
    assert decode(token) == {
        "token_type": "refresh",
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(days=14)).timestamp()),
        "jti": "link",
        "sid": str(uuid.UUID(int=7)),
        "user_id": 3,
        "token_version": 2,
    }
    assert read_refresh_token(token) == CLAIMS


def test_successor_follows_from_the_token_and_a_secret(settings: Settings) -> None:
    """Always the same one, of the same session; for others, unpredictable."""
    successor = CLAIMS.succeed()
    assert successor == CLAIMS.succeed()
    assert successor.token_id not in {CLAIMS.token_id, successor.succeed().token_id}
    assert (successor.session_id, successor.user_id) == (CLAIMS.session_id, CLAIMS.user_id)
    assert successor.token_version == CLAIMS.token_version
    settings.SECRET_KEY = "another" * 8
    assert CLAIMS.succeed().token_id != successor.token_id


def test_row_has_a_digest() -> None:
    """SHA-256 of the link's name."""
    assert CLAIMS.token_hash == hash_token_id("link") == hashlib.sha256(b"link").hexdigest()


@pytest.mark.parametrize(
    "token",
    [
        AccessToken.mint(user_id=3, token_version=2, session_id=uuid.uuid4()),
        CLAIMS.sign(issued_at=datetime(2020, 1, 1, tzinfo=UTC)),
        CLAIMS.sign(issued_at=timezone.now())[:-2],
        "",
    ],
    ids=["access token", "expired", "cut", "nothing"],
)
def test_what_is_no_refresh_token(token: str) -> None:
    """Another kind, an old one, a forged one."""
    with pytest.raises(InvalidRefreshToken):
        read_refresh_token(token)
