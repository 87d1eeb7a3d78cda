"""An answer that comes in drips costs one time-out, like one that doesn't come at all."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from django.core.cache import caches
from pytest_django import Settings
from redis import Redis
from redis.connection import SSLConnection, UnixDomainSocketConnection
from redis.exceptions import TimeoutError as RedisTimeoutError

from accounts.models import User
from tests.caches import lead_shared_alias
from tests.servers.redis_server import RedisServer
from tests.servers.tcp_proxy import TcpProxy
from usercache.deadlines import (
    BlockingDeadlineSocket,
    DeadlineMixin,
    DeadlineSocket,
    bound_by,
    with_deadlines,
)
from usercache.process import get_store
from usercache.users import get_user_by_id

pytestmark = pytest.mark.redis

TIMEOUT_SECONDS = 0.25
PAUSE_SECONDS = 0.05
LONG_VALUE = b"x" * 10_000
SHORT_SECONDS = 0.02
MORE_THAN_IS_BUFFERED = b"x" * 10_000_000
UNBOUNDED_SECONDS = len(LONG_VALUE) * PAUSE_SECONDS
"""What the drips would take; the tests allow a hundredth of it."""


@pytest.fixture
def client(redis_server: RedisServer, settings: Settings) -> Redis:
    """Return the client of the shared alias, leading to a Redis by way of a proxy."""
    lead_shared_alias(settings, redis_server.url)
    client: Redis = caches["usercache"].client.get_client()  # type: ignore[attr-defined]  # django-redis'
    return client


def test_dripping_answer_ends_at_the_deadline(
    redis_server: RedisServer, settings: Settings
) -> None:
    """Each byte comes well within the time-out, and all of them don't."""
    with TcpProxy(redis_server.port) as proxy:
        lead_shared_alias(settings, f"redis://127.0.0.1:{proxy.port}/0")
        client: Redis = caches["usercache"].client.get_client()  # type: ignore[attr-defined]  # django-redis'
        client.set("long", LONG_VALUE)
        proxy.drip(1, PAUSE_SECONDS)
        began = time.monotonic()
        with pytest.raises(RedisTimeoutError):
            client.get("long")
        assert time.monotonic() - began < UNBOUNDED_SECONDS / 100


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
        assert get_store().stats.peek()["errors_TimeoutError"] == 1


def test_every_kind_of_connection_can_have_deadlines() -> None:
    """TLS and socket files too; and nobody gets them twice."""
    for kind in (SSLConnection, UnixDomainSocketConnection):
        with_deadline = with_deadlines(kind)
        assert issubclass(with_deadline, kind)
        assert issubclass(with_deadline, DeadlineMixin)
        assert with_deadlines(with_deadline) is with_deadline


class CooperativeSocket(socket.socket):
    """As gevent's and eventlet's: it seems to block, and its descriptor never does."""

    def settimeout(self, value: float | None) -> None:
        """Leave the descriptor as it is."""


Ends = tuple[DeadlineSocket, socket.socket]


@pytest.fixture(params=[DeadlineSocket, BlockingDeadlineSocket])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """Give a socket with deadlines, each kind, and its other end."""
    near, far = socket.socketpair()
    near.settimeout(None if request.param is BlockingDeadlineSocket else SHORT_SECONDS)
    with near, far:
        yield request.param(near, SHORT_SECONDS), far


def receive(end: DeadlineSocket) -> bytes:
    return end.recv(100)


def receive_into(end: DeadlineSocket) -> bytes:
    buffer = bytearray(100)
    return bytes(buffer[: end.recv_into(buffer)])


by_each_way = pytest.mark.parametrize("read", [receive, receive_into])


@by_each_way
def test_nobody_waits_longer_than_the_timeout(
    ends: Ends, read: Callable[[DeadlineSocket], bytes]
) -> None:
    """Neither for what doesn't come nor to be rid of what nobody takes."""
    end, _ = ends
    with pytest.raises(TimeoutError):
        read(end)
    with pytest.raises(TimeoutError):
        end.sendall(MORE_THAN_IS_BUFFERED)


@by_each_way
def test_timeout_of_zero_only_looks(ends: Ends, read: Callable[[DeadlineSocket], bytes]) -> None:
    """Nothing yet, something, and the end are told apart; afterwards reads wait again."""
    end, other = ends
    end.settimeout(0)
    with pytest.raises(BlockingIOError):
        read(end)
    other.sendall(b"something")
    assert read(end) == b"something"
    end.settimeout(SHORT_SECONDS)
    with pytest.raises(TimeoutError):
        read(end)
    other.close()
    end.settimeout(0)
    assert read(end) == b""


def test_tiny_timeout_is_not_for_ever(ends: Ends) -> None:
    """What a clock leaves of a deadline may be less than the kernel counts in."""
    end, _ = ends
    end.settimeout(1e-9)
    with pytest.raises(TimeoutError):
        end.recv(1)


def test_kernel_keeps_the_time_of_sockets_that_block() -> None:
    """And Python that of those that only seem to, which would otherwise wait for ever."""
    plain, cooperative = socket.socket(), CooperativeSocket()
    cooperative.setblocking(False)
    with plain, cooperative:
        assert type(bound_by(plain, SHORT_SECONDS)) is BlockingDeadlineSocket
        assert type(bound_by(cooperative, SHORT_SECONDS)) is DeadlineSocket
