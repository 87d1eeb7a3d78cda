"""The shared tier behind its breaker: when it may be asked, and what its errors mean."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from django.db import Error as AnyDatabaseError
from redis.exceptions import MaxConnectionsError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from usercache.breaker import Breaker, Permit
from usercache.shared import ProbeFailedError, SharedTier
from usercache.stats import BREAKER_OPENINGS, ERRORS_PREFIX, Stats

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class UnavailableError(Exception):
    """Say that the shared tier could not do what it was asked; already counted and logged."""


class GuardedTier:
    """Ask Redis only while the breaker lets us; every failure is one `UnavailableError`.

    When the breaker opens, `on_opening` is called, so that nothing is left from an outage before.
    Before the breaker closes again, `on_recovery` is called, and once more for as long as
    invalidations fail meanwhile, so that nothing older than the outage is served after it.
    Callers for whom `may_probe` says no, since what `on_recovery` does would become part of their
    transaction, leave the probe to others.
    """

    def __init__(
        self,
        tier: SharedTier,
        breaker: Breaker,
        stats: Stats,
        *,
        on_opening: Callable[[], None],
        on_recovery: Callable[[SharedTier], None],
        may_probe: Callable[[], bool],
    ) -> None:
        """Put the breaker before the tier."""
        self.name = tier.name
        self.breaker = breaker
        self._tier = tier
        self._stats = stats
        self._on_opening = on_opening
        self._on_recovery = on_recovery
        self._may_probe = may_probe
        self._has_been_refused = False

    def is_available(self, *, invalidates: bool = False, may_probe: bool = True) -> bool:
        """Say whether to ask at all; the caller whom the breaker picks probes first."""
        if self.breaker.is_closed:
            return True
        may_probe = may_probe and self._may_probe()
        permit = self.breaker.permit(invalidates=invalidates, may_probe=may_probe)
        if permit is Permit.PROBE:
            return self._probe()
        return permit is Permit.USE

    def get(self, key: str) -> bytes | None:
        """See `Tier.get`; raises `UnavailableError`, as all of these do."""
        return self._ask(False, self._tier.get, key)

    def take_lease(self, key: str, lease: bytes, instead_of: bytes = b"") -> bytes | None:
        """See `Tier.take_lease`."""
        return self._ask(False, self._tier.take_lease, key, lease, instead_of)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `Tier.get_many`."""
        return self._ask(False, self._tier.get_many, keys)

    def take_leases(self, keys: Sequence[str], lease: bytes) -> list[bytes | None]:
        """See `Tier.take_leases`."""
        return self._ask(False, self._tier.take_leases, keys, lease)

    def fill(self, entries: Mapping[str, tuple[bytes, int]], lease: bytes) -> int:
        """See `Tier.fill`."""
        return self._ask(False, self._tier.fill, entries, lease)

    def set_pointer(self, key: str, pk: str, ttl_ms: int) -> None:
        """See `Tier.set_pointer`."""
        self._ask(False, self._tier.set_pointer, key, pk, ttl_ms)

    def raise_barriers(self, keys: Sequence[str], token: bytes) -> None:
        """See `Tier.raise_barriers`; a failure opens the breaker at once."""
        self._ask(True, self._tier.raise_barriers, keys, token)

    def lower_barriers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> None:
        """See `Tier.lower_barriers`; a failure opens the breaker at once."""
        self._ask(True, self._tier.lower_barriers, keys, token, pointers)

    def forget(self, keys: Sequence[str], pointers: Sequence[str] = ()) -> None:
        """See `Tier.forget`; a failure opens the breaker at once."""
        self._ask(True, self._tier.forget, keys, pointers)

    def forget_all(self) -> None:
        """See `Tier.forget_all`; a failure opens the breaker at once."""
        self._ask(True, self._tier.forget_all)

    def seconds_left(self, key: str) -> float | None:
        """See `Tier.seconds_left`."""
        return self._ask(False, self._tier.seconds_left, key)

    def ask(self, operation: Callable[[SharedTier], T]) -> T:
        """Do what no look-up and no write hangs on, as figures.

        A refusal (for want of a right or of memory) is counted, and leaves the breaker as it is.
        """
        try:
            answer = operation(self._tier)
        except RedisError as error:
            if isinstance(error, ResponseError):
                self._count_refusal(error)
            else:
                self._count_failure(error, False)
            raise UnavailableError from error
        self.breaker.succeeded()
        return answer

    def _ask(
        self, invalidates: bool, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            answer = operation(*args, **kwargs)
        except RedisError as error:
            self._count_failure(error, invalidates)
            raise UnavailableError from error
        self.breaker.succeeded()
        return answer

    def _count_refusal(self, error: ResponseError) -> None:
        self._stats.count(ERRORS_PREFIX + type(error).__name__)
        if not self._has_been_refused:
            self._has_been_refused = True  # each second, perhaps, but said once
            logger.warning("Redis refuses what is asked for the figures: %s", error)

    def _count_failure(self, error: RedisError, invalidates: bool) -> None:
        self._stats.count(ERRORS_PREFIX + type(error).__name__)
        if isinstance(error, MaxConnectionsError) and not invalidates:
            return  # our own pool is at its bound, which says nothing about Redis
        if self.breaker.failed(at_once=invalidates or isinstance(error, RedisTimeoutError)):
            self._on_opening()
            self._stats.count(BREAKER_OPENINGS)
            logger.warning(
                "Redis failed (%s: %s); users come from process memory and the database, "
                "and the next try is in %.1f s.",
                type(error).__name__,
                error,
                self.breaker.seconds_to_probe,
            )

    def _probe(self) -> bool:
        is_closed = False
        try:
            self._tier.probe()
            while not is_closed:
                refused_before = self.breaker.recover()
                self._on_recovery(self._tier)
                is_closed = self.breaker.close(refused_before)
        except (RedisError, ProbeFailedError, AnyDatabaseError) as error:
            self._stats.count(ERRORS_PREFIX + type(error).__name__)
            logger.warning("Redis stays out of use (%s: %s).", type(error).__name__, error)
        finally:
            # In a finally: a probe that never reported would keep the breaker open for ever.
            if not is_closed:
                self.breaker.stay_open()
        if is_closed:
            logger.warning("Redis answers again; users come from it.")
        return is_closed
