"""What the settings may spell as a key, and what becomes of it."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa, x25519
from jwt.algorithms import RSAAlgorithm

from accounts.token_keys.keys import UnusableKeyError, WeakKeyError, read_key
from tests.accounts.token_keys.made import (
    ALGORITHMS,
    KINDS,
    format_private,
    format_public,
    private_key,
    public_text_of,
    text_of,
)

PAIRS = [kind for kind in KINDS if kind != "secret"]
# Source: RFC 7638, section 3.1.
OF_THE_RFC = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1"
    "L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4"
    "QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbO"
    "pbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csF"
    "Cur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
}
THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def encode_bare(kind: str) -> str:
    der = (
        private_key(kind)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(der).decode()


@pytest.mark.parametrize("kind", KINDS)
def test_kind_decides_the_algorithm(kind: str) -> None:
    """Of a private key and its public one, which have the same id in every process."""
    private, public = read_key(text_of(kind)), read_key(public_text_of(kind))
    assert private.algorithm == public.algorithm == ALGORITHMS[kind]
    assert private.key_id == public.key_id == read_key(text_of(kind)).key_id
    assert private.key_id != read_key(text_of(kind, 2)).key_id
    assert private.signing_key is not None
    assert (public.signing_key is None) == (kind != "secret")


@pytest.mark.parametrize("kind", PAIRS)
def test_published_key_is_the_public_one(kind: str) -> None:
    """Made from either half, without a member of the private one (RFC 7518, section 6)."""
    jwk = read_key(text_of(kind)).jwk
    assert jwk == read_key(public_text_of(kind)).jwk
    assert jwk is not None
    assert set(jwk) <= {"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"}


def test_secret_is_never_published() -> None:
    """Nor is it in the id of its tokens."""
    key = read_key(text_of("secret"))
    assert key.jwk is None
    assert key.key_id not in text_of("secret")


def test_id_is_the_thumbprint() -> None:
    """As others compute it from the published key."""
    key = RSAAlgorithm.from_jwk(json.dumps(OF_THE_RFC))
    assert read_key(format_public(key)).key_id == THUMBPRINT


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("line_break", ["\\n", " ", "\r\n", ""])
def test_line_breaks_may_be_written_otherwise(kind: str, line_break: str) -> None:
    """Where a variable can't have any."""
    for text in (text_of(kind), public_text_of(kind)):
        assert read_key(text.replace("\n", line_break)) == read_key(text)


@pytest.mark.parametrize(
    "text",
    [
        format_private(ec.generate_private_key(ec.SECP384R1())),
        format_private(ec.generate_private_key(ec.SECP256K1())),
        format_private(dsa.generate_private_key(1024)),
        format_private(x25519.X25519PrivateKey.generate()),
        format_private(private_key("p256"), serialization.BestAvailableEncryption(b"password")),
        text_of("p256").replace("-----END", "AAAA-----END"),
        text_of("p256").partition("-----END")[0],
        text_of("p256") + public_text_of("p256"),
        public_text_of("p256").replace("PUBLIC KEY", "CERTIFICATE"),
        encode_bare("rsa"),
        encode_bare("ed25519"),
    ],
    ids=[
        "P-384",
        "secp256k1",
        "DSA",
        "X25519",
        "encrypted",
        "damaged",
        "cut",
        "two",
        "certificate",
        "RSA without PEM",
        "Ed25519 without PEM",
    ],
)
def test_unusable_key_is_refused(text: str) -> None:
    """With a reason that doesn't show it."""
    with pytest.raises(UnusableKeyError) as refusal:
        read_key(text)
    assert not isinstance(refusal.value, WeakKeyError)
    assert str(refusal.value)
    assert text[30:60] not in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["", "k" * 31, format_private(rsa.generate_private_key(65537, 1024))]
)
def test_weak_key_is_refused(text: str) -> None:
    """Whatever its kind."""
    with pytest.raises(WeakKeyError):
        read_key(text)


@pytest.mark.parametrize("kind", KINDS)
def test_repr_shows_no_key(kind: str) -> None:
    """It may be in a traceback."""
    key = read_key(text_of(kind))
    assert text_of(kind)[30:60] not in repr(key)
    assert "PRIVATE" not in repr(key)
