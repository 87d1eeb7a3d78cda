"""The page of keys: public, and what a service needs to verify tokens itself."""

from http import HTTPStatus
from typing import Any

import jwt
import pytest
from django.test import Client

from accounts.token_keys.views import STORED_SECONDS
from accounts.tokens.claims import AccessToken
from tests.accounts.token_keys.conftest import UseKeys
from tests.accounts.token_keys.made import KINDS, public_text_of, text_of

PATH = "/.well-known/jwks.json"
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def read_page() -> dict[str, Any]:
    response = Client().get(PATH)
    assert response.status_code == HTTPStatus.OK
    page: dict[str, Any] = response.json()
    return page


def test_secrets_are_not_on_it(use_keys: UseKeys) -> None:
    """With HS256 alone it is empty."""
    use_keys(text_of("secret"), text_of("secret", 2))
    assert read_page() == {"keys": []}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "secret"])
def test_token_can_be_verified_with_it(use_keys: UseKeys, kind: str) -> None:
    """By a client that takes the key that the token names; also the key that comes next."""
    use_keys(text_of(kind), public_text_of(kind, 2), text_of("secret"))
    token = AccessToken()
    page = read_page()
    found = jwt.PyJWKSet.from_dict(page)[jwt.get_unverified_header(str(token))["kid"]]
    assert jwt.decode(str(token), found)["jti"] == token["jti"]
    assert len(page["keys"]) == 2
    for key in page["keys"]:
        assert not set(key) & PRIVATE_MEMBERS


def test_it_may_be_stored_for_a_while() -> None:
    """By anybody; its errors may not."""
    response = Client().get(PATH)
    stored = set(response.headers["Cache-Control"].split(", "))
    assert stored == {"public", f"max-age={STORED_SECONDS}"}
    assert response.headers["Content-Type"] == "application/jwk-set+json"
    refused = Client().post(PATH)
    assert refused.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert refused.headers["Cache-Control"] == "no-store"
