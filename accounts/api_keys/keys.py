"""What a key looks like: making, taking apart, hashing."""

import hashlib
import re
import secrets
from typing import Final, NamedTuple

from accounts.api_keys.models import ID_LENGTH

PREFIX: Final = "hmb"
"""Tells scanners of source code that this is a secret of ours."""
SECRET_BYTES: Final = 32
_KEY: Final = re.compile(rf"{PREFIX}_([0-9a-f]{{{ID_LENGTH}}})_[A-Za-z0-9_-]{{43}}", re.ASCII)


class NewKey(NamedTuple):
    """A key that was just made."""

    id: str
    text: str
    """The key itself: shown once, stored nowhere."""

    @property
    def hash(self) -> str:
        """The hash that its row has."""
        return hash_key(self.text)


def make_key() -> NewKey:
    """Draw an id and a secret."""
    key_id = secrets.token_hex(ID_LENGTH // 2)
    return NewKey(key_id, f"{PREFIX}_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}")


def read_id(text: str) -> str | None:
    """Return the id in a key; None if it can't be a key."""
    found = _KEY.fullmatch(text)
    return found and found[1]


def hash_key(text: str) -> str:
    """Return the SHA-256 of a key; it has too many random bits for a slow hash to add any."""
    return hashlib.sha256(text.encode()).hexdigest()
