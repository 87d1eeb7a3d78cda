"""Apple's ways: a signed client secret, and an answer that the browser posts."""

import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.openid_connect.client_secrets import make_secret
from accounts.openid_connect.providers import Provider as Ours
from tests.accounts.openid_connect.browser import Browser
from tests.accounts.openid_connect.provider import CLIENT_ID, Provider, describe_to_us, person

pytestmark = pytest.mark.django_db

PAGE = "https://www.example.com/signed-in"
CALLBACK = "/auth/openid-connect/conch/callback"
KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
SIGNED: dict[str, Any] = {
    "client_secret": "",
    "team_id": "TEAM012345",
    "key_id": "KEY0123456",
    "private_key": PEM,
}


def test_signed_secret() -> None:
    """By our key, for a few minutes, as Apple describes it."""
    issuer = "https://appleid.apple.com"
    [(name, entry)] = describe_to_us(issuer, **SIGNED).items()
    secret = make_secret(Ours(name=name, **entry))
    assert jwt.get_unverified_header(secret) == {
        "alg": "ES256",
        "kid": "KEY0123456",
        "typ": "JWT",
    }
    claims = jwt.decode(secret, KEY.public_key(), algorithms=["ES256"], audience=issuer)
    assert (claims["iss"], claims["sub"]) == ("TEAM012345", CLIENT_ID)
    assert 0 < claims["exp"] - claims["iat"] <= 600


def test_whole_log_in(
    browser: Browser, provider: Provider, settings: Settings, client: Client
) -> None:
    """The name comes once, beside the code; the page gets both, and passes them on."""
    settings.AUTH_OPENID_PROVIDERS = describe_to_us(
        provider.issuer, response_mode="form_post", return_url=PAGE
    )
    begun = browser.begin()
    assert "response_mode=form_post" in begun["authorization_url"]
    browser.user = person("ada", given_name=None, family_name=None, email_verified="true")
    url = begun["authorization_url"].replace("&response_mode=form_post", "")
    back = provider.consent(url, **browser.user)
    posted = back | {"user": json.dumps({"name": {"firstName": "Ada", "lastName": "King"}})}
    response = client.post(CALLBACK, posted)
    assert response.status_code == 303
    page, _, fragment = response.headers["Location"].partition("#")
    assert page == PAGE
    passed = dict(parse_qsl(fragment))
    assert passed == posted
    name = json.loads(passed["user"])["name"]
    body = {
        "flow": begun["flow"],
        "state": passed["state"],
        "code": passed["code"],
        "first_name": name["firstName"],
        "last_name": name["lastName"],
    }
    assert browser.complete(body).json()["user"]["first_name"] == "Ada"


def test_callback_passes_on_and_nothing_else(
    provider: Provider, settings: Settings, client: Client
) -> None:
    """To the setting's page alone, what a provider sends; elsewhere it isn't."""
    assert client.post(CALLBACK, {"code": "x"}).status_code == 404  # answers come by the URL
    settings.AUTH_OPENID_PROVIDERS = describe_to_us(
        provider.issuer, response_mode="form_post", return_url=PAGE
    )
    sent = {"code": "x#y&z=1\r\nX: y", "return_url": "https://evil.example.com", "next": "//evil"}
    response = client.post(CALLBACK, sent)
    parts = urlsplit(response.headers["Location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == PAGE
    assert dict(parse_qsl(parts.fragment)) == {"code": sent["code"]}
    assert "\n" not in response.headers["Location"]
    assert len(client.post(CALLBACK, {"code": "x" * 99_999}).headers["Location"]) < 3_000
    assert client.get(CALLBACK).status_code == 405
    assert client.post(CALLBACK.replace("conch", "other")).status_code == 404
    assert APIClient(enforce_csrf_checks=True).post(CALLBACK, {}).status_code in (303, 415)
