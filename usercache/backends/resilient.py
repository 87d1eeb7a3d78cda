"""Redis behind its circuit breaker: when it may be asked, what its errors mean, how it comes back.

Note [In use, or not]
---------------------
A process uses Redis only while two things hold: every write is told to Redis or stands in the
outbox (`Note [The outbox]`), and what stood there when Redis was last out of use has been told. So
every process (web worker, command, task) begins *in doubt*: from the first use of the store on, a
thread probes Redis and drains the outbox over a connection of its own; then Redis is in use. Until
then look-ups query the database, and nothing is kept in memory, since others write through Redis
and can't tell our memory. Invalidations go to Redis from the first moment, so that a command that
writes one user and ends has told it. No caller waits for the thread or pays for a backlog: a start
costs the queries of the look-ups before the verdict, a few milliseconds with an empty outbox.

After a failure the process is in doubt in the same way, and probes at once over new connections.
Where this process was slow, or one connection broke, Redis is in use again within milliseconds, and
nothing older than the database was served. Only after a probe has failed is Redis *away*: then
memory serves, for `USERCACHE_MEMORY_TTL_SECONDS`, and the breaker says when to probe again.

While Redis is in use, the thread sends each primary a write every second that any server refuses
which would refuse an invalidation. Without it, a process that only reads would not notice that
others can't tell it of their writes. A full memory refuses entries but no deletion, and is no
reason to leave. The listener's heartbeat can't replace this one: it is sent only where there is a
client-side cache, and is about one tracking connection.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Concatenate, Final, ParamSpec, TypeVar

from django.db import Error as AnyDatabaseError
from django.db import connections
from redis.exceptions import MaxConnectionsError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from usercache.backends.base import UnavailableError
from usercache.backends.breaker import Breaker
from usercache.backends.redis import ProbeFailedError, RedisBackend
from usercache.events import BREAKER_OPENINGS, Events
from usercache.workers import Worker

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS: Final = 1.0
"""Between two heartbeats to a Redis in use."""

P = ParamSpec("P")
T = TypeVar("T")


def _guarded(
    operation: Callable[Concatenate[RedisBackend, P], T], *, invalidates: bool = False
) -> Callable[Concatenate["ResilientBackend", P], T]:
    # The operation by its name, with every error reported to the breaker. A failed invalidation
    # opens it at once.
    name = operation.__name__

    def call(self: "ResilientBackend", /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            answer: T = getattr(self.backend, name)(*args, **kwargs)
        except RedisError as error:
            self._report_failure(error, at_once=invalidates)
            raise UnavailableError from error
        self.breaker.succeeded()
        return answer

    call.__doc__ = f"See `Backend.{name}`; raises `UnavailableError`."
    return call


class ResilientBackend:
    """A `Backend` whose every failure is one `UnavailableError`, counted and told to the breaker.

    `on_opening` is called when the breaker opens, so that nothing from before is served.
    `on_recovery` is called with the bare backend before the breaker closes, and again for as long
    as invalidations fail at the same time. `on_heartbeat` is called before both, and once per
    second while the breaker is closed; it may be refused.
    """

    def __init__(
        self,
        backend: RedisBackend,
        breaker: Breaker,
        events: Events,
        *,
        on_opening: Callable[[], object],
        on_recovery: Callable[[RedisBackend], object],
        on_heartbeat: Callable[[RedisBackend], object] = lambda _: None,
    ) -> None:
        """Put the breaker before the backend."""
        self.name = backend.name
        self.breaker = breaker
        self.needs_attention = threading.Event()
        """Set when the breaker opens."""
        self.backend = backend
        self._events = events
        self._on_opening = on_opening
        self._on_recovery = on_recovery
        self._on_heartbeat = on_heartbeat
        self._was_refused = False
        self._is_missed = False

    get = _guarded(RedisBackend.get)
    get_many = _guarded(RedisBackend.get_many)
    acquire_fill_locks = _guarded(RedisBackend.acquire_fill_locks)
    fill = _guarded(RedisBackend.fill)
    set_pointer = _guarded(RedisBackend.set_pointer)
    seconds_left = _guarded(RedisBackend.seconds_left)
    set_markers = _guarded(RedisBackend.set_markers, invalidates=True)
    clear_markers = _guarded(RedisBackend.clear_markers, invalidates=True)
    invalidate = _guarded(RedisBackend.invalidate, invalidates=True)
    invalidate_all = _guarded(RedisBackend.invalidate_all, invalidates=True)

    def ask(self, operation: Callable[[RedisBackend], T]) -> T:
        """Do what no look-up and no write depends on, as metrics and the project's scripts.

        A refusal (for want of a permission or of memory) is counted; the breaker stays as it is.
        """
        try:
            answer = operation(self.backend)
        except RedisError as error:
            if isinstance(error, ResponseError):
                self._report_refusal(error)
            else:
                self._report_failure(error, at_once=False)
            raise UnavailableError from error
        self.breaker.succeeded()
        return answer

    def is_available(self, *, invalidates: bool = False) -> bool:
        """Return whether to ask at all."""
        return self.breaker.permits(invalidates=invalidates)

    def attend(self) -> None:
        """Send a heartbeat while Redis is in use; probe it when a probe is due.

        Raises:
            Exception: an unexpected error in `on_recovery`; the breaker stays open.
        """
        if self.breaker.is_closed:
            self._beat()
        elif self.breaker.begin_probe():
            self._probe()

    @property
    def seconds_to_attend(self) -> float:
        """Return the seconds until `attend()` is due, unless the breaker opens before."""
        return HEARTBEAT_SECONDS if self.breaker.is_closed else self.breaker.seconds_to_probe

    def _report_refusal(self, error: ResponseError) -> None:
        self._events.note_error(error)
        if not self._was_refused:
            self._was_refused = True  # logged once, not each second
            logger.warning("Redis refuses what metrics or scripts need: %s", error)

    def _report_failure(self, error: RedisError, *, at_once: bool) -> None:
        self._events.note_error(error)
        if isinstance(error, MaxConnectionsError) and not at_once:
            return  # our own pool is at its bound, which says nothing about Redis
        if self.breaker.failed(at_once=at_once or isinstance(error, RedisTimeoutError)):
            self._on_opening()
            self.needs_attention.set()
            self._report_absence(error)

    def _beat(self) -> None:
        try:
            self.backend.beat()
        except RedisError as error:
            # A refusal means that no write can be told, now or later.
            self._report_failure(error, at_once=isinstance(error, ResponseError))
        else:
            self.breaker.succeeded()
            self._listen()

    def _listen(self) -> None:
        with suppress(UnavailableError):  # already counted
            self.ask(self._on_heartbeat)

    def _probe(self) -> None:
        is_closed = False
        try:
            self.backend.probe()
            self._listen()
            while not is_closed:
                refused_before = self.breaker.recover()
                self._on_recovery(self.backend)
                is_closed = self.breaker.close(refused_before)
        except (RedisError, ProbeFailedError, AnyDatabaseError) as error:
            self._events.note_error(error)
            if self._is_missed:
                logger.warning("Redis stays out of use (%s: %s).", type(error).__name__, error)
            else:  # a process that has just begun
                self._report_absence(error)
        finally:
            # Always: a probe that never reported would keep the breaker open for ever.
            if not is_closed:
                self.breaker.stay_open()
        if is_closed and self._is_missed:
            self._is_missed = False
            logger.warning("Redis answers again; users come from it.")

    def _report_absence(self, error: Exception) -> None:
        self._is_missed = True
        self._events.count(BREAKER_OPENINGS)
        logger.warning(
            "Redis failed (%s: %s); users come from the database until it is seen to work, "
            "and from process memory as well while it doesn't.",
            type(error).__name__,
            error,
        )


def recovery_worker(redis: ResilientBackend, events: Events) -> Worker:
    """Return the thread that keeps calling `attend()`; see Note [In use, or not]."""
    called = redis.needs_attention

    def attend() -> None:
        while True:
            called.wait(redis.seconds_to_attend)
            called.clear()
            if worker.ended.is_set():
                return
            try:
                redis.attend()
            finally:
                connections.close_all()  # this thread's

    worker = Worker("usercache-recovery", attend, events.note_unexpected, called=called)
    return worker
