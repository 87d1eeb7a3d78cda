"""An answer that comes in drips costs one time-out, like one that doesn't come at all."""

import time

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
from usercache.deadlines import DeadlineMixin, with_deadlines
from usercache.process import get_store
from usercache.users import get_user_by_id

pytestmark = pytest.mark.redis

TIMEOUT_SECONDS = 0.25
PAUSE_SECONDS = 0.05
LONG_VALUE = b"x" * 10_000
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
