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

from usercache import local, outbox, shared, tracing
from usercache.audit import Audit
from usercache.breaker import Breaker
from usercache.codec import get_codec
from usercache.conf import conf
from usercache.delivery import Delivery
from usercache.figures.processes import describe_process
from usercache.guard import GuardedTier
from usercache.listener import Listener
from usercache.local import LocalTier
from usercache.near import NearTier
from usercache.shared import SharedTier
from usercache.stats import ERRORS_PREFIX, Stats
from usercache.store import Store
from usercache.tokens import get_verified_tokens
from usercache.totals import Totals
from usercache.tracing import TracedStats

logger = logging.getLogger(__name__)

TOKEN_BYTES: Final = 8


class Process:
    """Hold what all threads of one process share."""

    def __init__(self) -> None:
        """Make nothing yet: the settings may still be half loaded."""
        self._store: Store | None = None
        self._threads: list[Audit | Delivery | Listener] = []
        self.forget()

    def forget(self) -> None:
        """Begin as a new process: a forked child has no right to its parent's figures and rows."""
        self._lock = threading.Lock()
        self._store, self._threads = None, []
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
            threads, self._threads, self._store = self._threads, [], None
        for thread in threads:
            thread.end()

    def _get_or_make_store(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = self._make_store()
            return self._store

    def _make_store(self) -> Store:
        stats, started = _make_stats(), time.time()
        audit = Audit(conf.USERCACHE_AUDIT_SHARE, stats, random.random)
        local_tier = local.connect(conf.USERCACHE_LOCAL_ALIAS)
        shared_tier = guarded = near = None
        if conf.USERCACHE_SHARED_ALIAS:
            shared_tier, near = shared.connect(conf.USERCACHE_SHARED_ALIAS), _make_near_tier()
            in_memory = [tier for tier in (local_tier, near) if tier is not None]
            guarded = _guard(shared_tier, stats, in_memory)
        store = Store(
            shared=guarded,
            local=local_tier,
            near=near,
            stats=stats,
            random=random.random,
            audit=audit,
        )
        delivery = Delivery(
            stats,
            None if guarded is None else Totals(guarded),
            lambda: describe_process(
                stats.token,
                started,
                "" if guarded is None else guarded.breaker.state,
                "" if near is None else near.state,
            ),
            conf.USERCACHE_STATS_FLUSH_SECONDS,
        )
        self._threads += [audit, delivery]
        if shared_tier is not None and guarded is not None and near is not None:
            self._threads.append(_listen(near, stats, shared_tier, guarded.breaker))
        return store


PROCESS: Final = Process()
get_store: Final = PROCESS.get_store


def _make_stats() -> Stats:
    return TracedStats() if conf.USERCACHE_TRACING and tracing.is_installed() else Stats()


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
    """Make store and codec anew where a test overrides what they were made from."""
    if setting in ("AUTH_USER_MODEL", "CACHES") or setting.startswith("USERCACHE_"):
        conf.read_again()
        get_codec.cache_clear()
        get_verified_tokens.cache_clear()
        PROCESS.stop()


def _forget(store: Store, keys: Sequence[str]) -> bool:
    return store.forget_all() if outbox.EVERYBODY in keys else store.forget(keys)


def _guard(
    tier: SharedTier, stats: Stats, in_memory: Sequence[LocalTier | NearTier]
) -> GuardedTier:
    return GuardedTier(
        tier,
        Breaker(clock=time.monotonic, random=random.random),
        stats,
        on_opening=lambda: _forget_all(in_memory),
        on_recovery=lambda tier: _recover(tier, in_memory),
        may_probe=lambda: not is_in_transaction(connections[outbox.get_alias()]),
    )


def _listen(near: NearTier, stats: Stats, tier: SharedTier, breaker: Breaker) -> Listener:
    return Listener(
        near,
        stats,
        connect=tier.open_lines,
        are_current=tier.are_current,
        is_wanted=lambda: breaker.is_closed,
    )


def _make_near_tier() -> NearTier | None:
    if not conf.USERCACHE_NEAR_MAX_ENTRIES:
        return None
    return NearTier(conf.USERCACHE_NEAR_MAX_ENTRIES, conf.USERCACHE_NEAR_MAX_BYTES)


def _forget_all(in_memory: Sequence[LocalTier | NearTier]) -> None:
    for tier in in_memory:
        tier.forget_all()


def _recover(tier: SharedTier, in_memory: Sequence[LocalTier | NearTier]) -> None:
    _forget_all(in_memory)

    def forget(keys: Sequence[str]) -> bool:
        if outbox.EVERYBODY in keys:
            tier.forget_all()
        else:
            tier.forget(keys)
        return True

    outbox.carry_out(forget, overdue_only=False)


os.register_at_fork(after_in_child=PROCESS.forget)
atexit.register(PROCESS.stop)
