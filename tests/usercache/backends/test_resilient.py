"""What Redis' errors mean, and when it is probed, told and left: with a stand-in for Redis."""

import logging
from collections.abc import Callable

import pytest
from django.db import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    MaxConnectionsError,
    NoPermissionError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.clocks import Clock
from tests.counting import counted_events, counts_of
from usercache.backends.base import UnavailableError
from usercache.backends.breaker import FAILURES_TO_OPEN, FIRST_PAUSE_SECONDS, Breaker
from usercache.backends.redis import ProbeFailedError
from usercache.backends.resilient import HEARTBEAT_SECONDS, ResilientBackend


class Backend:
    """Answers, or raises what it was told to."""

    name = "redis"

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = list[str]()

    def __getattr__(self, name: str) -> Callable[..., bytes]:
        def operate(*_args: object) -> bytes:
            self.asked.append(name)
            if self.error is not None:
                raise self.error
            return b"answer"

        return operate


class Guarded:
    """A resilient backend, with what happens to it noted."""

    def __init__(self) -> None:
        self.backend, self.events, self.clock = Backend(), counted_events(), Clock()
        self.breaker = Breaker(self.clock, lambda: 0.0)
        self.happened = list[str]()
        self.recover: Callable[[], object] = lambda: None
        self.guard = ResilientBackend(
            self.backend,  # type: ignore[arg-type]  # a stand-in
            self.breaker,
            self.events,
            on_opening=lambda: self.happened.append("opened"),
            on_recovery=lambda _backend: self.note_recovery(),
        )

    def note_recovery(self) -> None:
        self.happened.append("recovered")
        self.recover()

    def count(self, name: str) -> int:
        return counts_of(self.events).get(name, 0)


@pytest.fixture
def begun() -> Guarded:
    """Return one that begins."""
    return Guarded()


@pytest.fixture
def used(begun: Guarded) -> Guarded:
    """Return one that has been in use for a while."""
    begun.guard.attend()
    assert begun.breaker.is_closed
    begun.clock.now += FIRST_PAUSE_SECONDS
    begun.happened.clear()
    begun.backend.asked.clear()
    return begun


READS: dict[str, Callable[[ResilientBackend], object]] = {
    "get": lambda guard: guard.get("k"),
    "get_many": lambda guard: guard.get_many(["k"]),
    "acquire_fill_locks": lambda guard: guard.acquire_fill_locks(["k"], b"L"),
    "fill": lambda guard: guard.fill({}, b"L"),
    "set_pointer": lambda guard: guard.set_pointer("k", "7", 1),
    "seconds_left": lambda guard: guard.seconds_left("k"),
}
INVALIDATIONS: dict[str, Callable[[ResilientBackend], object]] = {
    "set_markers": lambda guard: guard.set_markers(["k"], b"t"),
    "clear_markers": lambda guard: guard.clear_markers(["k"], b"t", []),
    "invalidate": lambda guard: guard.invalidate(["k"]),
    "invalidate_all": lambda guard: guard.invalidate_all(),
}


def fail(resilient: Guarded, ask: Callable[[ResilientBackend], object], error: RedisError) -> None:
    resilient.backend.error = error
    with pytest.raises(UnavailableError):
        ask(resilient.guard)


def test_before_the_first_probe_only_invalidations_are_let_through(begun: Guarded) -> None:
    """A look-up waits for the verdict; what a write has to tell doesn't."""
    assert not begun.guard.is_available()
    assert begun.guard.is_available(invalidates=True)


def test_it_has_the_name_of_what_it_guards(used: Guarded) -> None:
    """Look-ups are counted by it."""
    assert used.guard.name == used.backend.name


@pytest.mark.parametrize("name", READS)
def test_third_failed_read_in_a_row_opens(name: str, used: Guarded) -> None:
    """Whichever it is; one that succeeds begins the count again."""
    for _ in range(FAILURES_TO_OPEN - 1):
        fail(used, READS[name], RedisConnectionError())
    used.backend.error = None
    READS[name](used.guard)
    for _ in range(FAILURES_TO_OPEN - 1):
        fail(used, READS[name], ResponseError())
    assert used.guard.is_available()
    assert used.happened == []
    fail(used, READS[name], RedisConnectionError())
    assert not used.guard.is_available()
    assert used.happened == ["opened"]
    assert used.backend.asked == [name] * 6
    assert used.guard.needs_attention.is_set()
    assert (used.count("breaker_openings"), used.count("errors_ConnectionError")) == (1, 3)


@pytest.mark.parametrize("name", INVALIDATIONS)
def test_failed_invalidation_opens(name: str, used: Guarded) -> None:
    """At once, whatever the reason, and be it that our own connections are all in use."""
    for error in (RedisConnectionError(), ReadOnlyError(), MaxConnectionsError()):
        fail(used, INVALIDATIONS[name], error)
        assert not used.guard.is_available(invalidates=True)
        used.backend.error = None
        used.guard.attend()
        assert used.breaker.is_closed
        used.clock.now += FIRST_PAUSE_SECONDS
    assert used.happened == ["opened", "recovered"] * 3


def test_timeout_opens_at_once(used: Guarded) -> None:
    """The next caller would otherwise wait as long."""
    fail(used, READS["get"], RedisTimeoutError())
    assert not used.guard.is_available()


def test_own_pool_s_bound_says_nothing_of_redis(used: Guarded) -> None:
    """A read that found no connection free is counted, and that is all."""
    for _ in range(2 * FAILURES_TO_OPEN):
        fail(used, READS["get"], MaxConnectionsError())
    assert used.guard.is_available()
    assert used.count("errors_MaxConnectionsError") == 2 * FAILURES_TO_OPEN


def test_refused_metrics_change_nothing(used: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    """They are counted each time and said once; ones that fail otherwise count as reads do."""
    for _ in range(2 * FAILURES_TO_OPEN):
        fail(
            used,
            lambda guard: guard.ask(lambda backend: backend.beat()),
            NoPermissionError("no"),
        )
    assert used.guard.is_available()
    assert used.count("errors_NoPermissionError") == 2 * FAILURES_TO_OPEN
    assert caplog.text.count("refuses what metrics or scripts need") == 1
    for number in range(FAILURES_TO_OPEN):
        assert used.guard.is_available(), number
        fail(used, lambda guard: guard.ask(lambda t: t.beat()), RedisConnectionError())
    assert not used.guard.is_available()


def test_metrics_that_arrive_are_a_success(used: Guarded) -> None:
    """As any other answer is."""
    fail(used, READS["get"], RedisConnectionError())
    fail(used, READS["get"], RedisConnectionError())
    used.backend.error = None
    assert used.guard.ask(lambda backend: backend.get("k")) == b"answer"
    fail(used, READS["get"], RedisConnectionError())
    assert used.guard.is_available()


def test_heartbeat(used: Guarded) -> None:
    """One that is refused opens at once, one that fails counts as a read does."""
    used.guard.attend()
    assert used.backend.asked == ["beat"]
    used.backend.error = RedisConnectionError()
    used.guard.attend()
    used.guard.attend()
    used.backend.error = None
    used.guard.attend()
    used.backend.error = RedisConnectionError()
    used.guard.attend()
    used.guard.attend()
    assert used.guard.is_available()
    used.backend.error = ReadOnlyError()
    used.guard.attend()
    assert not used.guard.is_available()


def test_when_to_attend(begun: Guarded) -> None:
    """At once in doubt, with each heartbeat in use, and else when the pause is over."""
    assert begun.guard.seconds_to_attend == 0
    begun.guard.attend()
    assert begun.guard.seconds_to_attend == HEARTBEAT_SECONDS
    begun.backend.error = RedisTimeoutError()
    begun.guard.attend()
    assert begun.guard.seconds_to_attend == FIRST_PAUSE_SECONDS
    begun.clock.now += FIRST_PAUSE_SECONDS - 0.5
    begun.backend.asked.clear()
    begun.guard.attend()
    assert begun.backend.asked == []
    assert begun.guard.seconds_to_attend == 0.5


def test_invalidation_that_fails_meanwhile_is_recovered(begun: Guarded) -> None:
    """What was let through while the outbox was drained, and failed, is drained as well."""

    def lose_one() -> None:
        if begun.happened.count("recovered") == 1:
            fail(begun, INVALIDATIONS["invalidate"], RedisTimeoutError())
            begun.backend.error = None

    begun.recover = lose_one
    begun.guard.attend()
    assert begun.happened == ["recovered", "recovered"]
    assert begun.breaker.is_closed


@pytest.mark.parametrize("error", [RedisConnectionError(), OperationalError()])
def test_failed_recovery_leaves_it_open(begun: Guarded, error: Exception) -> None:
    """Whichever failed, Redis or the database; it is counted, and tried again after the pause."""

    def fail_once() -> None:
        if len(begun.happened) == 1:
            raise error

    begun.recover = fail_once
    begun.guard.attend()
    assert begun.breaker.is_away
    assert begun.count(f"errors_{type(error).__name__}") == 1
    begun.clock.now += FIRST_PAUSE_SECONDS
    begun.guard.attend()
    assert begun.guard.is_available()


def test_odd_probe_leaves_it_open(begun: Guarded) -> None:
    """A Redis that returns something else than was written isn't trusted."""
    begun.backend.error = ProbeFailedError()
    begun.guard.attend()
    assert begun.breaker.is_away
    assert begun.happened == []
    assert begun.count("errors_ProbeFailedError") == 1
    assert begun.count("breaker_openings") == 1
    begun.clock.now += FIRST_PAUSE_SECONDS
    begun.guard.attend()
    assert begun.count("breaker_openings") == 1


def test_unexpected_error_of_a_recovery_leaves_it_open(begun: Guarded) -> None:
    """Nobody would probe again, if the breaker still took this one for under way."""

    def err() -> None:
        raise ZeroDivisionError

    begun.recover = err
    with pytest.raises(ZeroDivisionError):
        begun.guard.attend()
    assert begun.breaker.is_away
    assert begun.breaker.state == "open"


def test_only_a_return_is_said(begun: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    """A process that begins well has nothing to say; one that failed says when, and when not."""
    with caplog.at_level(logging.WARNING):
        begun.guard.attend()
        assert caplog.text == ""
        begun.clock.now += FIRST_PAUSE_SECONDS
        fail(begun, READS["get"], RedisTimeoutError())
        begun.backend.error = None
        begun.guard.attend()
        begun.clock.now += FIRST_PAUSE_SECONDS
        begun.guard.attend()
        fail(begun, READS["get"], RedisTimeoutError())
        begun.guard.attend()
    assert [r.message[:12] for r in caplog.records] == [
        *("Redis failed", "Redis answer"),
        *("Redis failed", "Redis stays "),
    ]
