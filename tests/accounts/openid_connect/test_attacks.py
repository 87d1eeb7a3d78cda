"""What an attacker sends in a provider's place, or with what they have stolen."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import LoginSession, User
from accounts.openid_connect.flows import LIFETIME
from accounts.openid_connect.models import Identity, UsedFlow
from tests.accounts.openid_connect.browser import Browser, code_of, linking
from tests.accounts.openid_connect.provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    Claims,
    Provider,
    person,
    sign,
)
from tests.cast import PASSWORD
from tests.concurrency import run_together

pytestmark = pytest.mark.django_db(transaction=True)

REFUSED = (401, "provider_refused")
NOT_VALID = (401, "flow_not_valid")
HOUR = 3600


def sign_by_hand(claims: Claims, algorithm: str, secret: bytes = b"", **header: Any) -> str:
    """Return a token signed by HMAC-SHA-256 or, without a secret, not at all."""
    parts = ({"alg": algorithm, **header}, claims)
    signed = b".".join(encode(json.dumps(part).encode()) for part in parts)
    signature = hmac.digest(secret, signed, "sha256") if secret else b""
    return b".".join((signed, encode(signature))).decode()


def encode(data: bytes) -> bytes:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def public_pem(provider: Provider) -> bytes:
    """Return the published key as a file, which a careless reader takes for a shared secret."""
    return bytes(
        provider.rsa.public_key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


FORGERIES: dict[str, Callable[[Provider, Claims], str]] = {
    "another's key": lambda provider, claims: sign(claims, provider.other),
    "another's key under the name of the provider's": lambda provider, claims: sign(
        claims, provider.other, kid=provider.rsa.kid
    ),
    "another's key, without a name": lambda provider, claims: sign(
        claims, provider.other, kid=None
    ),
    "no signature": lambda _, claims: sign_by_hand(claims, "none"),
    "no signature, in other letters": lambda _, claims: sign_by_hand(claims, "NoNe"),
    "signature cut off": lambda provider, claims: (
        provider.sign_well(claims).rpartition(".")[0] + "."
    ),
    "HS256 with the public key": lambda provider, claims: sign_by_hand(
        claims, "HS256", public_pem(provider), kid=provider.rsa.kid
    ),
    "HS256 with our own secret": lambda _, claims: sign_by_hand(
        claims, "HS256", CLIENT_SECRET.encode()
    ),
    "EC key under the name of the RSA key": lambda provider, claims: sign(
        claims, provider.ec, "ES256", kid=provider.rsa.kid
    ),
    "claims of another token": lambda provider, claims: ".".join(
        [
            provider.sign_well(claims).split(".")[0],
            provider.sign_well(claims | {"sub": "x"}).split(".")[1],
            provider.sign_well(claims).split(".")[2],
        ]
    ),
    "a key of its own in the header": lambda provider, claims: sign(
        claims, provider.other, jwk=provider.other.as_dict(private=False)
    ),
    "no token": lambda *_: "x.y.z",
    "nothing": lambda *_: "",
    "too much": lambda provider, claims: provider.sign_well(claims | {"x": "x" * 20_000}),
    "nested too deeply": lambda *_: encode(b'{"a":' + b"[" * 9_000).decode() + ".e30.x",
}
now = time.time
BAD_CLAIMS: dict[str, Callable[[], Claims]] = {
    "expired": lambda: {"iat": int(now()) - HOUR, "exp": int(now()) - 120},
    "of tomorrow": lambda: {"iat": int(now()) + HOUR, "exp": int(now()) + 2 * HOUR},
    "no expiry": lambda: {"exp": None},
    "expiry that is no number": lambda: {"exp": "never"},
    "another audience": lambda: {"aud": "somebody else"},
    "no audience": lambda: {"aud": None},
    "two audiences": lambda: {"aud": [CLIENT_ID, "somebody else"]},
    "another party": lambda: {"azp": "somebody else"},
    "another issuer": lambda: {"iss": "https://accounts.google.com"},
    "issuer with a slash": lambda: {"iss": "http://127.0.0.1/"},
    "another nonce": lambda: {"nonce": "x" * 43},
    "nonce that is no text": lambda: {"nonce": 5},
    "no nonce": lambda: {"nonce": None},
    "no subject": lambda: {"sub": None},
    "empty subject": lambda: {"sub": ""},
    "subject that is no text": lambda: {"sub": 7},
    "long subject": lambda: {"sub": "x" * 256},
    "subject with a line": lambda: {"sub": "a\nb"},
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_forged_tokens(
    browser: Browser, provider: Provider, forge: Callable[[Provider, Claims], str]
) -> None:
    """None lets anybody in, nor is any a failure of ours."""
    provider.sign = lambda claims: forge(provider, claims)
    assert code_of(browser.sign_in()) == REFUSED
    assert not User.objects.exists()


@pytest.mark.parametrize("make_claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
def test_tokens_for_another_purpose(
    browser: Browser, provider: Provider, make_claims: Callable[[], Claims]
) -> None:
    """Signed by the provider, and yet not for us, not for this flow, or not now."""
    provider.claims = make_claims()
    assert code_of(browser.sign_in()) == REFUSED
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("claims", "key", "algorithm"),
    [
        ({"azp": CLIENT_ID}, "rsa", "RS256"),
        ({"aud": [CLIENT_ID]}, "rsa", "PS256"),
        ({"aud": [CLIENT_ID, "x"], "azp": CLIENT_ID}, "ec", "ES256"),
    ],
)
def test_other_good_tokens(
    browser: Browser, provider: Provider, claims: Claims, key: str, algorithm: str
) -> None:
    """So that the refusals above aren't of everything; `iat` by a clock half a minute ahead."""
    signing = getattr(provider, key)
    provider.keys, provider.claims = [signing], claims | {"iat": int(now()) + 30}
    provider.sign = lambda claims: sign(claims, signing, algorithm)
    assert browser.sign_in().status_code == 200


def test_replays(browser: Browser, provider: Provider) -> None:
    """A flow is used once, and a code by the flow that it came from."""
    body = browser.go(browser.begin())
    assert browser.complete(body).status_code == 200
    asked = len(provider.asked)
    assert code_of(browser.complete(body)) == NOT_VALID
    assert len(provider.asked) == asked
    again = browser.begin()
    state = browser.go(again)["state"]
    mixed = {"flow": again["flow"], "state": state, "code": body["code"]}
    assert code_of(browser.complete(mixed)) == REFUSED


def test_code_of_another_flow(browser: Browser) -> None:
    """Unused, too: PKCE binds it, so a stolen code is worth nothing (RFC 9700, section 2.1.1)."""
    victim, thief = browser.go(browser.begin()), browser.go(browser.begin())
    assert code_of(browser.complete(thief | {"code": victim["code"]})) == REFUSED


def test_two_at_once(browser: Browser) -> None:
    """Of two requests with one flow, one is let through."""
    body = browser.go(browser.begin())
    browsers = [Browser(APIClient(), browser.provider) for _ in range(2)]
    answers: list[Any] = run_together([partial(other.complete, body) for other in browsers])
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    assert LoginSession.objects.count() == 1


@pytest.mark.parametrize("stolen", [("state", "code"), ("code",), ("state",)], ids="+".join)
def test_what_the_address_bar_had_is_worth_nothing(
    browser: Browser, stolen: tuple[str, ...]
) -> None:
    """A thief completes with a flow of their own, and is refused; the victim goes on."""
    body = browser.go(browser.begin())
    thief = Browser(APIClient(), browser.provider)
    own = thief.go(thief.begin())
    assert code_of(thief.complete(own | {name: body[name] for name in stolen})) in (
        NOT_VALID,
        REFUSED,
    )
    assert not User.objects.exists()


def test_victim_is_not_logged_in_as_somebody_else(browser: Browser) -> None:
    """A link with an attacker's state and code finds no flow in the victim's page."""
    lure = Browser(APIClient(), browser.provider, user=person("mallory"))
    answer = lure.go(lure.begin())
    own = browser.begin()["flow"]
    assert code_of(browser.complete(answer | {"flow": own})) == NOT_VALID


def test_flows_that_are_not_ours(browser: Browser, settings: Settings) -> None:
    """Changed, of another purpose's signature, or too old."""
    body = browser.go(browser.begin())
    flow: str = body["flow"]
    for bad in ("", "x", flow[:-1], "W10" + flow, flow.replace(":", ".")):
        response = browser.complete(body | {"flow": bad})
        assert response.status_code in (400, 401)
        assert code_of(response) == NOT_VALID or set(response.json()) == {"flow"}
    with pytest.MonkeyPatch.context() as patch:
        later = time.time() + LIFETIME.total_seconds() + 1
        patch.setattr("django.core.signing.time.time", lambda: later)
        assert code_of(browser.complete(body)) == NOT_VALID
    settings.AUTH_OPENID_PROVIDERS = {}
    assert code_of(browser.complete(body)) == NOT_VALID
    assert not UsedFlow.objects.exists()


def test_flow_of_a_link_logs_nobody_in(browser: Browser, alice: User, bob: User) -> None:
    """Nor the other way round; nor is one user's another's."""
    User.objects.update(is_email_verified=True)
    by_alice, by_bob = (linking(user, browser.provider) for user in (alice, bob))
    linked = by_alice.go(by_alice.begin(password=PASSWORD))
    assert code_of(browser.complete(linked)) == NOT_VALID
    assert code_of(by_bob.complete(linked)) == NOT_VALID
    logged_in = browser.go(browser.begin())
    assert code_of(by_alice.complete(logged_in)) == NOT_VALID
    assert by_alice.complete(linked).status_code == 201
    assert browser.complete(logged_in).status_code == 200
    assert Identity.objects.get(subject="alice's number").user == alice


def test_used_flows_are_swept(browser: Browser) -> None:
    """By the next one, once they would have expired."""
    browser.sign_in()
    UsedFlow.objects.update(expires_at="2026-01-01T00:00Z")
    browser.sign_in()
    assert UsedFlow.objects.count() == 1


def test_code_that_is_no_code(browser: Browser) -> None:
    """Whatever it is, it reaches the provider as one value of a form."""
    body = browser.go(browser.begin())
    evil: list[Any] = ["x&client_id=y", "x\r\nHost: evil", "é" * 100]
    for code in evil:
        assert code_of(browser.complete(browser.go(browser.begin()) | {"code": code})) == REFUSED
    assert browser.complete(body).status_code == 200
    assert all(form["grant_type"] == "authorization_code" for form in browser.provider.forms)
    assert [form["code"] for form in browser.provider.forms][:2] == evil[:2]
