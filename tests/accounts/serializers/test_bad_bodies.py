"""A bad body, or a wrong method, is a 4xx that names it, at every endpoint."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from rest_framework.test import APIClient

from tests.accounts.endpoints import ENDPOINTS, WITH_BODY, Endpoint

pytestmark = pytest.mark.django_db

SHORT_BYTES = 400

for_bodies = pytest.mark.parametrize("endpoint", WITH_BODY, ids=str)


def send(client: APIClient, endpoint: Endpoint, body: bytes, kind: str = "application/json") -> Any:
    # The stubs know text only.
    return client.generic(endpoint.method, endpoint.path, cast(str, body), kind)


def changed_fields(endpoint: Endpoint, value: Any) -> Iterator[tuple[str, bytes]]:
    """Yield good bodies, each with another field set to the value."""
    for name in endpoint.body or {}:
        yield name, json.dumps((endpoint.body or {}) | {name: value}).encode()


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
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
        b'{"email": 1, "email": 2}',
        b'{"a": [{"b": 1, "b": 2}]}',
        rb'{"\ud800": 1}',
        rb'{"\ude3d\ud83d": 1}',
        rb'{"a": [{"\udfff": 1}]}',
    ],
    ids=lambda body: repr(body[:10]),
)
def test_what_is_not_json_is_a_400(as_alice: APIClient, endpoint: Endpoint, body: bytes) -> None:
    """Also if it is nested too deeply, a number too long, a name given twice, or half a character.

    The answer is short, whatever was sent.
    """
    response = send(as_alice, endpoint, body)
    assert (response.status_code, response.json()["code"]) == (400, "parse_error")
    assert len(response.content) < SHORT_BYTES


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
    "names",
    [
        [f"x{n}" for n in range(60_000)],
        ["x" * 900_000],
        ["\x00" * 150_000],
        ["\U0001f3dd" * 60_000],
    ],
    ids=["many", "long", "NULs", "islands"],
)
def test_answer_to_unknown_fields_is_short(
    as_alice: APIClient, endpoint: Endpoint, names: list[str]
) -> None:
    """It names ten of them at most, and of a long one the beginning."""
    response = send(as_alice, endpoint, json.dumps(dict.fromkeys(names, 1)).encode())
    assert response.status_code == 400
    assert len(set(response.json()) - endpoint.required) in (1, 10)
    assert len(response.content) < 2_000


def test_answer_to_unknown_parameters_is_short(as_alice: APIClient) -> None:
    """As that to unknown fields."""
    response = as_alice.get("/users", {f"x{n}": "1" for n in range(900)} | {"y" * 9_000: "1"})
    assert (response.status_code, len(response.json())) == (400, 10)
    response = as_alice.get("/users", {"y" * 9_000: "1"})
    assert response.json() == {"y" * 64 + "…": ["There is no such field here. Leave it out."]}


def test_emoji_in_a_name_is_text(as_alice: APIClient) -> None:
    """Both halves of a surrogate pair are one character."""
    response = send(as_alice, ENDPOINTS[0], rb'{"\ud83c\udfdd": 1}')
    assert "\U0001f3dd" in response.json()


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
