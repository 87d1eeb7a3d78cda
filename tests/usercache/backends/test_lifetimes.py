"""How long what a backend keeps lives, and what others may have left under its keys."""

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from pytest_django import Settings
from redis import Redis

from tests.backends import acquire_fill_lock
from tests.clocks import Clock
from tests.usercache.backends.filled import ENTRY, KEY, OTHER, POINTER, TTL_MS, fill
from tests.waiting import wait_until
from usercache.backends import memory
from usercache.backends import redis as redis_backend
from usercache.backends.base import (
    TOKEN_BYTES,
    holders_of,
    new_fill_lock,
    new_token,
    serialize_marker,
)
from usercache.conf import conf
from usercache.keys import FILL_LOCK, POINTER_PREFIXES, PROBE


def test_abandoned_marker_runs_out(settings: Settings) -> None:
    """In process memory a writer that never finished is given up after the write marker's TTL."""
    settings.USERCACHE_WRITE_MARKER_TTL_SECONDS = 60
    now = 0.0
    backend = memory.connect(conf.USERCACHE_MEMORY_ALIAS)
    backend.clock = lambda: now
    backend.set_markers([KEY], token := new_token())
    now = 59.9
    held = backend.get(KEY)
    assert held is not None
    assert holders_of(held) == {token}
    now = 60.0
    assert backend.get(KEY) is None


@pytest.mark.redis
def test_marker_lives_for_its_ttl(settings: Settings) -> None:
    """In Redis, for all of it: it must outlast the transaction that raised it."""
    settings.USERCACHE_WRITE_MARKER_TTL_SECONDS = 60
    backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
    backend.set_markers([KEY], new_token())
    left_seconds = backend.seconds_left(KEY)
    assert left_seconds is not None
    assert 50 < left_seconds <= 60


@pytest.mark.redis
def test_abandoned_holder_is_given_up_alone(settings: Settings) -> None:
    """In Redis each holder has its own deadline: one that never finished isn't kept by others."""
    backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
    settings.USERCACHE_WRITE_MARKER_TTL_SECONDS = 0.001
    abandoned = new_token()
    backend.set_markers([KEY], abandoned)
    settings.USERCACHE_WRITE_MARKER_TTL_SECONDS = 60
    while backend.get(KEY) is not None:  # a millisecond, by Redis' clock
        pass
    backend.set_markers([KEY], abandoned[::-1])
    held = backend.get(KEY)
    assert held is not None
    assert held[1 : 1 + TOKEN_BYTES] == abandoned[::-1]
    backend.clear_markers([KEY], abandoned[::-1], [])
    assert backend.get(KEY) is None


@pytest.mark.redis
def test_abandoned_holder_does_not_keep_the_key_from_the_others(
    settings: Settings, redis_client: Redis
) -> None:
    """In Redis: when the last writer who is alive ends, one that was given up doesn't count."""
    backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
    settings.USERCACHE_WRITE_MARKER_TTL_SECONDS = 0.2
    backend.set_markers([KEY], new_token())
    settings.USERCACHE_WRITE_MARKER_TTL_SECONDS = 60
    token = new_token()
    backend.set_markers([KEY], token)
    given_up_at, _ = redis_client.time()
    wait_until(lambda: redis_client.time()[0] > given_up_at + 1, "the first is given up")
    backend.clear_markers([KEY], token, [])
    assert backend.get(KEY) is None


def test_abandoned_holder_does_not_keep_the_key_in_memory(settings: Settings) -> None:
    """The same in process memory, where a fill lock is then taken again."""
    settings.USERCACHE_WRITE_MARKER_TTL_SECONDS = 60
    now = 0.0
    backend = memory.connect(conf.USERCACHE_MEMORY_ALIAS)
    backend.clock = lambda: now
    backend.set_markers([KEY], new_token())
    now = 30.0
    backend.set_markers([KEY], token := new_token())
    now = 60.0
    assert acquire_fill_lock(backend, KEY, new_fill_lock()) is not None
    backend.clear_markers([KEY], token, [])
    fill(backend)


@pytest.mark.redis
def test_each_value_lives_as_long_as_it_should(settings: Settings) -> None:
    """In Redis: a fill lock for its setting, an entry and a pointer for what they were given."""
    settings.USERCACHE_FILL_LOCK_TTL_SECONDS = 30
    backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
    assert backend.seconds_left(KEY) is None
    fill_lock = new_fill_lock()
    assert acquire_fill_lock(backend, KEY, fill_lock) is None
    assert backend.acquire_fill_locks([OTHER], fill_lock) == [None]
    backend.set_pointer(POINTER, "1", 50_000)
    lives = [backend.seconds_left(key) for key in (KEY, OTHER, POINTER)]
    backend.fill({KEY: (ENTRY, 70_000)}, fill_lock)
    lives.append(backend.seconds_left(KEY))
    for left, whole in zip(lives, (30, 30, 50, 70), strict=True):
        assert left is not None
        assert whole - 20 < left <= whole


@pytest.mark.parametrize(("ttl_ms", "seconds"), [(60_000, 4.0), (3_000, 3.0)])
def test_entries_of_process_memory_live_for_seconds(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, ttl_ms: int, seconds: float
) -> None:
    """However long they may live in Redis, less the random part; nobody tells of a change."""
    settings.USERCACHE_MEMORY_TTL_SECONDS, settings.USERCACHE_TTL_JITTER = 5.0, 0.4
    backend = memory.connect(conf.USERCACHE_MEMORY_ALIAS)
    backend.random = lambda: 0.5
    lives = dict[str, float]()

    def note(key: str, value: bytes, timeout: float) -> None:
        lives[key] = timeout

    fill_lock = new_fill_lock()
    acquire_fill_lock(backend, KEY, fill_lock)
    monkeypatch.setattr(backend._cache, "set", note)
    backend.fill({KEY: (ENTRY, ttl_ms)}, fill_lock)
    backend.set_pointer(POINTER, "1", ttl_ms)
    acquire_fill_lock(backend, OTHER, fill_lock)
    assert lives == {KEY: seconds, POINTER: seconds, OTHER: conf.USERCACHE_FILL_LOCK_TTL_SECONDS}


def test_what_a_marker_looks_like() -> None:
    """Each holder's token and thirteen digits, in the order in which they came."""
    first, second = b"1" * TOKEN_BYTES, b"2" * TOKEN_BYTES
    marker = serialize_marker({first: 7, second: 1_795_725_045_347})
    assert marker == b"B" + first + b"0000000000007" + second + b"1795725045347"
    assert holders_of(marker) == {first, second}
    assert holders_of(b"B") == set()


def test_tokens_differ() -> None:
    """Of writers and of loaders, whose fill locks begin as fill locks do."""
    tokens = {new_token() for _ in range(100)} | {new_fill_lock()[1:] for _ in range(100)}
    assert len(tokens) == 200
    assert {len(token) for token in tokens} == {TOKEN_BYTES}
    assert new_fill_lock()[:1] == FILL_LOCK


@pytest.mark.redis
def test_foreign_type_among_many_is_absent(redis_client: Redis) -> None:
    """A list under one of many keys is a miss of that one."""
    backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
    fill(backend, OTHER)
    redis_client.rpush(caches[conf.USERCACHE_REDIS_ALIAS].make_key(KEY), "not", "ours")
    assert backend.get_many([KEY, OTHER]) == [None, ENTRY]


@pytest.mark.redis
@pytest.mark.parametrize("act", ["raise", "lower", "invalidate"])
def test_writer_s_operations_succeed_whatever_lies_there(redis_client: Redis, act: str) -> None:
    """A list under the key gives way to a write marker, and to the end of a write."""
    backend, token = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS), new_token()
    full_key = caches[conf.USERCACHE_REDIS_ALIAS].make_key(KEY)
    redis_client.rpush(full_key, "not", "ours")
    if act == "raise":
        backend.set_markers([KEY], token)
        assert holders_of(backend.get(KEY) or b"") == {token}
    elif act == "lower":
        backend.clear_markers([KEY], token, [])
    else:
        backend.invalidate([KEY])
    assert redis_client.exists(full_key) == (act == "raise")


@pytest.mark.redis
def test_probe_that_reads_something_else_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis that answers, but not with what was written, is no Redis to use; nothing is left."""
    backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
    backend.probe()
    assert backend.get(PROBE) is None
    monkeypatch.setattr(backend, "_exchange", lambda _commands: [b"OK", b"other", 1])
    with pytest.raises(redis_backend.ProbeFailedError, match="other"):
        backend.probe()


@pytest.mark.redis
def test_forgetting_more_than_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody is forgotten, however many they are."""
    monkeypatch.setattr(redis_backend, "SCAN_BATCH", 10)
    backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
    keys = [f"user:id:{number}" for number in range(95)]
    for key in keys:
        backend.set_pointer(key, "1", TTL_MS)
    backend.invalidate_all()
    assert backend.get_many(keys) == [None] * len(keys)


@pytest.mark.redis
def test_foreign_type_under_our_key_is_dropped(redis_client: Redis) -> None:
    """A list or a hash that something else put there is a miss, not an error for ever."""
    backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
    full_key = caches[conf.USERCACHE_REDIS_ALIAS].make_key(KEY)
    redis_client.rpush(full_key, "not", "ours")
    assert backend.get(KEY) is None
    assert redis_client.exists(full_key) == 0


def test_local_entries_age_though_the_time_of_day_is_set_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tells process memory of changes, so that its five seconds are no more than that."""
    settings.USERCACHE_MEMORY_TTL_SECONDS = 5.0
    cache, clock = caches[conf.USERCACHE_MEMORY_ALIAS], Clock()
    assert isinstance(cache, LocMemCache)
    backend = memory.MemoryBackend(cache, clock, random=lambda: 0.0)
    fill(backend)
    backend.set_pointer(POINTER, "1", TTL_MS)
    monkeypatch.setattr("django.core.cache.backends.locmem.time.time", lambda: 0.0)
    clock.now += 4.999
    assert backend.get(KEY) == ENTRY
    assert backend.get(POINTER) == b"1"
    clock.now += 0.001
    assert backend.get(KEY) is None
    assert backend.get(POINTER) is None


@pytest.mark.redis
def test_forget_all_keeps_to_its_prefix(redis_client: Redis) -> None:
    """Another program's keys in the same Redis stay, even those that look like ours."""
    backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
    redis_client.set("other:1:user:id:1", "theirs")
    fill(backend)
    backend.set_pointer("user:ext:group:3", "an extension's", TTL_MS)
    backend.invalidate_all()
    assert backend.get_many([KEY, "user:ext:group:3"]) == [None, None]
    assert redis_client.get("other:1:user:id:1") == b"theirs"


@pytest.mark.redis
@pytest.mark.parametrize(
    "name", ["user:7", "user:settings:7", "user:emails", "users", "user:ids:1"]
)
def test_forget_all_leaves_a_project_s_own_keys(name: str) -> None:
    """What a project keeps under the same alias stays, as long as it isn't under our prefixes."""
    cache = caches[conf.USERCACHE_REDIS_ALIAS]
    backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
    cache.set(name, "theirs")
    fill(backend)
    for prefix in POINTER_PREFIXES.values():
        backend.set_pointer(prefix + "alice", "1", TTL_MS)
    backend.invalidate_all()
    assert cache.get(name) == "theirs"
    assert backend.get_many([KEY, *(prefix + "alice" for prefix in POINTER_PREFIXES.values())]) == (
        [None] * 4
    )
