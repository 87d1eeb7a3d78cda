"""Secrets of authenticator apps at rest: encrypted, each for its user.

The first of AUTH_SECOND_FACTOR_KEYS encrypts, all of them decrypt.
"""

import base64
from functools import lru_cache
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

KEY_BYTES: Final = 32
PURPOSE: Final = b"accounts.second_factor.encryption"


class UndecipherableError(Exception):
    """None of the keys has encrypted this, or not for this user."""


def encrypt(secret: str, *, user_id: int) -> str:
    """Return the secret, encrypted with the first key."""
    return _box().encrypt(f"{user_id} {secret}".encode()).decode()


def decrypt(encrypted: str, *, user_id: int) -> str:
    """Return the secret. A row that was copied to another user has none.

    Raises: UndecipherableError.
    """
    try:
        owner, _, secret = _box().decrypt(encrypted.encode()).decode().partition(" ")
    except InvalidToken as error:
        raise UndecipherableError from error
    if owner != str(user_id):
        raise UndecipherableError
    return secret


def _box() -> MultiFernet:
    return _make_box(tuple(settings.AUTH_SECOND_FACTOR_KEYS))


@lru_cache(maxsize=1)
def _make_box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key))) for key in keys])


def _derive(key: str) -> bytes:
    # The setting is any text of 32 bytes or more; Fernet wants 32 exactly.
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=PURPOSE).derive(key.encode())
