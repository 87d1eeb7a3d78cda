"""The keys that this process has read from their rows; see Note [API keys]."""

import hashlib
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_KNOWN: Final = 10_000
"""About 5 MB."""
REREAD_SECONDS: Final = 300.0
DIGEST_BYTES: Final = 32


class Key(NamedTuple):
    """What a key's row says of it, except its hash."""

    id: str
    user_id: int
    token_version: int
    scope: str
    expires_at: float
    """Seconds since 1970."""


@dataclass(slots=True)
class KnownKey:
    """A key that was read, and when to read it again."""

    key: Key
    reread_at: float


class KnownKeys:
    """Remember keys by digest; those that were used longest ago are dropped first.

    Neither a key nor its row's hash is kept: the digest is made with a key of this process' own.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, max_known: int = MAX_KNOWN
    ) -> None:
        """Start empty."""
        self._clock = clock
        self._max_known = max_known
        self.clear()

    def clear(self) -> None:
        """Forget every key; also begin as a new process, which has no locks of its parent's."""
        self._lock = threading.Lock()
        self._digest_key = secrets.token_bytes(DIGEST_BYTES)
        self._known = OrderedDict[bytes, KnownKey]()

    def recall(self, text: bytes) -> KnownKey | None:
        """Return a key that was remembered."""
        digest = self._digest(text)
        try:
            self._known.move_to_end(digest)
            return self._known[digest]
        except KeyError:  # another thread may drop it between the two
            return None

    def remember(self, text: bytes, key: Key) -> KnownKey:
        """Keep a key that was just read; its use is to be noted."""
        known = KnownKey(key, reread_at=self._clock())
        with self._lock:
            self._known[self._digest(text)] = known
            while len(self._known) > self._max_known:
                self._known.popitem(last=False)
        return known

    def is_due(self, known: KnownKey) -> bool:
        """Return whether the row is to be read again; once, and then for five minutes not."""
        if self._clock() < known.reread_at:
            return False
        known.reread_at = self._clock() + REREAD_SECONDS
        return True

    def forget(self, key_id: str) -> None:
        """Have this key read from its row again at its next use."""
        with self._lock:
            found = [digest for digest, known in self._known.items() if known.key.id == key_id]
            for digest in found:
                del self._known[digest]

    def __len__(self) -> int:
        return len(self._known)

    def _digest(self, text: bytes) -> bytes:
        return hashlib.blake2b(text, key=self._digest_key, digest_size=DIGEST_BYTES).digest()


KNOWN: Final = KnownKeys()
os.register_at_fork(after_in_child=KNOWN.clear)
