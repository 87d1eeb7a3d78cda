"""The contract of a backend; `redis.py` keeps it in Redis, `memory.py` in process memory."""

import os
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from usercache.keys import FILL_LOCK, WRITE_MARKER

TOKEN_BYTES: Final = 8
DEADLINE_DIGITS: Final = 13
"""Milliseconds since 1970 have thirteen digits until the year 2286."""
MOST_HOLDERS: Final = 32
"""Of one write marker. A rolled-back write leaves its token until the deadline, and each operation
reads all of them: beyond this many, the oldest two become one that nobody can clear, with the later
of their deadlines. So a write marker stands while any write that set it may still commit."""
MERGED: Final = bytes(TOKEN_BYTES)
"""The token of a holder that stands for several."""


class UnavailableError(Exception):
    """A backend could not do what it was asked; the error is already counted and logged."""


class Invalidated(Protocol):
    """What a writer tells every place that holds records."""

    def set_markers(self, keys: Sequence[str], token: bytes) -> None:
        """Refuse every fill of these keys until the token is cleared or its TTL ends.

        Set again, a token gets a new TTL. The cost per key is the same however many markers stand.
        """

    def clear_markers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> None:
        """Remove the token from each key, delete keys without another, and drop the pointers."""

    def invalidate(self, keys: Sequence[str], pointers: Sequence[str] = ()) -> None:
        """Drop records, fill locks and pointers; write markers stay."""

    def invalidate_all(self) -> None:
        """Drop every record, fill lock and pointer; write markers stay."""


class Backend(Invalidated, Protocol):
    """Hold entries under keys by the protocol of fill locks and write markers.

    A record key holds an entry, a fill lock or a write marker, told apart by the first byte; a
    pointer key holds an id. A backend raises what its client raises.
    """

    name: str

    def get(self, key: str) -> bytes | None:
        """Return what the key holds, None when it is absent. One operation."""

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return what each key holds. One operation."""

    def acquire_fill_locks(
        self, keys: Sequence[str], fill_lock: bytes, unreadable: Mapping[str, bytes] = {}
    ) -> list[bytes | None]:
        """Lock each key that is absent or still holds its unreadable entry.

        Returns None for each that is locked by this, else what the key holds.
        """

    def fill(self, entries: Mapping[str, tuple[bytes, int]], fill_lock: bytes) -> int:
        """Replace the fill lock by the entry, with its TTL in milliseconds, where it still stands.

        Returns how many did.
        """

    def set_pointer(self, key: str, pk: str, ttl_ms: int) -> None:
        """Let a pointer key lead to an id."""


def new_token() -> bytes:
    """Return a token that names one write marker or one loader's fill lock."""
    return os.urandom(TOKEN_BYTES)


def new_fill_lock() -> bytes:
    """Return a fill lock nobody else holds."""
    return FILL_LOCK + new_token()


def serialize_marker(holders: Mapping[bytes, int]) -> bytes:
    """Return a write marker: each holder's token and its deadline in milliseconds."""
    return WRITE_MARKER + b"".join(
        token + b"%0*d" % (DEADLINE_DIGITS, deadline) for token, deadline in holders.items()
    )


def add_holder(holders: Mapping[bytes, float], token: bytes, deadline: float) -> dict[bytes, float]:
    """Return the holders with this one last; of too many, the first two as one."""
    added = dict(holders)
    added.pop(token, None)
    added[token] = deadline
    if len(added) <= MOST_HOLDERS:
        return added
    (_, first), (_, second), *others = added.items()
    return {MERGED: max(first, second), **dict(others)}


def holders_of(marker: bytes) -> set[bytes]:
    """Return the tokens of the writes that a write marker stands for."""
    starts = range(1, len(marker), TOKEN_BYTES + DEADLINE_DIGITS)
    return {marker[start : start + TOKEN_BYTES] for start in starts}
