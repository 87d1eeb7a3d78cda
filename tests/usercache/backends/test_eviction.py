"""What Redis evicts when its memory is full: whether write markers are among it, by policy."""

from pathlib import Path

import pytest
from pytest_django import Settings
from redis import Redis
from redis.exceptions import ResponseError

from tests.caches import WAIT, lead_shared_alias
from tests.servers.redis_server import RedisServer
from tests.sizes import some_of
from tests.waiting import wait_until
from usercache.backends import redis as redis_backend
from usercache.backends.base import new_token
from usercache.conf import conf
from usercache.keys import WRITE_MARKER
from usercache.management.redis_doctor import SAFE_POLICIES

pytestmark = pytest.mark.redis

MEMORY = "8mb"
RECORD = b"R" + b"x" * 400
RECORD_MS = 300_000
BATCH = 500
MARKERS = 500
IDLE_SECONDS = 1
"""Redis knows the age of a use to the second."""
POLICIES = [
    *("allkeys-lru", "volatile-lru", "allkeys-lfu", "volatile-lfu"),
    *("allkeys-random", "volatile-random", "volatile-ttl"),
]


def fill(client: Redis, first: int, count: int) -> None:
    for start in range(first, first + count, BATCH):
        with client.pipeline(transaction=False) as pipe:
            for number in range(start, start + BATCH):
                pipe.set(f"hmb:1:user:id:{number}", RECORD, px=RECORD_MS)
            pipe.execute()


def count_evicted(client: Redis) -> int:
    return int(client.info("stats")["evicted_keys"])


@pytest.mark.parametrize("policy", some_of(POLICIES))
def test_markers_under_memory_pressure(policy: str, settings: Settings, tmp_path: Path) -> None:
    """Under a safe policy all of them stand when a fifth of the records has given way.

    By frequency it is chance that they do: nothing is claimed of it.
    """
    options = ("--maxmemory", MEMORY, "--maxmemory-policy", policy)
    with RedisServer(tmp_path, *options) as server, server.client() as client:
        lead_shared_alias(settings, server.url, **WAIT)
        records = 0
        while not count_evicted(client):
            fill(client, records, BATCH)
            records += BATCH
        wait_until(lambda: _are_idle(client, records), "the records are idle")
        backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
        markers = [f"user:id:written-{number}" for number in range(MARKERS)]
        backend.set_markers(markers, new_token())
        evicted = count_evicted(client)
        while count_evicted(client) - evicted < records // 5:
            fill(client, records, BATCH)
            records += BATCH
        held = [value for value in backend.get_many(markers) if value is not None]
        assert all(value[:1] == WRITE_MARKER for value in held)
        if policy in SAFE_POLICIES:
            assert len(held) == MARKERS
        elif not policy.endswith("lfu"):
            assert len(held) < MARKERS


def _are_idle(client: Redis, records: int) -> bool:
    # By the newest that is still there: a policy at random may have evicted any of them.
    for number in reversed(range(records)):
        try:
            seconds = client.object("idletime", f"hmb:1:user:id:{number}")
        except ResponseError:  # a policy by frequency keeps no such age
            return True
        if seconds is not None:
            return bool(seconds >= IDLE_SECONDS)
    return False
