"""The store: who loads, who waits and for how long, and what is not believed."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from pytest_django import Settings

from tests.backends import acquire_fill_lock
from tests.clocks import Clock
from tests.counting import counted_events, counts
from tests.users import User
from usercache.backends import memory as memory_backend
from usercache.backends.base import new_fill_lock, new_token, serialize_marker
from usercache.backends.memory import MemoryBackend
from usercache.codec import Codec, Record, Values
from usercache.conf import conf
from usercache.keys import FILL_LOCK
from usercache.lookup import FIRST_PAUSE_SECONDS, REMEMBERED_WRITES, Source, Store, WaitPolicy
from usercache.memory_only import MustWaitError, memory_only

KEY, OTHER = "user:id:7", "user:id:8"
VALUES: Values = ("alice@example.com", 7)
WAIT_SECONDS = 10.0
FOR_LONG = 300.0


@pytest.fixture
def codec() -> Codec:
    return Codec(User, ("email", "token_version"), "k" * 32)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def local() -> MemoryBackend:
    cache = caches[conf.USERCACHE_MEMORY_ALIAS]
    assert isinstance(cache, LocMemCache)
    return MemoryBackend(cache)


@pytest.fixture
def store(local: MemoryBackend, clock: Clock, slept: list[float]) -> Store:
    return Store(
        memory=local,
        events=counted_events(),
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
    def load_it(_pks: object) -> dict[str, Values]:
        return {} if (row := load()) is None else {key: row}

    return store.look_up(key, 7, Source(codec, load_it, lambda: may_fill))


def test_miss_then_hit(store: Store, codec: Codec) -> None:
    """The second look-up doesn't load, and each is counted as what it was."""
    assert look_up(store, codec, load) == VALUES
    assert look_up(store, codec, never) == VALUES
    assert counts(store) == {"misses": 1, "fills": 1, "hits_memory": 1}


def test_absence_is_filled_too(store: Store, codec: Codec) -> None:
    """That there is no such user is a hit, counted as a negative one."""
    assert look_up(store, codec, lambda: None) is None
    assert look_up(store, codec, never) is None
    assert counts(store)["negative_hits"] == 1


def test_where_nothing_may_wait_nobody_is_asked(store: Store, codec: Codec) -> None:
    """Neither a backend nor the database, nor is Redis told of an invalidation."""
    steps: list[Callable[[], object]] = [
        lambda: look_up(store, codec, never),
        lambda: store.get_pointer("user:email:alice@example.com"),
        lambda: store.invalidate([KEY]),
    ]
    for step in steps:
        with memory_only(), pytest.raises(MustWaitError):
            step()
    assert look_up(store, codec, load) == VALUES
    store.served_percent = 0
    with memory_only(), pytest.raises(MustWaitError):
        look_up(store, codec, never)


def test_may_not_fill(store: Store, codec: Codec, slept: list[float], local: MemoryBackend) -> None:
    """A caller that may not fill takes no lock and never waits: the marker may be its own."""
    assert look_up(store, codec, load, may_fill=False) == VALUES
    assert local.get(KEY) is None
    acquire_fill_lock(local, KEY, new_fill_lock())
    assert look_up(store, codec, load, may_fill=False) == VALUES
    local.set_markers([KEY], new_token())
    assert look_up(store, codec, load, may_fill=False) == VALUES
    assert slept == []


def test_wait_for_anothers_fill_lock_is_bounded(
    store: Store, codec: Codec, slept: list[float], local: MemoryBackend, settings: Settings
) -> None:
    """Pauses double from 2 ms and add up to the bound; then the waiter loads without filling."""
    settings.USERCACHE_FILL_LOCK_WAIT_SECONDS = 0.25
    fill_lock = new_fill_lock()
    acquire_fill_lock(local, KEY, fill_lock)
    assert look_up(store, codec, load) == VALUES
    assert slept[:3] == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 4 * FIRST_PAUSE_SECONDS]
    assert sum(slept) == pytest.approx(0.25)
    assert local.get(KEY) == fill_lock


def test_who_waits_for_a_write_finds_what_another_filled(
    store: Store, codec: Codec, slept: list[float], local: MemoryBackend
) -> None:
    """A short write costs those who ask meanwhile no query."""
    token = new_token()
    local.set_markers([KEY], token)

    def end_write(seconds: float) -> None:
        slept.append(seconds)
        local.clear_markers([KEY], token, [])
        look_up(store, codec, load)

    store.sleep = end_write
    assert look_up(store, codec, never) == VALUES
    assert slept == [FIRST_PAUSE_SECONDS]


def test_long_write_is_waited_for_once(
    store: Store, codec: Codec, slept: list[float], local: MemoryBackend, settings: Settings
) -> None:
    """Then it is known for one, with all the users that it writes; the next is waited for again."""
    settings.USERCACHE_WRITE_MARKER_WAIT_SECONDS = 0.02
    for _ in range(2):
        local.set_markers([KEY, OTHER], new_token())
        for key, waited in ((KEY, 0.02), (KEY, 0), (OTHER, 0)):
            assert look_up(store, codec, load, key=key) == VALUES
            assert sum(slept) == pytest.approx(waited)
            slept.clear()
    assert counts(store) == {"misses": 6}


def test_nobody_waits_for_a_write_of_his_own(
    store: Store, codec: Codec, slept: list[float]
) -> None:
    """As a receiver of the save's own signal would; other threads do wait."""
    store.set_markers([KEY], new_token())
    assert look_up(store, codec, load) == VALUES
    assert slept == []
    with ThreadPoolExecutor(1) as elsewhere:
        assert elsewhere.submit(look_up, store, codec, load).result() == VALUES
    assert slept


def test_holder_who_changes_makes_nobody_wait_longer(
    store: Store, codec: Codec, slept: list[float], local: MemoryBackend, settings: Settings
) -> None:
    """One write after the other, and loads in between, cost one wait for each kind."""
    settings.USERCACHE_FILL_LOCK_WAIT_SECONDS, settings.USERCACHE_WRITE_MARKER_WAIT_SECONDS = (
        0.25,
        0.02,
    )
    tokens = [new_token()]
    local.set_markers([KEY], tokens[0])

    def go_on(seconds: float) -> None:
        slept.append(seconds)
        local.clear_markers([KEY], tokens[-1], [])
        if len(slept) % 2:
            acquire_fill_lock(local, KEY, new_fill_lock())
        else:
            tokens.append(new_token())
            local.set_markers([KEY], tokens[-1])

    store.sleep = go_on
    assert look_up(store, codec, load) == VALUES
    assert sum(slept) <= 0.27 + 1e-9


def test_few_writes_are_remembered() -> None:
    """However many never end."""
    wait_policy = WaitPolicy()
    for _ in range(REMEMBERED_WRITES + 1):
        wait_policy.give_up(serialize_marker({new_token(): 1}))
    assert len(wait_policy._outlasting) == REMEMBERED_WRITES


def test_loads_are_not_remembered_as_writes() -> None:
    """Each load is waited for, whatever became of the one before."""
    wait_policy = WaitPolicy()
    wait_policy.give_up(new_fill_lock())
    assert not wait_policy._outlasting


def test_waiter_takes_over_where_the_fill_lock_is_gone(
    store: Store, codec: Codec, local: MemoryBackend
) -> None:
    """When an invalidation removes the loader's fill lock, one of the waiting callers fills."""
    acquire_fill_lock(local, KEY, new_fill_lock())
    store.sleep = lambda _seconds: local.invalidate([KEY])
    assert look_up(store, codec, load) == VALUES
    assert look_up(store, codec, never) == VALUES


def test_simultaneous_misses_load_once(
    codec: Codec, local: MemoryBackend, settings: Settings
) -> None:
    """Eight threads that miss together make one load, and all get what it returned."""
    settings.USERCACHE_FILL_LOCK_WAIT_SECONDS = WAIT_SECONDS
    store = Store(memory=local, events=counted_events(), random=lambda: 0.0)
    loads: list[int] = []
    start = threading.Barrier(8)

    def slow_load() -> Values:
        loads.append(1)
        held = local.get(KEY)
        assert held is not None
        assert held[:1] == FILL_LOCK
        return VALUES

    def wait_and_look_up() -> Values | None:
        start.wait(WAIT_SECONDS)
        return look_up(store, codec, slow_load)

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(wait_and_look_up) for _ in range(8)]
        assert [answer.result(WAIT_SECONDS) for answer in answers] == [VALUES] * 8
    assert loads == [1]


def test_entry_older_than_its_ttl_is_a_miss(
    store: Store, codec: Codec, clock: Clock, local: MemoryBackend
) -> None:
    """An old entry that somebody puts back, signature and all, isn't served past its TTL."""
    look_up(store, codec, load)
    entry = local.get(KEY)
    assert entry is not None
    clock.now += conf.USERCACHE_TTL_SECONDS
    assert look_up(store, codec, never) == VALUES
    clock.now += 0.001
    newer: Values = ("alicia@example.com", 7)
    assert look_up(store, codec, lambda: newer) == newer
    assert counts(store)["unreadable_age"] == 1
    fill_lock = new_fill_lock()
    local.invalidate([KEY])
    acquire_fill_lock(local, KEY, fill_lock)
    local.fill({KEY: (entry, 60_000)}, fill_lock)
    assert look_up(store, codec, lambda: newer) == newer


HOUR_SECONDS = 3600.0


@pytest.mark.parametrize("seconds", [HOUR_SECONDS, -HOUR_SECONDS], ids=["forward", "back"])
def test_clock_that_is_set_costs_a_query(
    store: Store, codec: Codec, clock: Clock, seconds: float
) -> None:
    """By more than a record's life: nobody can say how old it is, and it is loaded again, once."""
    look_up(store, codec, load)
    clock.now += seconds
    newer: Values = ("alicia@example.com", 7)
    assert look_up(store, codec, lambda: newer) == newer
    assert look_up(store, codec, never) == newer
    assert counts(store)["unreadable_age"] == 1


@pytest.mark.parametrize(
    ("passed", "left"), [(0.0, 300.0), (100.0, 200.0), (-100.0, 300.0), (-HOUR_SECONDS, 300.0)]
)
def test_no_record_is_kept_for_longer_than_its_ttl(
    store: Store, clock: Clock, settings: Settings, passed: float, left: float
) -> None:
    """However far the clock was set back since it was filled."""
    settings.USERCACHE_TTL_SECONDS, settings.USERCACHE_TTL_JITTER = 300, 0.0
    record = Record(VALUES, store.now_ms())
    clock.now += passed
    assert store.seconds_left(record) == left


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
    local: MemoryBackend,
    spoil: Callable[[bytes], bytes],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What can't be read is counted and replaced, and logged when it looks like an attack."""
    look_up(store, codec, load)
    entry = local.get(KEY)
    assert entry is not None
    local._keep(KEY, spoil(entry), FOR_LONG)
    assert look_up(store, codec, load) == VALUES
    assert look_up(store, codec, never) == VALUES
    assert counts(store)[f"unreadable_{reason}"] == 1
    assert ("was not signed by us" in caplog.text) == (reason == "signature")


def test_ttl_is_jittered_downwards(store: Store, settings: Settings) -> None:
    """The random part is taken off: no entry outlives the TTL that was set."""
    settings.USERCACHE_TTL_JITTER = 0.1
    assert store.draw_ttl_ms(300) == 270_000
    store.random = lambda: 0.0
    assert store.draw_ttl_ms(300) == 300_000


def test_local_ttl_is_jittered_too(settings: Settings) -> None:
    """What came to process memory at once, as an outage brings it, doesn't leave at once."""
    settings.USERCACHE_TTL_JITTER = 0.1
    draws = iter([0.0, 0.5, 1.0])
    backend = memory_backend.connect(conf.USERCACHE_MEMORY_ALIAS)
    backend.random = lambda: next(draws)
    assert [backend._bound(300_000) for _ in range(3)] == [5.0, pytest.approx(4.75), 4.5]
