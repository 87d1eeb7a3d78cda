"""Whatever ends a caller between its question and the answer spoils nobody else's."""

import gc
import signal
from collections.abc import Callable, Iterator
from types import FrameType

import pytest
from pytest_django import Settings
from redis.connection import AbstractConnection

from tests.backends import acquire_fill_lock
from tests.caches import lead_shared_alias
from tests.servers.redis_server import RedisServer
from usercache.backends import redis as redis_backend
from usercache.backends.base import new_fill_lock, new_token
from usercache.backends.redis import RedisBackend

pytestmark = pytest.mark.redis

CONNECTIONS = 3
ROUNDS = 200
STEP_SECONDS = 5e-6


class Interruption(BaseException):
    """What a worker's time-out raises, wherever the worker is."""


@pytest.fixture
def backend(
    redis_server: RedisServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RedisBackend]:
    """Return a backend of few connections, with two keys that hold their own names."""
    monkeypatch.setattr("usercache.redis_topologies.deadlines.LOST_SECONDS", 0.0)
    lead_shared_alias(settings, redis_server.url, max_connections=CONNECTIONS)
    backend = redis_backend.connect("usercache")
    for key in ("a", "b"):
        backend.set_pointer(key, key, 600_000)
    yield backend
    backend.client.connection_pool.disconnect()
    gc.collect()  # now that pytest holds no frame of theirs, or another test would close them


OPERATIONS: dict[str, Callable[[RedisBackend], object]] = {
    "get": lambda backend: backend.get("a"),
    "script": lambda backend: acquire_fill_lock(backend, "c", new_fill_lock()),
    "pipeline": lambda backend: backend.get_many(["a", "a"]),
    "scripts": lambda backend: backend.set_markers(["d", "e"], new_token()),
    "set": lambda backend: backend.set_pointer("a", "a", 600_000),
}
by_each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())


@by_each_operation
def test_interrupted_before_the_answer(
    operation: Callable[[RedisBackend], object],
    backend: RedisBackend,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next caller gets the answer to its own question, though the other is still to come."""
    send = AbstractConnection.send_packed_command

    def send_and_be_interrupted(
        connection: AbstractConnection, command: object, check_health: bool = True
    ) -> None:
        send(connection, command, check_health)  # type: ignore[no-untyped-call]  # redis-py's
        raise Interruption

    redis_server.pause()
    with monkeypatch.context() as patched, pytest.raises(Interruption):
        patched.setattr(AbstractConnection, "send_packed_command", send_and_be_interrupted)
        operation(backend)
    redis_server.resume()
    assert [backend.get(key) for key in ("b", "a", "b")] == [b"b", b"a", b"b"]


def collecting_sockets(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that loses connections: the collector closes their sockets, in any order."""
    for warning in ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning"):
        test = pytest.mark.filterwarnings(f"ignore::{warning}")(test)
    return test


@collecting_sockets
@by_each_operation
def test_interrupted_at_any_moment(
    operation: Callable[[RedisBackend], object], backend: RedisBackend
) -> None:
    """By a signal, hundreds of times: answers stay right, and the pool doesn't run dry."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interruption

    before, interrupted = signal.signal(signal.SIGALRM, interrupt), 0
    try:
        for number in range(ROUNDS):
            try:
                signal.setitimer(signal.ITIMER_REAL, (number % 100 + 1) * STEP_SECONDS)
                operation(backend)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Interruption:
                interrupted += 1
            assert backend.get("b") == b"b"
            assert backend.get("a") == b"a"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted


@collecting_sockets
def test_lost_connections_are_made_up_for(backend: RedisBackend) -> None:
    """As often as a caller is ended before it could give one back; those in use stay counted."""
    pool = backend.client.connection_pool
    held = pool.get_connection()
    for _ in range(3 * CONNECTIONS):
        pool.get_connection()
    assert backend.get("a") == b"a"
    assert held in pool._in_use_connections
    pool.release(held)


def test_exception_that_is_being_handled_costs_no_answer(backend: RedisBackend) -> None:
    """Who looks up while handling an error gets what he asks for."""
    try:
        raise KeyError
    except KeyError:
        assert backend.get("a") == b"a"
