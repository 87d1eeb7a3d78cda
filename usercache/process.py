"""The store of this process: made from the settings on first use, and made anew after a fork."""

import atexit
import os
import random
import threading
import time
from typing import Any, Final

from usercache import local, shared
from usercache.breaker import Breaker
from usercache.conf import conf
from usercache.guard import GuardedTier
from usercache.stats import Delivery, Stats
from usercache.store import Store


class Process:
    """Hold what all threads of one process share."""

    def __init__(self) -> None:
        """Make nothing yet: the settings may still be half loaded."""
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._delivery: Delivery | None = None

    def get_store(self) -> Store:
        """Return the store, making it on first use."""
        return self._store or self._get_or_make_store()

    def stop(self) -> None:
        """Deliver what was counted and forget the store; the next use makes another."""
        with self._lock:
            delivery, self._delivery, self._store = self._delivery, None, None
        if delivery is not None:
            delivery.end()

    def forget(self) -> None:
        """Drop everything undelivered: a forked child has no right to its parent's figures."""
        self._lock = threading.Lock()
        self._store = self._delivery = None

    def _get_or_make_store(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = self._make_store()
            return self._store

    def _make_store(self) -> Store:
        stats = Stats()
        local_tier = local.connect(conf.USERCACHE_LOCAL_ALIAS)
        guarded = None
        if conf.USERCACHE_SHARED_ALIAS:
            guarded = GuardedTier(
                shared.connect(conf.USERCACHE_SHARED_ALIAS),
                Breaker(clock=time.monotonic, random=random.random),
                stats,
                on_recovery=local_tier.forget_all,
            )
        store = Store(shared=guarded, local=local_tier, stats=stats, random=random.random)
        if guarded is not None:
            self._delivery = Delivery(stats, store.add_totals, conf.USERCACHE_STATS_FLUSH_SECONDS)
        return store


PROCESS: Final = Process()
get_store: Final = PROCESS.get_store


def follow_settings(setting: str, **kwargs: Any) -> None:
    """Make the store anew where a test overrides what it was made from."""
    if setting == "CACHES" or setting.startswith("USERCACHE_"):
        PROCESS.stop()


os.register_at_fork(after_in_child=PROCESS.forget)
atexit.register(PROCESS.stop)
