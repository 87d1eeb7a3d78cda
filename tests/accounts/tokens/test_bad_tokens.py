"""No token, or a bad one, is a 401 that says so, at every endpoint."""

import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as project_settings
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient
from rest_framework_simplejwt import state

from accounts.models import User
from accounts.services.sessions import start_session
from accounts.tokens.claims import AccessToken
from tests.accounts.endpoints import GUARDED, Endpoint

pytestmark = pytest.mark.django_db

for_guarded = pytest.mark.parametrize("endpoint", GUARDED, ids=str)

LEEWAY = state.token_backend.get_leeway()


def signing_key() -> str:
    return str(project_settings.SIMPLE_JWT["SIGNING_KEY"])


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

    past = int((timezone.now() - LEEWAY - timedelta(seconds=1)).timestamp())
    ahead = int((timezone.now() + LEEWAY + timedelta(minutes=1)).timestamp())
    yield "garbage", "garbage"
    yield "three dots", "a.b.c"
    yield "expired", sign(exp=past)
    yield "of tomorrow", sign(iat=ahead)
    yield "not yet", sign(nbf=ahead)
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


ODD: list[Any] = [None, "x", "9999999999", [], [9999999999], {}, True, -1, 1.5, 1e308]
ODD += [2**70, 10**400, float("inf"), float("-inf"), float("nan")]


def odd_claims(claims: dict[str, Any], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield signed tokens in which one claim is of another kind than it should be."""
    key = signing_key()
    for name in names:
        for value in ODD:
            # jwt.encode() refuses some of them.
            payload = json.dumps(claims | {name: value}).encode()
            yield f"{name} {value!r:.20}", jwt.api_jws.encode(payload, key, "HS256")


@for_guarded
def test_odd_claim_is_a_401(anybody: APIClient, endpoint: Endpoint, alice: User) -> None:
    """Though it be signed: no time, no id, no version, or one that only equals it."""
    good = AccessToken()
    good["user_id"], good["token_version"] = alice.pk, True
    assert alice.token_version == True  # noqa: E712  # which is the point
    tokens = dict(odd_claims(good.payload, ["exp", "user_id", "token_type"]))
    tokens |= odd_claims(good.payload | {"token_version": alice.token_version}, ["token_version"])
    tokens["equal version"] = str(good)
    for flaw, token in tokens.items():
        anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        response = anybody.generic(endpoint.method, endpoint.path)
        assert response.status_code == 401, flaw
        assert set(response.json()) == {"detail", "code"}


def test_odd_claim_that_nobody_reads_is_no_500(anybody: APIClient, alice: User) -> None:
    """Or reads loosely."""
    good = AccessToken()
    good["user_id"], good["token_version"] = alice.pk + 1, alice.token_version
    names = ("iat", "nbf", "jti", "sub", "aud", "iss", "sid")
    for flaw, token in odd_claims(good.payload, names):
        anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        assert anybody.get("/auth/verify").status_code == 401, flaw


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/auth/refresh", ("exp", "sid", "user_id", "token_version", "token_type", "jti")),
        ("/auth/logout", ("exp", "sid", "token_type")),
    ],
)
def test_odd_claim_of_a_refresh_token_is_a_401(
    anybody: APIClient, alice: User, path: str, names: Sequence[str]
) -> None:
    """And ends no session."""
    key = signing_key()
    refresh_token = start_session(user=alice).refresh_token
    good = jwt.decode(refresh_token, key, ["HS256"])
    for flaw, token in odd_claims(good, names):
        if flaw.startswith("jti '"):
            continue  # another link of this very chain
        response = anybody.post(path, {"refresh_token": token})
        assert response.status_code == 401, flaw
        assert response.json()["code"] in ("token_not_valid", "session_ended")
    assert anybody.post("/auth/refresh", {"refresh_token": refresh_token}).status_code == 200


@for_guarded
def test_inactive_user_is_a_401(anybody: APIClient, endpoint: Endpoint, charlie: User) -> None:
    """Even with a token that would otherwise be good."""
    token = AccessToken.mint(
        user_id=charlie.pk, token_version=charlie.token_version, session_id=uuid.uuid4()
    )
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
    access_token = AccessToken.mint(
        user_id=alice.pk, token_version=alice.token_version, session_id=uuid.uuid4()
    )
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
