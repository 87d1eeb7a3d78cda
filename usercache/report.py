"""One snapshot of the cache for every face that shows it."""

from typing import Final, NamedTuple

from django.db import Error as AnyDatabaseError

from usercache.outbox import Backlog, get_backlog
from usercache.process import get_store
from usercache.stats import ERRORS_PREFIX, FILLS_REFUSED, HITS_PREFIX, INVALIDATIONS, MISSES

TIERS: Final = ("near", "redis", "local")


class Snapshot(NamedTuple):
    """What the cache did and how it is; counts are totals of all processes unless partial."""

    backend: str
    """redis, or local where there is no shared tier."""
    state: str
    """What the breaker says of Redis: closed (in use), open, or probing; none without Redis."""
    is_partial: bool
    """Whether the counts are this process's alone, since the totals can't be read."""
    hits: int
    hits_local: int
    misses: int
    fills_refused: int
    invalidations: int
    outbox_waiting: int | None
    """Invalidations that Redis has not heard of yet; None while the database can't be asked."""
    outbox_oldest_seconds: float
    counts: dict[str, int]
    """Every figure by name, as in `usercache.stats`."""

    @property
    def lookups(self) -> int:
        """Count all look-ups that were answered."""
        return self.hits + self.misses

    @property
    def hit_rate(self) -> float:
        """Give hits by look-ups, 0 to 1; 0 before the first."""
        return self.hits / self.lookups if self.lookups else 0.0


def take_snapshot() -> Snapshot:
    """Return the figures of this moment: one round trip to Redis, one query."""
    store = get_store()
    totals = store.get_totals()
    counts = store.stats.peek()
    for name, count in (totals or {}).items():
        counts[name] = counts.get(name, 0) + count
    backlog = _get_backlog()
    return Snapshot(
        backend="local" if store.shared is None else store.shared.name,
        state="none" if store.shared is None else store.shared.breaker.state,
        is_partial=totals is None,
        hits=sum(counts.get(HITS_PREFIX + tier, 0) for tier in TIERS),
        hits_local=counts.get(HITS_PREFIX + "local", 0),
        misses=counts.get(MISSES, 0),
        fills_refused=counts.get(FILLS_REFUSED, 0),
        invalidations=counts.get(INVALIDATIONS, 0),
        outbox_waiting=backlog.waiting if backlog else None,
        outbox_oldest_seconds=backlog.oldest_seconds if backlog else 0.0,
        counts=counts,
    )


def _get_backlog() -> Backlog | None:
    try:
        return get_backlog()
    except AnyDatabaseError as error:
        get_store().stats.count(ERRORS_PREFIX + type(error).__name__)
        return None
