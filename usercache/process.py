"""What one process shares: its store, made on first use and anew after a fork, and its way in."""

import atexit
import logging
import os
import random
import secrets
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from django.db import Error as AnyDatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from usercache import local, outbox, shared
from usercache.audit import Audit
from usercache.breaker import Breaker
from usercache.conf import conf
from usercache.delivery import Delivery
from usercache.figures.processes import describe_process
from usercache.guard import GuardedTier
from usercache.local import LocalTier
from usercache.shared import SharedTier
from usercache.stats import ERRORS_PREFIX, Stats
from usercache.store import Store
from usercache.totals import Totals

logger = logging.getLogger(__name__)

TOKEN_BYTES: Final = 8


class Process:
    """Hold what all threads of one process share."""

    def __init__(self) -> None:
        """Make nothing yet: the settings may still be half loaded."""
        self._store: Store | None = None
        self._delivery: Delivery | None = None
        self.forget()

    def forget(self) -> None:
        """Begin as a new process: a forked child has no right to its parent's figures and rows."""
        self._lock = threading.Lock()
        self._store = self._delivery = None
        self._has_begun = False
        self.token = secrets.token_hex(TOKEN_BYTES)

    def get_store(self) -> Store:
        """Return the store, making it on first use."""
        return self._store or self._get_or_make_store()

    def begin(self) -> None:
        """Carry out, once, what earlier processes left behind.

        Where the database fails, the error is counted, and the rows are left to somebody else.
        """
        if self._has_begun:
            return
        self._has_begun = True
        try:
            carry_out(overdue_only=False)
        except AnyDatabaseError as error:
            self.get_store().stats.count(ERRORS_PREFIX + type(error).__name__)
            logger.warning("The outbox could not be carried out at the start: %s", error)

    def stop(self) -> None:
        """Deliver what was counted and forget the store; the next use makes another."""
        with self._lock:
            delivery, self._delivery = self._delivery, None
            store, self._store = self._store, None
        if store is not None and store.audit is not None:
            store.audit.end()
        if delivery is not None:
            delivery.end()

    def _get_or_make_store(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = self._make_store()
            return self._store

    def _make_store(self) -> Store:
        stats, started = Stats(), time.time()
        audit = Audit(conf.USERCACHE_AUDIT_SHARE, stats, random.random)
        local_tier = local.connect(conf.USERCACHE_LOCAL_ALIAS)
        guarded = None
        if conf.USERCACHE_SHARED_ALIAS:
            guarded = GuardedTier(
                shared.connect(conf.USERCACHE_SHARED_ALIAS),
                Breaker(clock=time.monotonic, random=random.random),
                stats,
                on_opening=local_tier.forget_all,
                on_recovery=lambda tier: _recover(tier, local_tier),
                may_probe=lambda: not is_in_transaction(connections[outbox.get_alias()]),
            )
        store = Store(
            shared=guarded, local=local_tier, stats=stats, random=random.random, audit=audit
        )
        breaker = None if guarded is None else guarded.breaker
        self._delivery = Delivery(
            stats,
            None if guarded is None else Totals(guarded),
            lambda: describe_process(stats.token, started, breaker.state if breaker else "", ""),
            conf.USERCACHE_STATS_FLUSH_SECONDS,
        )
        return store


PROCESS: Final = Process()
get_store: Final = PROCESS.get_store


def carry_out(*, overdue_only: bool) -> int:
    """Carry out what waits in the outbox, and return how many rows that was.

    Raises:
        django.db.Error: the outbox can't be read; nothing is lost by it.
    """
    store = get_store()
    if store.shared is not None:
        # Here, if a probe is due: within the transactions below nobody may.
        store.shared.is_available()
    return outbox.carry_out(lambda keys: _forget(store, keys), overdue_only=overdue_only)


def is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Say whether what is read or written now may never be committed."""
    return connection.in_atomic_block or (
        connection.connection is not None and not connection.autocommit
    )


def begin(**_kwargs: Any) -> None:
    """Begin with the process's first request."""
    PROCESS.begin()


def follow_settings(setting: str, **_kwargs: Any) -> None:
    """Make the store anew where a test overrides what it was made from."""
    if setting == "CACHES" or setting.startswith("USERCACHE_"):
        PROCESS.stop()


def _forget(store: Store, keys: Sequence[str]) -> bool:
    return store.forget_all() if outbox.EVERYBODY in keys else store.forget(keys)


def _recover(tier: SharedTier, local_tier: LocalTier) -> None:
    local_tier.forget_all()

    def forget(keys: Sequence[str]) -> bool:
        if outbox.EVERYBODY in keys:
            tier.forget_all()
        else:
            tier.forget(keys)
        return True

    outbox.carry_out(forget, overdue_only=False)


os.register_at_fork(after_in_child=PROCESS.forget)
atexit.register(PROCESS.stop)
