"""What comes, or goes, in drips costs one time-out, like what doesn't at all."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import caches
from pytest_django import Settings
from redis import Redis
from redis.connection import SSLConnection, UnixDomainSocketConnection
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.caches import lead_shared_alias
from tests.counting import counts
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from tests.users import User
from usercache.redis_topologies.deadlines import DeadlineMixin, DeadlineSocket, with_deadlines
from usercache.users import get_user_by_id

pytestmark = pytest.mark.redis

TIMEOUT_SECONDS = 0.25
PAUSE_SECONDS = 0.05
LONG_VALUE = b"x" * 100_000
ANSWER_PIECE_BYTES = 500
"""A question goes in one piece."""
LONG_QUESTION = b"x" * 10_000_000
"""Far more than a socket buffers."""
PIECE_BYTES = 50_000
UNBOUNDED_SECONDS = len(LONG_VALUE) / ANSWER_PIECE_BYTES * PAUSE_SECONDS
"""What the drips would take; the test allows half of it."""


@pytest.fixture
def client(redis_server: RedisServer, settings: Settings) -> Redis:
    """Return the client of the shared alias, leading to a Redis by way of a proxy."""
    lead_shared_alias(settings, redis_server.url)
    client: Redis = caches["usercache"].client.get_client()  # type: ignore[attr-defined]  # django-redis'
    return client


def test_dripping_answer_ends_at_the_deadline(
    redis_server: RedisServer, settings: Settings
) -> None:
    """Each piece comes well within the time-out, and all of them don't."""
    with TcpProxy(redis_server.port) as proxy:
        lead_shared_alias(settings, f"redis://127.0.0.1:{proxy.port}/0")
        client: Redis = caches["usercache"].client.get_client()  # type: ignore[attr-defined]  # django-redis'
        client.set("long", LONG_VALUE)
        proxy.drip(ANSWER_PIECE_BYTES, PAUSE_SECONDS)
        began = time.monotonic()
        with pytest.raises(RedisTimeoutError):
            client.get("long")
        assert time.monotonic() - began < UNBOUNDED_SECONDS / 2


def test_answer_in_several_pieces_is_read(client: Redis) -> None:
    """What comes in pieces within the time-out is an answer, and the next has its own time-out."""
    megabytes = b"x" * 3_000_000
    client.set("long", megabytes)
    for _ in range(3):
        assert client.get("long") == megabytes
        assert client.get("nothing") is None


@pytest.mark.django_db(transaction=True)
def test_drips_cost_a_look_up_one_timeout(
    alice: User, redis_server: RedisServer, settings: Settings
) -> None:
    """A Redis that drips is as good as one that hangs: noticed by one caller, once."""
    with TcpProxy(redis_server.port) as proxy:
        lead_shared_alias(settings, f"redis://127.0.0.1:{proxy.port}/0")
        assert get_user_by_id(alice.pk) == alice
        proxy.drip(1, PAUSE_SECONDS)
        for _ in range(10):
            assert get_user_by_id(alice.pk) == alice
        assert counts()["errors_TimeoutError"] == 1


def test_every_kind_of_connection_can_have_deadlines() -> None:
    """TLS and socket files too; and nobody gets them twice."""
    for kind in (SSLConnection, UnixDomainSocketConnection):
        with_deadline = with_deadlines(kind)
        assert issubclass(with_deadline, kind)
        assert issubclass(with_deadline, DeadlineMixin)
        assert with_deadlines(with_deadline) is with_deadline


Ends = tuple[DeadlineSocket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Give a socket with deadlines, and its other end."""
    l1, far = socket.socketpair()
    with l1, far:
        yield DeadlineSocket(l1, TIMEOUT_SECONDS), far


def receive(end: DeadlineSocket) -> bytes:
    return end.recv(100)


def receive_into(end: DeadlineSocket) -> bytes:
    buffer = bytearray(100)
    return bytes(buffer[: end.recv_into(buffer)])


by_each_way = pytest.mark.parametrize("read", [receive, receive_into])


@by_each_way
def test_timeout_of_zero_only_looks(ends: Ends, read: Callable[[DeadlineSocket], bytes]) -> None:
    """Nothing yet, something, and the end are told apart; afterwards reads wait again."""
    end, other = ends
    end.settimeout(0)
    assert end.gettimeout() == 0
    with pytest.raises(BlockingIOError):
        read(end)
    other.sendall(b"something")
    assert end.recv(1, socket.MSG_PEEK) == b"s"
    assert read(end) == b"something"
    end.settimeout(TIMEOUT_SECONDS)
    end.sendall(b"question")
    with pytest.raises(TimeoutError):
        read(end)
    other.recv(100)
    other.close()
    end.settimeout(2 * TIMEOUT_SECONDS)
    assert read(end) == b""


@by_each_way
def test_closed_socket_reads_nobody_else_s(
    ends: Ends, read: Callable[[DeadlineSocket], bytes]
) -> None:
    """Its number may be another connection's by then: a use is an error, not that one's bytes."""
    end, _ = ends
    number = end.fileno()
    strange, far = socket.socketpair()
    end.close()
    with strange, far, socket.socket(fileno=os.dup2(strange.fileno(), number)):
        far.sendall(b"somebody else's")
        for seconds in (0, TIMEOUT_SECONDS, None):
            end.settimeout(seconds)
            with pytest.raises(OSError, match="descriptor"):
                read(end)
        with pytest.raises(OSError, match="descriptor"):
            end.sendall(b"question")
        far.settimeout(0)
        with pytest.raises(BlockingIOError):
            far.recv(1)


@by_each_way
def test_answer_that_came_in_time_is_taken_late(
    ends: Ends, read: Callable[[DeadlineSocket], bytes]
) -> None:
    """A process that had to wait for its turn doesn't take itself for a slow Redis."""
    end, other = ends
    end.sendall(b"question")
    other.sendall(b"answer")
    end._deadline = time.monotonic()
    assert read(end) == b"answer"
    with pytest.raises(TimeoutError):
        read(end)


def test_whoever_takes_slowly_has_one_timeout_for_all(ends: Ends) -> None:
    """Each piece goes within the time-out, and all of them don't."""
    end, other = ends
    taken = list[int]()

    def take_slowly() -> None:
        while piece := other.recv(PIECE_BYTES):
            taken.append(len(piece))
            pause.wait(PAUSE_SECONDS)

    pause, began = threading.Event(), time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(take_slowly)
        with pytest.raises(TimeoutError):
            end.sendall(LONG_QUESTION)
        assert time.monotonic() - began < len(LONG_QUESTION) / PIECE_BYTES * PAUSE_SECONDS / 10
        pause.set()
        end.shutdown(socket.SHUT_RDWR)
    assert sum(taken) < len(LONG_QUESTION)


def test_signals_make_nobody_wait_longer(ends: Ends) -> None:
    """A profiler's timer interrupts the wait again and again, and doesn't begin it again."""
    end, _ = ends
    heard = list[int]()
    before = signal.signal(signal.SIGALRM, lambda number, _frame: heard.append(number))
    signal.setitimer(signal.ITIMER_REAL, PAUSE_SECONDS, PAUSE_SECONDS)
    try:
        end.sendall(b"question")
        with pytest.raises(TimeoutError):
            end.recv(1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert heard
