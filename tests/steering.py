"""This process's Redis in the hands of a test: when it is away, and when it is probed."""

from tests.clocks import Clock
from usercache.backends.resilient import ResilientBackend
from usercache.runtime import RUNTIME, get_store
from usercache.workers import Worker


def get_guard() -> ResilientBackend:
    """Return Redis of this process."""
    shared = get_store().redis
    assert shared is not None
    return shared


def steer_recovery() -> Clock:
    """Have nobody attend to the breaker but the test, and return the clock that it goes by."""
    guard, clock = get_guard(), Clock()
    for service in RUNTIME.services:
        if isinstance(service, Worker) and service.name == "usercache-recovery":
            service.end()
    guard.breaker.clock, guard.breaker.steady_from = clock, 0.0
    return clock


def keep_redis_away() -> Clock:
    """Have this process do without Redis until the test lets a pause pass, and attends to it."""
    clock = steer_recovery()
    breaker = get_guard().breaker
    breaker.failed(at_once=True)
    breaker.stay_open()
    return clock
