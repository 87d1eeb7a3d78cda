"""Scripts of the project's own in the cache's Redis, behind its circuit breaker."""

from collections.abc import Sequence
from typing import Any, Final

from usercache.backends.base import UnavailableError
from usercache.memory_only import check_may_wait
from usercache.runtime import get_store

DOUBT_SECONDS: Final = 0.25
"""As long as Redis itself may take."""
__all__ = ["UnavailableError", "run_script"]


def run_script(script: str, keys: Sequence[str], arguments: Sequence[int | str]) -> Any:
    """Run a Lua script on keys of the project's own, in one round trip, and return its answer.

    The keys get the alias's prefix. In a cluster they must share a hash tag: `limit:{7}:a`. Where
    a process has just begun, or Redis has just failed, it waits a moment for the verdict.

    Raises:
        UnavailableError: there is no Redis, it isn't in use, or it failed. The script may have run.
    """
    check_may_wait()
    redis = get_store().redis
    if redis is None:
        raise UnavailableError
    # Set already, unless in doubt.
    redis.breaker.verdict.wait(DOUBT_SECONDS)
    if not redis.is_available():
        raise UnavailableError
    return redis.ask(lambda backend: backend.run_script(script, keys, arguments))
