"""A key as the settings spell it, made into what signs, what verifies and what is published."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

SECRET_MIN_BYTES: Final = 32
"""HS256 needs a key at least as long as its digest. Source: RFC 7518, section 3.2."""
RSA_MIN_BITS: Final = 2048
"""Source: RFC 7518, section 3.3."""
PEM: Final = re.compile(
    r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----(?P<body>.*)-----END (?P=label)-----"
)
PEM_MARK: Final = "-----BEGIN"
_GAP: Final = re.compile(r"\\n|\s")
_SECRET_ID_PURPOSE: Final = b"accounts.token_keys"
_ID_BYTES: Final = 16

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
Jwk = dict[str, Any]


class UnusableKeyError(Exception):
    """No token can be signed or verified with this; the message says why, and not what it is."""


class WeakKeyError(UnusableKeyError):
    """It could be guessed or computed."""


@dataclass(frozen=True)
class TokenKey:
    """One key and its one algorithm."""

    key_id: str
    """The `kid` of its tokens; the same in every process."""
    algorithm: str
    signing_key: str | None = field(repr=False)
    """The secret, or the private key in PEM; None of a public key."""
    verifying_key: str = field(repr=False)
    """The public key in PEM; "" of a secret."""
    jwk: Jwk | None
    """The public key as JSON (RFC 7517); None of a secret, which is never published."""


def read_key(text: str) -> TokenKey:
    r"""Return the key that a setting spells, as a secret or in PEM; `\n` may stand for its lines.

    Raises: UnusableKeyError, or WeakKeyError, which is one.
    """
    if PEM_MARK not in text:
        return _read_secret(text)
    public, private = _load(_normalise(text))
    algorithm, jwk = _describe(public)
    return TokenKey(
        key_id=_thumbprint(jwk),
        algorithm=algorithm,
        signing_key=None if private is None else _format_private(private),
        verifying_key=_format_public(public),
        jwk={**jwk, "kid": _thumbprint(jwk), "alg": algorithm, "use": "sig"},
    )


def _read_secret(text: str) -> TokenKey:
    if _is_bare_der(text):
        raise UnusableKeyError("it is a private or public key without the lines of PEM around it")
    secret = text.encode()
    if len(secret) < SECRET_MIN_BYTES:
        raise WeakKeyError(f"a secret needs at least {SECRET_MIN_BYTES} bytes")
    digest = hmac.new(secret, _SECRET_ID_PURPOSE, hashlib.sha256).digest()
    return TokenKey(_encode(digest[:_ID_BYTES]), "HS256", text, "", None)


def _is_bare_der(text: str) -> bool:
    # Taken for a secret, a public key would let everybody sign.
    try:
        der = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    loaders: tuple[Callable[[], object], ...] = (
        lambda: serialization.load_der_public_key(der),
        lambda: serialization.load_der_private_key(der, None),
    )
    return any(map(_succeeds, loaders))


def _succeeds(load: Callable[[], object]) -> bool:
    try:
        load()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _normalise(text: str) -> bytes:
    found = PEM.fullmatch(_GAP.sub(" ", text.strip()).strip())
    if found is None:
        raise UnusableKeyError("it is no single key in PEM")
    label, body = found["label"], found["body"].replace(" ", "")
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()


def _load(pem: bytes) -> tuple[PublicKey, PrivateKey | None]:
    try:
        if b" PRIVATE KEY-----" in pem:
            private: Any = serialization.load_pem_private_key(pem, None)
            public: Any = private.public_key()
        else:
            private, public = None, serialization.load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKeyError("it is damaged, encrypted, or no key") from error
    return public, private


def _describe(public: PublicKey) -> tuple[str, Jwk]:
    match public:
        case RSAPublicKey():
            if public.key_size < RSA_MIN_BITS:
                raise WeakKeyError(f"RSA needs at least {RSA_MIN_BITS} bits")
            return "RS256", _pick(RSAAlgorithm.to_jwk(public, as_dict=True), "e", "kty", "n")
        case EllipticCurvePublicKey() if isinstance(public.curve, SECP256R1):
            return "ES256", _pick(ECAlgorithm.to_jwk(public, as_dict=True), "crv", "kty", "x", "y")
        case Ed25519PublicKey():
            return "EdDSA", _pick(OKPAlgorithm.to_jwk(public, as_dict=True), "crv", "kty", "x")
    raise UnusableKeyError("only RSA, P-256 and Ed25519 are known")


def _pick(jwk: Mapping[str, Any], *names: str) -> Jwk:
    # The public members, in the order of RFC 7638.
    return {name: jwk[name] for name in names}


def _thumbprint(jwk: Jwk) -> str:
    # Source: RFC 7638, section 3.
    return _encode(hashlib.sha256(json.dumps(jwk, separators=(",", ":")).encode()).digest())


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _format_private(private: PrivateKey) -> str:
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _format_public(public: PublicKey) -> str:
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
