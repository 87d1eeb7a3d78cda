"""The store between its backends: which one answers, which are told, what L1 keeps."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django import Settings

from tests.backends import acquire_fill_lock
from tests.counting import counts
from tests.usercache.worlds import KEY, OTHER, TTL_SECONDS, VALUES, World
from usercache.backends.base import new_fill_lock, new_token
from usercache.backends.memory import MemoryBackend
from usercache.codec import Record, Values
from usercache.keys import FILL_LOCK, WRITE_MARKER
from usercache.l1.cache import ClientCache
from usercache.l1.memory import ReportedMemory
from usercache.lookup import Store


@pytest.fixture
def world(settings: Settings) -> World:
    settings.USERCACHE_TTL_SECONDS = TTL_SECONDS
    return World()


# -- L1


def test_hit_of_redis_is_kept_in_l1(world: World) -> None:
    """A row that was just loaded isn't: it may have changed before it was filled."""
    assert world.look_up() == VALUES
    assert world.recall() is None
    assert world.look_up() == VALUES
    world.hits.lookups = []
    world.hits.hits = []
    assert world.recall() == VALUES
    assert world.loads == 1
    assert world.hits.lookups == [("l1", "7")]
    assert world.hits.hits == [("l1", KEY, VALUES)]


def test_l1_keeps_a_record_for_the_rest_of_its_life(world: World) -> None:
    """Its TTL began when it was filled."""
    world.look_up()
    world.clock.now += 100
    world.look_up()
    world.clock.now += 199.999
    world.l1.extend_validity(world.clock.now + 1)
    assert world.recall() == VALUES
    world.clock.now += 0.001
    assert world.recall() is None


def test_batch_is_kept_in_l1(world: World) -> None:
    """Each of its hits in Redis."""
    for _ in range(2):
        world.look_up_many(lambda keys: dict.fromkeys(keys, VALUES))
    assert len(world.l1) == 2


def test_l1_keeps_the_pointers_that_it_is_given(world: World) -> None:
    """Those whose record agreed: one that is set, or that Redis has, may lead to another user."""
    store, pointer = world.store, "user:email:alice@example.com"
    store.set_pointer(pointer, "7")
    assert store.get_pointer(pointer) == "7"
    assert store.recall_pointer(pointer) is None
    store.keep_pointer(pointer, 7)
    assert store.recall_pointer(pointer) == 7
    store.l1 = None
    store.keep_pointer(pointer, 7)
    assert store.recall_pointer(pointer) is None
    assert store.get_pointer(pointer) == "7"


def test_l1_keeps_no_absence(world: World) -> None:
    """That there is no such user is asked for each time."""
    world.values = None
    for _ in range(2):
        assert world.look_up() is None
    assert counts(world.store)["negative_hits"] == 1
    assert len(world.l1) == 0


def test_l1_that_is_off_keeps_nothing(world: World) -> None:
    """Nor does it stand in the way."""
    world.l1.suspend()
    for _ in range(2):
        assert world.look_up() == VALUES
        assert world.look_up_many(lambda keys: dict.fromkeys(keys, VALUES)) != {}
    assert len(world.l1) == 0


def test_l1_keeps_no_record_of_process_memory(world: World) -> None:
    """Redis reports none of its changes."""
    world.leave()
    for _ in range(2):
        assert world.look_up() == VALUES
    assert world.loads == 1
    assert len(world.l1) == 0


def test_l1_is_not_served_while_redis_is_out_of_use(world: World) -> None:
    """Its changes can't be reported then."""
    world.look_up(), world.look_up()
    assert world.recall() == VALUES
    world.breaker.failed(at_once=True)
    assert world.recall() is None


def test_store_without_l1_or_without_redis_recalls_nothing(world: World) -> None:
    """Both are optional."""
    world.look_up(), world.look_up()
    redis = world.store.redis
    world.store.redis = None
    assert world.recall() is None
    world.store.redis, world.store.l1 = redis, None
    assert world.recall() is None
    assert world.look_up() == VALUES


# -- which backend answers


def test_memory_answers_only_while_redis_is_away(world: World) -> None:
    """In doubt, others may write through Redis, of which memory doesn't learn."""
    world.look_up()
    world.breaker.failed(at_once=True)
    for loads in (2, 3):
        assert world.look_up() == VALUES
        assert world.loads == loads
    assert world.look_up_many(lambda keys: dict.fromkeys(keys, VALUES)) == {
        KEY: VALUES,
        OTHER: VALUES,
    }
    assert world.store.memory.get_many([KEY, OTHER]) == [None, None]
    world.store.set_pointer("user:email:x", "7")
    assert world.store.get_pointer("user:email:x") is None
    assert world.breaker.begin_probe()
    world.breaker.stay_open()
    for _ in range(2):
        assert world.look_up() == VALUES
        assert world.loads == 4
    world.store.set_pointer("user:email:x", "7")
    assert world.store.get_pointer("user:email:x") == "7"
    assert "memory" in dict(world.hits.lookups)


def test_look_up_that_fails_in_redis_is_loaded(world: World) -> None:
    """And not kept."""
    world.redis.is_failing = True
    assert world.look_up() == VALUES
    assert world.store.memory.get(KEY) is None
    assert counts(world.store)["errors_ConnectionError"] == 1
    assert counts(world.store)["misses"] == 1


def test_fill_that_fails_costs_no_answer(world: World) -> None:
    """The row was loaded."""

    def fail_then_load() -> Values:
        world.redis.is_failing = True
        return VALUES

    assert world.look_up(load=fail_then_load) == VALUES
    assert "fills" not in counts(world.store)
    assert "fills_refused" not in counts(world.store)


@pytest.mark.parametrize("is_failing", [False, True])
def test_load_that_fails_leaves_no_lock(world: World, is_failing: bool) -> None:
    """The next caller need not wait for it, whatever becomes of the lock."""

    def fail(*_arguments: object) -> Any:
        world.redis.is_failing = is_failing
        raise OperationalError

    with pytest.raises(OperationalError):
        world.look_up(load=fail)
    world.redis.is_failing = False
    if not is_failing:
        assert world.redis.get(KEY) is None
        with pytest.raises(OperationalError):
            world.look_up_many(fail)
        assert world.redis.get_many([KEY, OTHER]) == [None, None]
    assert counts(world.store)["misses"] == (1 if is_failing else 3)


def test_refused_fill_is_counted(world: World) -> None:
    """A writer took the lock away: the row is the caller's, and nobody else's."""

    def load_late() -> Values:
        world.redis.invalidate([KEY])
        return VALUES

    assert world.look_up(load=load_late) == VALUES
    assert world.redis.get(KEY) is None
    assert counts(world.store) == {"misses": 1, "fills_refused": 1}


def test_absence_has_a_ttl_of_its_own(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Redis, and in what is believed of an entry that somebody put back."""
    settings.USERCACHE_NEGATIVE_TTL_SECONDS, settings.USERCACHE_TTL_JITTER = 10, 0.0
    entries, fill = list[tuple[bytes, int]](), world.redis.fill

    def note(filled: dict[str, tuple[bytes, int]], fill_lock: bytes) -> int:
        entries.extend(filled.values())
        return int(fill(filled, fill_lock))

    monkeypatch.setattr(world.redis, "fill", note, raising=False)
    world.look_up(OTHER)
    world.values = None
    for passed, misses in ((0.0, 2), (10.0, 2), (0.001, 3)):
        world.clock.now += passed
        assert world.look_up() is None
        assert counts(world.store)["misses"] == misses
    assert [ttl_ms for _, ttl_ms in entries] == [TTL_SECONDS * 1000, 10_000, 10_000]


def test_batch_counts_each_user(world: World) -> None:
    """Hits as hits, misses as misses; an id without a row is left out."""
    world.look_up()
    assert world.look_up_many(lambda _keys: {}) == {KEY: VALUES}
    assert world.hits.lookups == [("miss", "7"), ("redis", "7"), ("miss", "8")]
    assert world.look_up_many(lambda _keys: {}) == {KEY: VALUES}
    assert world.hits.lookups[3:] == [("l1", "7"), ("redis", "8")]
    assert counts(world.store)["negative_hits"] == 1
    assert counts(world.store)["fills"] == 2


def test_batch_in_a_transaction_takes_no_lock(world: World) -> None:
    """Entries serve it; the rest is loaded and not filled."""
    world.look_up()
    loaded = list[str]()

    def load(keys: Any) -> dict[str, Values]:
        loaded.extend(keys)
        return dict.fromkeys(keys, VALUES)

    assert len(world.look_up_many(load, may_fill=False)) == 2
    assert loaded == [OTHER]
    assert world.redis.get(OTHER) is None


@pytest.mark.parametrize("kind", [FILL_LOCK, WRITE_MARKER])
def test_batch_never_waits(world: World, kind: bytes) -> None:
    """A key that another caller holds is loaded and not filled."""
    if kind == FILL_LOCK:
        acquire_fill_lock(world.redis, KEY, new_fill_lock())
    else:
        world.redis.set_markers([KEY], new_token())
    assert len(world.look_up_many(lambda keys: dict.fromkeys(keys, VALUES))) == 2
    assert world.slept == []
    held = world.redis.get(KEY)
    assert held is not None
    assert held[:1] == kind
    assert counts(world.store) == {"misses": 2, "fills": 1}


# -- process memory to which changes are reported


@pytest.fixture
def reported(world: World) -> ClientCache:
    """Give process memory a client-side cache of its own, which is on."""
    cache = ClientCache(10, clock=world.clock)
    cache.extend_validity(world.clock.now + TTL_SECONDS)
    world.store.memory_l1 = cache
    return cache


@pytest.mark.parametrize("has_redis", [True, False])
def test_reported_memory_is_kept_in_its_own_l1(
    world: World, reported: ClientCache, has_redis: bool
) -> None:
    """Its hits, and pointers, while Redis is away or where there is none; in doubt as well."""
    if has_redis:
        world.breaker.failed(at_once=True)
    else:
        world.store.redis = None
    assert world.look_up() == VALUES
    assert world.recall() is None
    assert world.look_up() == world.recall() == VALUES
    assert world.loads == 1
    assert (len(world.l1), len(reported)) == (0, 1)
    world.store.keep_pointer("user:email:alice@example.com", 7)
    assert world.store.recall_pointer("user:email:alice@example.com") == 7
    assert (len(world.l1), len(reported)) == (0, 2)


def test_each_l1_serves_its_own_backend_alone(world: World, reported: ClientCache) -> None:
    """What one of them holds says nothing of the other's backend."""
    world.look_up(), world.look_up()
    assert (len(world.l1), len(reported)) == (1, 0)
    world.leave()
    assert world.recall() is None
    world.look_up(), world.look_up()
    world.breaker.close(world.breaker.recover())
    world.l1.invalidate_all()
    assert world.recall() is None


def test_redis_that_fails_half_way_leaves_no_record_of_memory(
    world: World, reported: ClientCache
) -> None:
    """The version was that of another cache."""
    versions = world.l1.snapshot_versions([KEY])
    reported.put(KEY, Record(VALUES, 1), versions[KEY], TTL_SECONDS)
    assert len(reported) == 0


@pytest.mark.parametrize("fault", ["unread", "silent"])
def test_memory_that_may_have_missed_something_is_not_asked(
    world: World, reported: ClientCache, fault: str
) -> None:
    """Where Redis is away, or there is none: the database is."""
    world.leave()
    world.look_up()
    if fault == "unread":
        reported.is_being_told = True
    else:
        world.clock.now += TTL_SECONDS
    for redis in (world.store.redis, None):
        world.store.redis = redis
        loads = world.loads
        assert world.look_up() == world.look_up() == VALUES
        assert world.loads == loads + 2
        assert world.store.get_pointer("user:email:x") is None


@pytest.mark.parametrize("look_up", ["look_up", "look_up_many"])
def test_row_seen_past_memory_ends_what_memory_holds(world: World, look_up: str) -> None:
    """A commit can be seen before it is reported; who has seen it sees nothing older afterwards."""
    memory = world.store.memory
    assert isinstance(memory, MemoryBackend)
    world.store.redis = None
    world.store.memory_l1 = reported = ReportedMemory(memory, 10)
    reported.watch(lambda: False)
    reported.extend_validity(reported._clock() + TTL_SECONDS)
    world.look_up(), world.look_up()
    assert world.recall() == VALUES
    fill_lock = new_fill_lock()
    acquire_fill_lock(memory, OTHER, fill_lock)  # by a loader that has read the row of before
    reported.is_being_told = True
    world.values = newer = ("alice@example.com", 8)
    if look_up == "look_up":
        assert world.look_up() == world.look_up(OTHER) == newer
    else:
        assert world.look_up_many(lambda keys: dict.fromkeys(keys, newer))[KEY] == newer
    reported.is_being_told = False
    assert memory.fill({OTHER: (b"", 1000)}, fill_lock) == 0
    assert world.look_up() == newer


def test_memory_is_emptied_with_its_l1(world: World, reported: ClientCache) -> None:
    """Before and after Redis was out of use."""
    world.leave()
    world.look_up(), world.look_up()
    world.store.empty_memory()
    assert len(reported) == 0
    assert world.store.memory.get(KEY) is None


# -- who is told


TELL: Mapping[str, Callable[[Store], bool]] = {
    "set_markers": lambda store: store.set_markers([KEY, OTHER], b"12345678"),
    "clear_markers": lambda store: store.clear_markers([KEY, OTHER], b"12345678", []),
    "invalidate": lambda store: store.invalidate([KEY, OTHER]),
    "invalidate_all": lambda store: store.invalidate_all(),
}


@pytest.mark.parametrize("name", TELL)
def test_every_place_is_told_l1_last(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, another thread could put back what Redis still had."""
    told, memory_l1 = list[object](), ClientCache(10)
    world.store.memory_l1 = memory_l1
    for place in (world.store.memory, world.redis, world.l1, memory_l1):
        tell = getattr(place, name)

        def note(*arguments: Any, place: object = place, tell: Any = tell) -> None:
            told.append(place)
            tell(*arguments)

        monkeypatch.setattr(place, name, note)
    assert TELL[name](world.store)
    assert told == [world.store.memory, world.redis, world.l1, memory_l1]
    counted = {"set_markers": 0, "invalidate_all": 1}.get(name, 2)
    assert counts(world.store).get("invalidations", 0) == counted


@pytest.mark.parametrize("name", TELL)
def test_what_redis_did_not_hear_is_not_confirmed(world: World, name: str) -> None:
    """Whether it fails or isn't even asked; while it recovers, it is."""
    world.redis.is_failing = True
    assert not TELL[name](world.store)
    world.redis.is_failing = False
    assert not TELL[name](world.store)
    world.clock.now += 10
    assert world.breaker.begin_probe()
    world.breaker.recover()
    assert TELL[name](world.store)


@pytest.mark.parametrize("name", TELL)
def test_store_without_redis_confirms(world: World, name: str) -> None:
    """Its memory is all there is."""
    world.store.redis = None
    assert TELL[name](world.store)


def test_recovery_empties_memory_and_calls_each_extension(world: World) -> None:
    """With the bare backend, which isn't in use yet."""
    world.look_up(), world.look_up()
    world.store.memory.set_pointer("user:email:x", "7", 1000)
    told = list[object]()
    world.store.on_recovery += [told.append, told.append]
    world.store.recover(world.redis)
    assert told == [world.redis] * 2
    assert len(world.l1) == 0
    assert world.store.memory.get("user:email:x") is None
    world.store.l1 = None
    world.store.empty_memory()
