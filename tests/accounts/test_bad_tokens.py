"""No token, or a bad one, is a 401 that says so, at every endpoint."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.sessions import start_session
from accounts.tokens import AccessToken
from tests.accounts.endpoints import GUARDED, Endpoint

pytestmark = pytest.mark.django_db

for_guarded = pytest.mark.parametrize("endpoint", GUARDED, ids=str)


def without_gaps(claims: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is `...`."""
    return {name: value for name, value in claims.items() if value is not ...}


def bad_tokens(user: User, signing_key: str) -> Iterator[tuple[str, str]]:
    """Yield tokens that must not open anything, and what is wrong with them."""
    good = AccessToken()
    good["user_id"], good["token_version"] = user.pk, user.token_version
    claims: dict[str, Any] = good.payload

    def sign(key: str = signing_key, algorithm: str = "HS256", **changes: Any) -> str:
        return jwt.encode(without_gaps(claims | changes), key, algorithm)

    past = int((timezone.now() - timedelta(seconds=1)).timestamp())
    yield "garbage", "garbage"
    yield "three dots", "a.b.c"
    yield "expired", sign(exp=past)
    yield "foreign key", sign("another key of thirty-two bytes!!")
    yield "unsigned", jwt.encode(claims, "", "none")
    yield "cut", sign()[:-2]
    yield "refresh token", start_session(user=user).refresh_token
    yield "no type", sign(token_type=...)
    yield "no expiry", sign(exp=...)
    yield "older version", sign(token_version=user.token_version - 1)
    yield "newer version", sign(token_version=user.token_version + 1)
    yield "no version", sign(token_version=...)
    yield "no user", sign(user_id=...)
    values: list[Any] = [None, "", "x", -1, 0, 2**70, 1.5, [], {}, "1 OR 1=1", "\x00", user.pk + 1]
    for value in values:
        yield f"user {value!r}", sign(user_id=value)


@for_guarded
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Basic YTpi",
        "Token x",
        "Bearer \xe9",
        "bearer x",
    ],
)
def test_no_token_is_a_401(anybody: APIClient, endpoint: Endpoint, header: str | None) -> None:
    """With a code, and the header that says what is wanted."""
    if header is not None:
        anybody.credentials(HTTP_AUTHORIZATION=header)
    response = anybody.generic(endpoint.method, endpoint.path)
    assert response.status_code == 401
    assert set(response.json()) == {"detail", "code"}
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@for_guarded
def test_bad_token_is_a_401(
    anybody: APIClient, endpoint: Endpoint, alice: User, settings: Settings
) -> None:
    """Expired, foreign, of the other kind, of another version, or for nobody."""
    for flaw, token in bad_tokens(alice, settings.SIMPLE_JWT["SIGNING_KEY"]):
        anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        response = anybody.generic(endpoint.method, endpoint.path)
        assert response.status_code == 401, flaw
        assert set(response.json()) == {"detail", "code"}


@for_guarded
def test_inactive_user_is_a_401(anybody: APIClient, endpoint: Endpoint, charlie: User) -> None:
    """Even with a token that would otherwise be good."""
    token = AccessToken.mint(user_id=charlie.pk, token_version=charlie.token_version)
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    response = anybody.generic(endpoint.method, endpoint.path)
    assert (response.status_code, response.json()["code"]) == (401, "user_inactive")


@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
def test_bad_refresh_token_is_a_401(
    anybody: APIClient, alice: User, settings: Settings, path: str
) -> None:
    """Access tokens among them, and tokens with claims that make no sense."""
    key = settings.SIMPLE_JWT["SIGNING_KEY"]
    good = jwt.decode(start_session(user=alice).refresh_token, key, ["HS256"])
    access_token = AccessToken.mint(user_id=alice.pk, token_version=alice.token_version)
    bad = [access_token, "garbage", "é", "\U0001f3dd", jwt.encode(good, "x" * 32, "HS256")]
    bad += [jwt.encode(good | {"exp": 1}, key, "HS256"), jwt.encode(good, "", "none")]
    values: list[Any] = [None, [], {}, "x", ...]
    for name in ("sid", "user_id", "token_version", "token_type", "exp", "jti"):
        for value in values:
            if (name, value) == ("jti", "x"):
                continue  # another link of this very chain
            claims = {
                key: claim for key, claim in (good | {name: value}).items() if claim is not ...
            }
            bad.append(jwt.encode(claims, key, "HS256"))
    for token in bad:
        response = anybody.post(path, {"refresh_token": token})
        assert response.status_code == 401, token
        assert response.json()["code"] in ("token_not_valid", "session_ended")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
