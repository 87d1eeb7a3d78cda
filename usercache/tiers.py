"""What a tier of the cache can do; `shared.py` does it in Redis, `local.py` in process memory."""

import os
from collections.abc import Mapping, Sequence
from typing import Protocol

from usercache.keys import BARRIER, LEASE
from usercache.scripts import DEADLINE_DIGITS, TOKEN_BYTES


class Tier(Protocol):
    """Hold entries under keys by the protocol of lease and barrier.

    Record keys hold an entry, a lease or a barrier, told apart by their first byte; pointer keys
    hold an id. A tier raises what its client raises; the store decides what that means.
    """

    name: str

    def get(self, key: str) -> bytes | None:
        """Return what the key holds, None when it is absent. One operation."""

    def take_lease(self, key: str, lease: bytes, instead_of: bytes = b"") -> bytes | None:
        """Take the lease where the key is absent or holds the unreadable `instead_of`.

        None means that the lease is the caller's; anything else is what stands in its way.
        """

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return what each of the keys holds. One operation."""

    def take_leases(self, keys: Sequence[str], lease: bytes) -> list[bytes | None]:
        """Take the lease on each key that is absent.

        None, in a key's place, means that the lease is the caller's; the others hold what is there.
        """

    def fill(self, entries: Mapping[str, tuple[bytes, int]], lease: bytes) -> int:
        """Put entries in the place of the lease on their keys; return how many still stood.

        With each entry comes its TTL in milliseconds.
        """

    def set_pointer(self, key: str, pk: str, ttl_ms: int) -> None:
        """Let a pointer key lead to an id."""

    def raise_barriers(self, keys: Sequence[str], token: bytes) -> None:
        """Let nobody fill these keys until this token's barrier is lowered or given up."""

    def lower_barriers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> None:
        """Take this token off each key, deleting those it held last, and drop the pointers."""

    def forget(self, keys: Sequence[str], pointers: Sequence[str] = ()) -> None:
        """Drop records, leases and pointers; barriers stay."""

    def forget_all(self) -> None:
        """Drop every record, lease and pointer; barriers stay."""

    def seconds_left(self, key: str) -> float | None:
        """Say how long the key will still stand, None where that can't be told."""


def new_token() -> bytes:
    """Return a token that names one writer's barrier or one loader's lease."""
    return os.urandom(TOKEN_BYTES)


def new_lease() -> bytes:
    """Return a lease nobody else holds."""
    return LEASE + new_token()


def spell_barrier(holders: Mapping[bytes, int]) -> bytes:
    """Return what a key holds under a barrier: each holder's token and deadline in milliseconds."""
    return BARRIER + b"".join(
        token + b"%0*d" % (DEADLINE_DIGITS, deadline) for token, deadline in holders.items()
    )


def holders_of(barrier: bytes) -> set[bytes]:
    """Return the tokens of the writes that a barrier stands for."""
    starts = range(1, len(barrier), TOKEN_BYTES + DEADLINE_DIGITS)
    return {barrier[start : start + TOKEN_BYTES] for start in starts}
