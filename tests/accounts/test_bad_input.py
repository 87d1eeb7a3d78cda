"""Bad input is a 4xx that names it, at every endpoint: one matrix over all of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import jwt
import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.sessions import start_session
from accounts.tokens import AccessToken
from tests.cast import NEW_PASSWORD, PASSWORD

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Endpoint:
    """One row of the API, with a body that it would accept."""

    method: str
    path: str
    body: dict[str, str] | None = None
    required: frozenset[str] = field(default_factory=frozenset)
    is_open: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


REGISTRATION = {
    "email": "zoe@example.com",
    "password": PASSWORD,
    "first_name": "Zoe",
    "last_name": "Rolle",
    "username": "zoe",
    "phone": "242-555-9999",
    "location": "Nassau",
}
CREDENTIALS = {"email": "alice@example.com", "password": PASSWORD}
PROFILE = {
    "first_name": "A",
    "last_name": "B",
    "username": "alice",
    "phone": "242-555-9999",
    "bio": "x",
    "occupation": "x",
    "location": "x",
}
PASSWORDS = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
TOKEN = {"refresh_token": "x.y.z"}

ENDPOINTS = (
    Endpoint(
        "POST",
        "/auth/register",
        REGISTRATION,
        frozenset({"email", "password", "first_name", "last_name"}),
        is_open=True,
    ),
    Endpoint("POST", "/auth/login", CREDENTIALS, frozenset(CREDENTIALS), is_open=True),
    Endpoint("POST", "/auth/refresh", TOKEN, frozenset(TOKEN), is_open=True),
    Endpoint("POST", "/auth/logout", TOKEN, frozenset(TOKEN), is_open=True),
    Endpoint("GET", "/auth/verify"),
    Endpoint("GET", "/auth/profile"),
    Endpoint("PUT", "/auth/profile", PROFILE),
    Endpoint("PATCH", "/auth/profile", PROFILE),
    Endpoint("POST", "/auth/upload-avatar"),
    Endpoint("POST", "/auth/change-password", PASSWORDS, frozenset(PASSWORDS)),
    Endpoint("DELETE", "/auth/account", {"password": PASSWORD}),
    Endpoint("GET", "/users"),
    Endpoint("GET", "/users/1"),
    Endpoint("GET", "/users/lookup"),
)
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body]
GUARDED = [endpoint for endpoint in ENDPOINTS if not endpoint.is_open]

for_all = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
for_bodies = pytest.mark.parametrize("endpoint", WITH_BODY, ids=str)
for_guarded = pytest.mark.parametrize("endpoint", GUARDED, ids=str)


def send(client: APIClient, endpoint: Endpoint, body: bytes, kind: str = "application/json") -> Any:
    # The stubs know text only.
    return client.generic(endpoint.method, endpoint.path, cast(str, body), kind)


def changed_fields(endpoint: Endpoint, value: Any) -> Iterator[tuple[str, bytes]]:
    """Yield good bodies, each with another field set to the value."""
    for name in endpoint.body or {}:
        yield name, json.dumps((endpoint.body or {}) | {name: value}).encode()


@for_all
def test_wrong_method_is_a_405(as_alice: APIClient, endpoint: Endpoint) -> None:
    """With the right ones in the header."""
    allowed = {other.method for other in ENDPOINTS if other.path == endpoint.path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - allowed:
        response = as_alice.generic(method, endpoint.path, "", "application/json")
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert allowed <= set(response.headers["Allow"].split(", "))


@for_bodies
@pytest.mark.parametrize(
    "body",
    [
        b"nope",
        b"{",
        b'{"email": }',
        b'{"email": NaN}',
        b"\xff\xfe",
        b"\x00",
        "{}".encode("utf-16"),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 10_000,
    ],
    ids=lambda body: repr(body[:10]),
)
def test_what_is_not_json_is_a_400(as_alice: APIClient, endpoint: Endpoint, body: bytes) -> None:
    """Also if it is nested too deeply, or a number too long."""
    response = send(as_alice, endpoint, body)
    assert (response.status_code, response.json()["code"]) == (400, "parse_error")


@for_bodies
@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"1", b"true", b'[{"email": "x"}]'])
def test_what_is_no_object_is_a_400(as_alice: APIClient, endpoint: Endpoint, body: bytes) -> None:
    """Valid JSON, but not fields."""
    response = send(as_alice, endpoint, body)
    assert (response.status_code, set(response.json())) == (400, {"non_field_errors"})


@for_bodies
@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x", ""],
)
def test_wrong_content_type_is_a_415(as_alice: APIClient, endpoint: Endpoint, kind: str) -> None:
    """The body isn't looked at."""
    response = send(as_alice, endpoint, b"email=x", kind)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@for_bodies
def test_ten_megabytes_are_a_413(as_alice: APIClient, endpoint: Endpoint) -> None:
    """Nor is it read."""
    response = send(as_alice, endpoint, b'{"email": "' + b"x" * 10_000_000 + b'"}')
    assert (response.status_code, response.json()["code"]) == (413, "request_too_large")


@for_bodies
def test_missing_fields_are_named(as_alice: APIClient, endpoint: Endpoint) -> None:
    """All of them at once."""
    if endpoint.required:
        response = send(as_alice, endpoint, b"{}")
        assert response.status_code == 400
        assert set(response.json()) == endpoint.required


@for_bodies
def test_unknown_field_is_named(as_alice: APIClient, endpoint: Endpoint) -> None:
    """Rather than ignored, since it is likely a misspelling; along with what else is wrong."""
    body = json.dumps((endpoint.body or {}) | {"frist_name": "x"}).encode()
    response = send(as_alice, endpoint, body)
    assert (response.status_code, set(response.json())) == (400, {"frist_name"})
    response = send(as_alice, endpoint, b'{"frist_name": 1}')
    assert set(response.json()) == {"frist_name"} | endpoint.required


@for_bodies
@pytest.mark.parametrize(
    "value",
    [5, 1.5, True, [], ["x"], {}, {"a": "b"}, "\x00", "a\x00b", "\ud800", "x" * 100_000],
    ids=lambda value: repr(value)[:12],
)
def test_wrong_value_is_named(as_alice: APIClient, endpoint: Endpoint, value: Any) -> None:
    """Numbers, lists and objects, NUL, lone surrogates, too much text: in each field alike."""
    for name, body in changed_fields(endpoint, value):
        response = send(as_alice, endpoint, body)
        assert (response.status_code, set(response.json())) == (400, {name})


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
