"""Keys and an entry, and how it comes under one of them."""

from tests.backends import acquire_fill_lock
from usercache.backends.base import (
    Backend,
    new_fill_lock,
)

KEY, OTHER = "user:id:1", "user:id:2"
POINTER = "user:email:alice@example.com"
ENTRY = b"R the entry"
TTL_MS = 60_000


def fill(backend: Backend, key: str = KEY, entry: bytes = ENTRY) -> None:
    fill_lock = new_fill_lock()
    assert acquire_fill_lock(backend, key, fill_lock) is None
    assert backend.fill({key: (entry, TTL_MS)}, fill_lock)
