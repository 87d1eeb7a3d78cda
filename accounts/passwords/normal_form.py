"""Passwords have one normal form: what looks alike opens the account from every keyboard.

It is that of RFC 8265's OpaqueString: Unicode's form NFC, and each kind of space a plain one. Not
NFKC, which would make one of characters that look different.
"""

import unicodedata
from typing import Final

PASSWORD_MIN_LENGTH: Final = 8
PASSWORD_MAX_LENGTH: Final = 128
"""More than is ever typed; each character is hashed, and none cut off."""

SPACE_CATEGORY = "Zs"


def normalise_password(raw_password: str) -> str:
    """Return the normal form, which is hashed; of a normal form, itself."""
    if raw_password.isascii():
        return raw_password
    plain = "".join(
        " " if unicodedata.category(char) == SPACE_CATEGORY else char for char in raw_password
    )
    return unicodedata.normalize("NFC", plain)


def spellings(raw_password: str) -> tuple[str, ...]:
    """Return what to compare with a hash: the normal form and, if it differs, the input."""
    normal = normalise_password(raw_password)
    return (normal,) if normal == raw_password else (normal, raw_password)
