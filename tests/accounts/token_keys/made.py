"""Keys of each kind, made once in a run: an RSA key takes a tenth of a second."""

import secrets
from functools import cache
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from accounts.token_keys.keys import PrivateKey

ALGORITHMS: Final = {"secret": "HS256", "rsa": "RS256", "p256": "ES256", "ed25519": "EdDSA"}
KINDS: Final = tuple(ALGORITHMS)


def private_key(kind: str, number: int = 1) -> PrivateKey:
    """Return one of several private keys of a kind."""
    return _make_private(kind, number)


def text_of(kind: str, number: int = 1) -> str:
    """Return the text that signs, as in the settings."""
    if kind == "secret":
        return _make_secret(number)
    return format_private(private_key(kind, number))


@cache
def _make_secret(_number: int) -> str:
    return secrets.token_urlsafe(48)


@cache
def _make_private(kind: str, _number: int) -> PrivateKey:
    match kind:
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()


def public_text_of(kind: str, number: int = 1) -> str:
    """Return the text that verifies only; the secret, for one."""
    if kind == "secret":
        return text_of(kind, number)
    return format_public(private_key(kind, number).public_key())


def format_private(key: object, encryption: object = None) -> str:
    text: bytes = key.private_bytes(  # type: ignore[attr-defined]  # of any kind
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )
    return text.decode()


def format_public(key: object) -> str:
    text: bytes = key.public_bytes(  # type: ignore[attr-defined]  # of any kind
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return text.decode()
