"""What tests do to a backend."""

from usercache.backends.base import Backend


def acquire_fill_lock(
    backend: Backend, key: str, fill_lock: bytes, instead_of: bytes = b""
) -> bytes | None:
    """Lock a key; return None if the lock is the caller's, else what the key holds."""
    [held] = backend.acquire_fill_locks([key], fill_lock, {key: instead_of})
    return held
