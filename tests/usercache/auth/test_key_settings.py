"""simplejwt's ALGORITHM, VERIFYING_KEY and JWK_URL, and backends of a project's own."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import RSAAlgorithm
from rest_framework_simplejwt import state
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import InvalidToken

from usercache.auth.jwt import CachedJWTAuthentication
from usercache.auth.verified_tokens import get_verified_tokens

KEY_ID = "2026"
LIFETIME_SECONDS = 60


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    get_verified_tokens.cache_clear()
    yield
    get_verified_tokens.cache_clear()


class KeyPage(BaseHTTPRequestHandler):
    """Another service's page of keys."""

    keys: ClassVar[list[Any]] = []

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"keys": self.keys}).encode())

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def key_page(rsa_key: rsa.RSAPrivateKey) -> Iterator[str]:
    jwk = RSAAlgorithm.to_jwk(rsa_key.public_key(), as_dict=True)
    KeyPage.keys = [{**jwk, "kid": KEY_ID, "alg": "RS256", "use": "sig"}]
    with HTTPServer(("127.0.0.1", 0), KeyPage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def format_public(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign(key: Any, algorithm: str) -> bytes:
    """Return an access token as another service makes it."""
    claims = {"token_type": "access", "jti": "j", "user_id": 7}
    claims |= {"exp": int(time.time()) + LIFETIME_SECONDS}
    return jwt.encode(claims, key, algorithm, {"kid": KEY_ID}).encode()


def verify(raw_token: bytes) -> Any:
    return CachedJWTAuthentication().get_validated_token(raw_token)["user_id"]


def is_remembered(raw_token: bytes) -> bool:
    return get_verified_tokens().recall(raw_token) is not None


def test_public_key_of_another_service(
    monkeypatch: pytest.MonkeyPatch, rsa_key: rsa.RSAPrivateKey
) -> None:
    """RS256 with a VERIFYING_KEY alone: verified, remembered, and forgotten with the key."""
    backend = TokenBackend("RS256", verifying_key=format_public(rsa_key))
    monkeypatch.setattr(state, "token_backend", backend)
    raw_token = sign(rsa_key, "RS256")
    assert verify(raw_token) == 7
    assert is_remembered(raw_token)
    other = rsa.generate_private_key(65537, 2048)
    replaced = TokenBackend("RS256", verifying_key=format_public(other))
    monkeypatch.setattr(state, "token_backend", replaced)
    with pytest.raises(InvalidToken):
        verify(raw_token)


def test_pair_of_the_projects_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """EdDSA with SIGNING_KEY and VERIFYING_KEY."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    backend = TokenBackend("EdDSA", private, format_public(key))
    monkeypatch.setattr(state, "token_backend", backend)
    raw_token = sign(key, "EdDSA")
    assert verify(raw_token) == 7
    assert is_remembered(raw_token)


def test_page_of_keys(
    monkeypatch: pytest.MonkeyPatch, rsa_key: rsa.RSAPrivateKey, key_page: str
) -> None:
    """JWK_URL: each request verifies its token, as the key may be withdrawn at any time."""
    monkeypatch.setattr(state, "token_backend", TokenBackend("RS256", jwk_url=key_page))
    raw_token = sign(rsa_key, "RS256")
    for _ in range(2):
        assert verify(raw_token) == 7
        assert not is_remembered(raw_token)


class OtherBackend(TokenBackend):
    """A backend that may look at anything."""


class NamingBackend(TokenBackend):
    """A backend that names its keys."""

    key_ids = ("2026", "2025")


def test_backend_that_does_not_name_its_keys(
    monkeypatch: pytest.MonkeyPatch, rsa_key: rsa.RSAPrivateKey
) -> None:
    """Nobody can tell when to forget its tokens, so each request verifies."""
    backend = OtherBackend("RS256", verifying_key=format_public(rsa_key))
    monkeypatch.setattr(state, "token_backend", backend)
    raw_token = sign(rsa_key, "RS256")
    assert verify(raw_token) == 7
    assert not is_remembered(raw_token)


def test_backend_that_names_its_keys(
    monkeypatch: pytest.MonkeyPatch, rsa_key: rsa.RSAPrivateKey
) -> None:
    """Its tokens are remembered until it has others."""
    backend = NamingBackend("RS256", verifying_key=format_public(rsa_key))
    monkeypatch.setattr(state, "token_backend", backend)
    raw_token = sign(rsa_key, "RS256")
    assert verify(raw_token) == 7
    assert is_remembered(raw_token)
    monkeypatch.setattr(backend, "key_ids", ("2026",), raising=False)
    assert not is_remembered(raw_token)
