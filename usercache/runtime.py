"""What the threads of one process share: its store, made on first use and again after a fork."""

import atexit
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from django.conf import settings

from usercache.backends import memory
from usercache.backends.choice import NONE
from usercache.codec import get_codec
from usercache.conf import conf
from usercache.events import Events
from usercache.lookup import Store

VERDICT_SECONDS: Final = 2.0
"""How long an operator's command waits for Redis: longer than a probe and a small outbox."""


class Service(Protocol):
    """A background thread of the process."""

    def start(self) -> None:
        """Start it; raises `RuntimeError` where there can't be a thread."""

    def end(self) -> None:
        """Stop it, and wait for it for a moment."""


Extension = Callable[[Store], Iterable[Service]]
"""Adds to a new store (an observer, a client-side cache) and returns the threads this needs."""


class Runtime:
    """The store of this process and its background threads."""

    def __init__(self) -> None:
        """Make nothing yet: the settings may still be half loaded."""
        self._extensions: list[Extension] = []
        self._caches_overridden = 0
        self.reset()

    def extend(self, extension: Extension) -> None:
        """Have each store that is made from now on extended; call it from `AppConfig.ready()`.

        Once, though Django calls that again where a test overrides INSTALLED_APPS.
        """
        if extension not in self._extensions:
            self._extensions.append(extension)

    def reset(self) -> None:
        """Begin as a new process: a forked child has no right to its parent's counts and rows."""
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._unstarted: Store | None = None
        self.services: list[Service] = []

    def get_store(self) -> Store:
        """Return the store, making it on first use."""
        return self._store or self._get_or_make_store()

    def stop(self) -> None:
        """End the threads and drop the store; the next use makes another."""
        with self._lock:
            services, self.services, self._store, self._unstarted = self.services, [], None, None
        for service in services:
            service.end()

    def follow_settings(self, setting: str, *, enter: bool, **_kwargs: Any) -> None:
        """Start again where a test overrides a setting that the store was made from."""
        if setting == "CACHES":
            self._caches_overridden += 1 if enter else -1
        if setting in ("AUTH_USER_MODEL", "CACHES") or setting.startswith("USERCACHE_"):
            conf.read_again()
            get_codec.cache_clear()
            self.stop()

    def _get_or_make_store(self) -> Store:
        with self._lock:
            if self._store is not None:
                return self._store
            if self._unstarted is None:
                self._unstarted, self.services = self._make_store()
            store = self._unstarted
            try:
                for service in self.services:
                    service.start()
            except RuntimeError as error:  # no more threads; the next caller tries again
                store.events.note_unexpected(error)
                return store
            self._store, self._unstarted = store, None
            return store

    def _make_store(self) -> tuple[Store, list[Service]]:
        # Both or neither: an extension that fails leaves no service of its store behind.
        services = list[Service]()
        store = Store(
            memory=memory.connect(self._find_alias(conf.USERCACHE_MEMORY_ALIAS)),
            events=Events(),
            random=random.random,
        )
        if not conf.USERCACHE_ENABLED:
            store.served_percent = NONE
            return store, services
        if alias := self._find_alias(conf.USERCACHE_REDIS_ALIAS):
            services.append(_add_redis(store, alias))
        for extension in self._extensions:
            services += extension(store)
        return store, services

    def _find_alias(self, alias: str) -> str:
        # A test of the project's own that overrides CACHES need not know of ours.
        return "" if self._caches_overridden and alias not in settings.CACHES else alias


RUNTIME: Final = Runtime()
get_store: Final = RUNTIME.get_store


def await_verdict(seconds: float = VERDICT_SECONDS) -> None:
    """Wait until Redis is in use or known to be away; for commands, which have just begun."""
    redis = get_store().redis
    if redis is not None:
        redis.breaker.verdict.wait(seconds)


def _add_redis(store: Store, alias: str) -> Service:
    # Here, so that a project without Redis needs no redis-py.
    from usercache.backends.breaker import Breaker  # noqa: PLC0415
    from usercache.backends.redis import connect  # noqa: PLC0415
    from usercache.backends.resilient import ResilientBackend, recovery_worker  # noqa: PLC0415

    store.redis = ResilientBackend(
        connect(alias),
        Breaker(clock=time.monotonic, random=random.random),
        store.events,
        on_opening=store.empty_memory,
        on_recovery=store.recover,
        on_heartbeat=store.note_heartbeat,
    )
    return recovery_worker(store.redis, store.events)


os.register_at_fork(after_in_child=RUNTIME.reset)
atexit.register(RUNTIME.stop)
