"""Tokens that are made without a private key, or with another than they name, open nothing."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.settings import api_settings

from accounts.errors import InvalidRefreshToken
from accounts.token_keys.keys import read_key
from accounts.token_keys.ring import KeyRing
from accounts.tokens.claims import AccessToken, RefreshToken, read_refresh_token
from tests.accounts.token_keys.conftest import UseKeys
from tests.accounts.token_keys.made import ALGORITHMS, private_key, public_text_of, text_of
from tests.servers.server import find_free_port
from usercache.auth.jwt import CachedJWTAuthentication

PAIRS = ("rsa", "p256", "ed25519")
STRANGER = 9
"""A number whose keys are in no ring."""


@pytest.fixture
def ring(use_keys: UseKeys) -> KeyRing:
    """One key of each kind; the RSA key signs."""
    return use_keys(text_of("rsa"), text_of("p256"), public_text_of("ed25519"), text_of("secret"))


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def forge(claims: dict[str, Any], signature: Any, **header: object) -> str:
    """Return a token with any header; `signature` makes bytes of what is to be signed."""
    parts = [encode(json.dumps(part).encode()) for part in ({"typ": "JWT"} | header, claims)]
    signed = ".".join(parts)
    return f"{signed}.{encode(signature(signed.encode()))}"


def spell_public_key(kind: str) -> Iterator[bytes]:
    """Yield the texts that somebody may take for a secret."""
    pem = public_text_of(kind).encode()
    yield pem
    yield pem.strip()
    yield pem.replace(b"\n", b"")
    yield json.dumps(read_key(pem.decode()).jwk).encode()
    public = private_key(kind).public_key()
    yield public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)


def sign_with_public_keys(claims: dict[str, Any], ids: dict[str, str]) -> Iterator[str]:
    """Yield tokens of the classic confusion: the public key used as the secret of HS256."""
    for kind in PAIRS:
        for public in spell_public_key(kind):
            for hash_name in ("sha256", "sha512"):
                algorithm = f"HS{hash_name[3:]}"

                def sign(signed: bytes, key: bytes = public, name: str = hash_name) -> bytes:
                    return hmac.new(key, signed, name).digest()

                yield forge(claims, sign, alg=algorithm)
                for key_id in ids.values():
                    yield forge(claims, sign, alg=algorithm, kid=key_id)


def leave_unsigned(claims: dict[str, Any], ids: dict[str, str]) -> Iterator[str]:
    """Yield tokens without a signature, or with one that is made of zeros."""
    for algorithm in ("none", "None", "NONE", "", *ALGORITHMS.values()):
        for size in (0, 1, 32, 64, 256):
            yield forge(claims, lambda _, size=size: bytes(size), alg=algorithm)
            for key_id in ids.values():
                yield forge(claims, lambda _, size=size: bytes(size), alg=algorithm, kid=key_id)


def sign_with_others(claims: dict[str, Any], ids: dict[str, str]) -> Iterator[str]:
    """Yield tokens that one key has signed and that name another."""
    for signer, algorithm in ALGORITHMS.items():
        for named, key_id in ids.items():
            if signer != named:
                yield jwt.encode(claims, text_of(signer), algorithm, {"kid": key_id})
        stranger = read_key(text_of(signer, STRANGER))
        for headers in ({}, {"kid": ids[signer]}, {"kid": stranger.key_id}):
            yield jwt.encode(claims, text_of(signer, STRANGER), algorithm, headers)


def sign_with_another_algorithm(claims: dict[str, Any], ids: dict[str, str]) -> Iterator[str]:
    """Yield tokens of our own keys, by algorithms that aren't those of the keys."""
    for algorithm in ("RS384", "RS512", "PS256"):
        for headers in ({}, {"kid": ids["rsa"]}):
            yield jwt.encode(claims, text_of("rsa"), algorithm, headers)
    for headers in ({}, {"kid": ids["secret"]}):
        yield jwt.encode(claims, text_of("secret"), "HS384", headers)


def bring_a_key(claims: dict[str, Any], ids: dict[str, str]) -> Iterator[str]:
    """Yield tokens with the key to verify them, or the address of one."""
    text = text_of("rsa", STRANGER)
    jwk = read_key(text).jwk
    address = f"http://127.0.0.1:{find_free_port()}/"
    for kid in ({}, {"kid": ids["rsa"]}, {"kid": read_key(text).key_id}):
        for key in ({"jwk": jwk}, {"jku": address}, {"x5u": address}, {"x5c": ["MIIB"]}):
            yield jwt.encode(claims, text, "RS256", kid | key)


def inject_ids(claims: dict[str, Any], _ids: dict[str, str]) -> Iterator[str]:
    """Yield tokens whose key id would lead somewhere, if it were more than looked up."""
    paths = ("../../../dev/null", "/dev/null", "file:///dev/null", "x' UNION SELECT '", "\0", "")
    odd: tuple[object, ...] = (None, 0, 1, True, [], ["x"], {}, {"kid": "x"})
    for key_id in (*paths, *odd):
        for secret in (b"", b"\0", b"x"):

            def sign(signed: bytes, key: bytes = secret) -> bytes:
                return hmac.new(key, signed, hashlib.sha256).digest()

            yield forge(claims, sign, alg="HS256", kid=key_id)


ATTACKS = [
    sign_with_public_keys,
    leave_unsigned,
    sign_with_others,
    sign_with_another_algorithm,
    bring_a_key,
    inject_ids,
]


def ids_of(ring: KeyRing) -> dict[str, str]:
    return dict(zip(("rsa", "p256", "ed25519", "secret"), ring.key_ids, strict=True))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_forged_access_token(ring: KeyRing, attack: Any) -> None:
    """None of them is an access token."""
    good = AccessToken()
    good["user_id"] = 7
    tokens = list(attack(good.payload, ids_of(ring)))
    assert tokens
    for token in tokens:
        with pytest.raises(InvalidToken):
            CachedJWTAuthentication().get_validated_token(token.encode())


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_forged_refresh_token(ring: KeyRing, attack: Any) -> None:
    """Nor a refresh token."""
    good = RefreshToken()
    good.payload |= {"user_id": 7, "token_version": 1, "sid": "0" * 32}
    for token in attack(good.payload, ids_of(ring)):
        with pytest.raises(InvalidRefreshToken):
            read_refresh_token(token)


@pytest.mark.parametrize("kind", ["rsa", "p256", "secret"])
def test_genuine_token_with_the_same_claims(ring: KeyRing, kind: str) -> None:
    """What is refused above is refused for its signature."""
    good = RefreshToken()
    good.payload |= {"user_id": 7, "token_version": 1, "sid": "0" * 32}
    headers = {"kid": ids_of(ring)[kind]}
    token = jwt.encode(good.payload, text_of(kind), ALGORITHMS[kind], headers)
    assert read_refresh_token(token).user_id == 7


def test_token_for_another_service(use_keys: UseKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is for nobody in particular, or for others, is refused, though the key is ours."""
    tokens = []
    for audience in (None, "jobs", "accounts"):
        monkeypatch.setattr(api_settings, "AUDIENCE", audience)
        use_keys(text_of("secret"))
        tokens.append(AccessToken.mint(user_id=7, token_version=1, session_id=uuid.uuid4()))
    authentication = CachedJWTAuthentication()
    *refused, good = (token.encode() for token in tokens)
    assert authentication.get_validated_token(good)["aud"] == "accounts"
    for token in refused:
        with pytest.raises(InvalidToken):
            authentication.get_validated_token(token)
