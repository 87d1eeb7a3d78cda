"""The store: who loads, who waits and for how long, and what is not believed."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from pytest_django import Settings

from accounts.models import User
from tests.usercache.clocks import Clock
from usercache import local as local_tier
from usercache.codec import Codec, Values
from usercache.conf import conf
from usercache.keys import LEASE
from usercache.local import LocalTier
from usercache.patience import FIRST_PAUSE_SECONDS, REMEMBERED_WRITES, Patience
from usercache.sought import Sought
from usercache.stats import Stats
from usercache.store import Store
from usercache.tiers import new_lease, new_token, spell_barrier

KEY, OTHER = "user:id:7", "user:id:8"
VALUES: Values = (7, "alice@example.com")
WAIT_SECONDS = 10.0


@pytest.fixture
def codec() -> Codec:
    return Codec(User, ("id", "email"), "k" * 32)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def local() -> LocalTier:
    cache = caches[conf.USERCACHE_LOCAL_ALIAS]
    assert isinstance(cache, LocMemCache)
    return LocalTier(cache)


@pytest.fixture
def store(local: LocalTier, clock: Clock, slept: list[float]) -> Store:
    return Store(
        shared=None,
        local=local,
        stats=Stats(),
        random=lambda: 1.0,
        clock=clock,
        sleep=slept.append,
    )


def load() -> Values:
    return VALUES


def never() -> Values:
    raise AssertionError("the database was asked")


def look_up(
    store: Store,
    codec: Codec,
    load: Callable[[], Values | None],
    *,
    key: str = KEY,
    may_fill: bool = True,
) -> Values | None:
    return store.look_up(Sought(key, codec, load, lambda: may_fill, perf_counter()))


def test_miss_then_hit(store: Store, codec: Codec) -> None:
    """The second look-up doesn't load, and each is counted as what it was."""
    assert look_up(store, codec, load) == VALUES
    assert look_up(store, codec, never) == VALUES
    assert store.stats.peek() == {"misses": 1, "fills": 1, "hits_local": 1}


def test_absence_is_filled_too(store: Store, codec: Codec) -> None:
    """That there is no such user is a hit, counted as a negative one."""
    assert look_up(store, codec, lambda: None) is None
    assert look_up(store, codec, never) is None
    assert store.stats.peek()["negative_hits"] == 1


def test_may_not_fill(store: Store, codec: Codec, slept: list[float], local: LocalTier) -> None:
    """Who may not fill takes no lease and waits for nobody: the barrier may be his own."""
    assert look_up(store, codec, load, may_fill=False) == VALUES
    assert local.get(KEY) is None
    local.take_lease(KEY, new_lease())
    assert look_up(store, codec, load, may_fill=False) == VALUES
    local.raise_barriers([KEY], new_token())
    assert look_up(store, codec, load, may_fill=False) == VALUES
    assert slept == []


def test_wait_for_anothers_lease_is_bounded(
    store: Store, codec: Codec, slept: list[float], local: LocalTier, settings: Settings
) -> None:
    """Pauses double from 2 ms and add up to the bound; then the waiter loads without filling."""
    settings.USERCACHE_LEASE_WAIT_SECONDS = 0.25
    lease = new_lease()
    local.take_lease(KEY, lease)
    assert look_up(store, codec, load) == VALUES
    assert slept[:3] == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 4 * FIRST_PAUSE_SECONDS]
    assert sum(slept) == pytest.approx(0.25)
    assert local.get(KEY) == lease


def test_who_waits_for_a_write_finds_what_another_filled(
    store: Store, codec: Codec, slept: list[float], local: LocalTier
) -> None:
    """A short write costs those who ask meanwhile no query."""
    token = new_token()
    local.raise_barriers([KEY], token)

    def end_write(seconds: float) -> None:
        slept.append(seconds)
        local.lower_barriers([KEY], token, [])
        look_up(store, codec, load)

    store._reader._sleep = end_write
    assert look_up(store, codec, never) == VALUES
    assert slept == [FIRST_PAUSE_SECONDS]


def test_long_write_is_waited_for_once(
    store: Store, codec: Codec, slept: list[float], local: LocalTier, settings: Settings
) -> None:
    """Then it is known for one, with all the users whom it writes; the next is waited for again."""
    settings.USERCACHE_BARRIER_WAIT_SECONDS = 0.02
    for _ in range(2):
        local.raise_barriers([KEY, OTHER], new_token())
        for key, waited in ((KEY, 0.02), (KEY, 0), (OTHER, 0)):
            assert look_up(store, codec, load, key=key) == VALUES
            assert sum(slept) == pytest.approx(waited)
            slept.clear()
    assert store.stats.peek() == {"misses": 6}


def test_nobody_waits_for_a_write_of_his_own(
    store: Store, codec: Codec, slept: list[float]
) -> None:
    """As a receiver of the save's own signal would; other threads do wait."""
    store.raise_barriers([KEY], new_token())
    assert look_up(store, codec, load) == VALUES
    assert slept == []
    with ThreadPoolExecutor(1) as elsewhere:
        assert elsewhere.submit(look_up, store, codec, load).result() == VALUES
    assert slept


def test_holder_who_changes_makes_nobody_wait_longer(
    store: Store, codec: Codec, slept: list[float], local: LocalTier, settings: Settings
) -> None:
    """One write after the other, and loads in between, cost one wait for each kind."""
    settings.USERCACHE_LEASE_WAIT_SECONDS, settings.USERCACHE_BARRIER_WAIT_SECONDS = 0.25, 0.02
    tokens = [new_token()]
    local.raise_barriers([KEY], tokens[0])

    def go_on(seconds: float) -> None:
        slept.append(seconds)
        local.lower_barriers([KEY], tokens[-1], [])
        if len(slept) % 2:
            local.take_lease(KEY, new_lease())
        else:
            tokens.append(new_token())
            local.raise_barriers([KEY], tokens[-1])

    store._reader._sleep = go_on
    assert look_up(store, codec, load) == VALUES
    assert sum(slept) <= 0.27 + 1e-9


def test_few_writes_are_remembered() -> None:
    """However many never end."""
    patience = Patience()
    for _ in range(REMEMBERED_WRITES + 1):
        patience.give_up(spell_barrier({new_token(): 1}))
    assert len(patience._outlasting) == REMEMBERED_WRITES


def test_waiter_takes_over_where_the_lease_is_gone(
    store: Store, codec: Codec, local: LocalTier
) -> None:
    """When an invalidation takes the loader's lease away, one of those who wait loads and fills."""
    local.take_lease(KEY, new_lease())
    store._reader._sleep = lambda _seconds: local.forget([KEY])
    assert look_up(store, codec, load) == VALUES
    assert look_up(store, codec, never) == VALUES


def test_simultaneous_misses_load_once(codec: Codec, local: LocalTier, settings: Settings) -> None:
    """Eight threads that miss together make one load, and all get what it returned."""
    settings.USERCACHE_LEASE_WAIT_SECONDS = WAIT_SECONDS
    store = Store(shared=None, local=local, stats=Stats(), random=lambda: 0.0)
    loads: list[int] = []
    start = threading.Barrier(8)

    def slow_load() -> Values:
        loads.append(1)
        held = local.get(KEY)
        assert held is not None
        assert held[:1] == LEASE
        return VALUES

    def wait_and_look_up() -> Values | None:
        start.wait(WAIT_SECONDS)
        return look_up(store, codec, slow_load)

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(wait_and_look_up) for _ in range(8)]
        assert [answer.result(WAIT_SECONDS) for answer in answers] == [VALUES] * 8
    assert loads == [1]


def test_entry_older_than_its_ttl_is_a_miss(
    store: Store, codec: Codec, clock: Clock, local: LocalTier
) -> None:
    """An old entry that somebody puts back, signature and all, isn't served past its TTL."""
    look_up(store, codec, load)
    entry = local.get(KEY)
    assert entry is not None
    clock.now += conf.USERCACHE_TTL_SECONDS
    assert look_up(store, codec, never) == VALUES
    clock.now += 0.001
    newer: Values = (7, "alicia@example.com")
    assert look_up(store, codec, lambda: newer) == newer
    assert store.stats.peek()["unreadable_age"] == 1
    lease = new_lease()
    local.forget([KEY])
    local.take_lease(KEY, lease)
    local.fill({KEY: (entry, 60_000)}, lease)
    assert look_up(store, codec, lambda: newer) == newer


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda _entry: b"", "shape"),
        (lambda _entry: b"garbage", "shape"),
        (lambda entry: entry[:-1] + bytes([entry[-1] ^ 1]), "signature"),
        (lambda entry: entry[:30], "signature"),
    ],
    ids=["empty", "garbage", "forged", "cut short"],
)
def test_unreadable_entry_is_replaced(
    *,
    store: Store,
    codec: Codec,
    local: LocalTier,
    spoil: Callable[[bytes], bytes],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What can't be read is counted and replaced, and logged when it looks like an attack."""
    look_up(store, codec, load)
    entry = local.get(KEY)
    assert entry is not None
    local._cache.set(KEY, spoil(entry))
    assert look_up(store, codec, load) == VALUES
    assert look_up(store, codec, never) == VALUES
    assert store.stats.peek()[f"unreadable_{reason}"] == 1
    assert ("was not signed by us" in caplog.text) == (reason == "signature")


def test_ttl_is_jittered_downwards(store: Store, settings: Settings) -> None:
    """The random part is taken off: no entry outlives the TTL that was set."""
    settings.USERCACHE_TTL_JITTER = 0.1
    assert store._reader.ttl_ms(300) == 270_000
    store._reader._random = lambda: 0.0
    assert store._reader.ttl_ms(300) == 300_000


def test_local_ttl_is_jittered_too(settings: Settings) -> None:
    """What came to process memory at once, as an outage brings it, doesn't leave at once."""
    settings.USERCACHE_TTL_JITTER = 0.1
    draws = iter([0.0, 0.5, 1.0])
    tier = local_tier.connect(conf.USERCACHE_LOCAL_ALIAS)
    tier._random = lambda: next(draws)
    assert [tier._bound(300_000) for _ in range(3)] == [5.0, pytest.approx(4.75), 4.5]
