"""One behaviour suite for all backends: process memory, and Redis however it is deployed."""

from functools import partial

import pytest
from pytest_django import Settings
from redis import Redis

from tests.backends import acquire_fill_lock
from tests.usercache.backends.filled import ENTRY, KEY, OTHER, POINTER, TTL_MS, fill
from tests.usercache.steps import count_steps
from usercache.backends import memory
from usercache.backends import redis as redis_backend
from usercache.backends.base import (
    DEADLINE_DIGITS,
    MERGED,
    MOST_HOLDERS,
    TOKEN_BYTES,
    Backend,
    holders_of,
    new_fill_lock,
    new_token,
)
from usercache.backends.redis import SCRIPT_KEYS
from usercache.conf import conf
from usercache.keys import WRITE_MARKER


def test_absent_key(backend: Backend) -> None:
    """A key nobody wrote is None."""
    assert backend.get(KEY) is None


def test_fill_in_a_fill_lock_s_place(backend: Backend) -> None:
    """What the holder of the fill lock fills is what everybody gets."""
    fill(backend)
    assert backend.get(KEY) == ENTRY


def test_fill_lock_holds_others_off(backend: Backend) -> None:
    """The second sees the first one's fill lock, and can't fill with its own."""
    first, second = new_fill_lock(), new_fill_lock()
    assert acquire_fill_lock(backend, KEY, first) is None
    assert acquire_fill_lock(backend, KEY, second) == first
    assert not backend.fill({KEY: (ENTRY, TTL_MS)}, second)
    assert backend.fill({KEY: (ENTRY, TTL_MS)}, first)


def test_fill_lock_is_refused_where_an_entry_is(backend: Backend) -> None:
    """An entry that came meanwhile is returned instead of a fill lock."""
    fill(backend)
    assert acquire_fill_lock(backend, KEY, new_fill_lock()) == ENTRY


def test_fill_lock_replaces_the_unreadable_entry_it_names(backend: Backend) -> None:
    """What can't be decoded gives way, but only if it is still that."""
    fill(backend, entry=b"R unreadable")
    assert (
        acquire_fill_lock(backend, KEY, new_fill_lock(), instead_of=b"R something else")
        == b"R unreadable"
    )
    assert acquire_fill_lock(backend, KEY, new_fill_lock(), instead_of=b"R unreadable") is None


def test_forget_takes_the_fill_lock_away(backend: Backend) -> None:
    """An invalidation during a load wins over the load."""
    fill_lock = new_fill_lock()
    acquire_fill_lock(backend, KEY, fill_lock)
    backend.invalidate([KEY])
    assert not backend.fill({KEY: (ENTRY, TTL_MS)}, fill_lock)
    assert backend.get(KEY) is None


def test_marker_replaces_an_entry(backend: Backend) -> None:
    """From the announcement on, the old row isn't served any more."""
    fill(backend)
    backend.set_markers([KEY], new_token())
    held = backend.get(KEY)
    assert held is not None
    assert held[:1] == WRITE_MARKER


def test_marker_takes_the_fill_lock_away(backend: Backend) -> None:
    """A load that began before the announcement can't be filled after it."""
    fill_lock = new_fill_lock()
    acquire_fill_lock(backend, KEY, fill_lock)
    backend.set_markers([KEY], new_token())
    assert not backend.fill({KEY: (ENTRY, TTL_MS)}, fill_lock)


def test_no_fill_lock_at_a_marker(backend: Backend) -> None:
    """While a write is under way nobody can become the one who fills."""
    backend.set_markers([KEY], new_token())
    held = acquire_fill_lock(backend, KEY, new_fill_lock())
    assert held is not None
    assert held[:1] == WRITE_MARKER


def test_lowered_marker_leaves_nothing(backend: Backend) -> None:
    """After the write the key is absent, and can be filled again."""
    token = new_token()
    backend.set_markers([KEY, OTHER], token)
    backend.clear_markers([KEY, OTHER], token, [])
    assert backend.get(KEY) is None
    assert backend.get(OTHER) is None
    fill(backend)


def test_marker_of_two_writers_stands_until_both_are_done(backend: Backend) -> None:
    """The first to finish doesn't open the key while the second still writes."""
    first, second = new_token(), new_token()
    backend.set_markers([KEY], first)
    backend.set_markers([KEY], second)
    backend.clear_markers([KEY], first, [])
    assert acquire_fill_lock(backend, KEY, new_fill_lock()) is not None
    backend.clear_markers([KEY], second, [])
    assert acquire_fill_lock(backend, KEY, new_fill_lock()) is None


def test_lowering_twice_is_lowering_once(backend: Backend) -> None:
    """A repeated lowering doesn't take another write marker."""
    first, second = new_token(), new_token()
    backend.set_markers([KEY], first)
    backend.set_markers([KEY], second)
    backend.clear_markers([KEY], first, [])
    backend.clear_markers([KEY], first, [])
    assert acquire_fill_lock(backend, KEY, new_fill_lock()) is not None


def test_raising_again_extends_the_same_holder(backend: Backend) -> None:
    """A token that is raised twice is one holder, and one lowering takes it off."""
    token = new_token()
    backend.set_markers([KEY], token)
    backend.set_markers([KEY], token)
    held = backend.get(KEY)
    assert held is not None
    assert len(held) == 1 + TOKEN_BYTES + DEADLINE_DIGITS
    backend.clear_markers([KEY], token, [])
    assert backend.get(KEY) is None


def test_holders_are_bounded(backend: Backend) -> None:
    """However many writes of one user were rolled back, what the key holds stays small."""
    for _ in range(3 * MOST_HOLDERS):
        backend.set_markers([KEY], new_token())
    held = backend.get(KEY)
    assert held is not None
    assert len(held) == 1 + MOST_HOLDERS * (TOKEN_BYTES + DEADLINE_DIGITS)


def test_marker_stands_for_every_holder_it_merged(backend: Backend) -> None:
    """More writers than are told apart: the marker stands after all that are told have ended."""
    tokens = [new_token() for _ in range(MOST_HOLDERS + 1)]
    for token in tokens:
        backend.set_markers([KEY], token)
    held = backend.get(KEY)
    assert held is not None
    assert holders_of(held) == {MERGED, *tokens[2:]}
    for token in tokens[2:]:
        backend.clear_markers([KEY], token, [])
    assert acquire_fill_lock(backend, KEY, new_fill_lock()) is not None
    backend.clear_markers([KEY], tokens[0], [])  # the other may still be under way
    assert acquire_fill_lock(backend, KEY, new_fill_lock()) is not None


def test_as_many_holders_as_are_told_apart_are_each_lowered(backend: Backend) -> None:
    """Up to the bound nothing is merged: the last of them to end opens the key."""
    tokens = [new_token() for _ in range(MOST_HOLDERS)]
    for token in tokens:
        backend.set_markers([KEY], token)
    for token in tokens:
        assert backend.get(KEY) is not None
        backend.clear_markers([KEY], token, [])
    assert backend.get(KEY) is None


@pytest.mark.parametrize("short_first", [True, False])
def test_merged_holders_have_the_later_deadline(settings: Settings, short_first: bool) -> None:
    """In process memory, whichever of the two was raised first."""
    now = 0.0
    backend = memory.connect(conf.USERCACHE_MEMORY_ALIAS)
    backend.clock = lambda: now
    seconds = [1.0, 60.0] if short_first else [60.0, 1.0]
    for ttl in [*seconds, *[1.0] * (MOST_HOLDERS - 1)]:
        settings.USERCACHE_WRITE_MARKER_TTL_SECONDS = ttl
        backend.set_markers([KEY], new_token())
    now = 59.9
    assert backend.get(KEY) is not None
    now = 60.0
    assert backend.get(KEY) is None


@pytest.mark.redis
@pytest.mark.parametrize("short_first", [True, False])
def test_merged_holders_have_the_later_deadline_in_redis(
    settings: Settings, redis_client: Redis, short_first: bool
) -> None:
    """By the time to live that Redis gives the key."""
    backend = redis_backend.connect(conf.USERCACHE_REDIS_ALIAS)
    for ttl in [*((20.0, 60.0) if short_first else (60.0, 20.0)), *[20.0] * (MOST_HOLDERS - 1)]:
        settings.USERCACHE_WRITE_MARKER_TTL_SECONDS = ttl
        backend.set_markers([KEY], new_token())
    left_seconds = backend.seconds_left(KEY)
    assert left_seconds is not None
    assert 20.0 < left_seconds <= 60.0


def test_raising_costs_the_same_whatever_stands() -> None:
    """In process memory: a batch behind 20,000 others takes as many steps as the first."""
    backend = memory.connect(conf.USERCACHE_MEMORY_ALIAS)
    batches = [
        [f"user:id:{n}" for n in range(start, start + 500)] for start in range(0, 20_000, 500)
    ]
    steps = [
        count_steps(partial(backend.set_markers, keys, new_token()), memory) for keys in batches
    ]
    assert 500 < steps[0] <= max(steps) < 1.1 * steps[0]


def test_giving_up_costs_what_it_gives_up() -> None:
    """In process memory: expired write markers are dropped once, and the others not read."""
    now = 0.0
    backend = memory.connect(conf.USERCACHE_MEMORY_ALIAS)
    backend.clock = lambda: now
    backend.set_markers([f"user:id:{n}" for n in range(1000)], new_token())
    now = 30.0
    backend.set_markers([f"user:id:{n}" for n in range(1000, 3000)], new_token())
    now = 61.0
    first, second, third = (
        count_steps(lambda: backend.set_markers([KEY], new_token()), memory) for _ in range(3)
    )
    assert first > 1000
    assert third == second < 100
    assert len(backend._markers) == 2001


def test_lowering_a_lost_marker_deletes_what_took_its_place(backend: Backend) -> None:
    """After an eviction of the write marker, the end of the write still removes an older row."""
    fill(backend)
    backend.clear_markers([KEY], new_token(), [])
    assert backend.get(KEY) is None


def test_forget_leaves_a_marker(backend: Backend) -> None:
    """Invalidating one user or all doesn't end a write that is under way."""
    backend.set_markers([KEY], new_token())
    fill(backend, OTHER)
    backend.invalidate([KEY])
    backend.invalidate_all()
    assert backend.get(OTHER) is None
    assert acquire_fill_lock(backend, KEY, new_fill_lock()) is not None


def test_write_many(backend: Backend) -> None:
    """Any number of write markers goes up and down at once, each with its own key's holders."""
    keys = [f"user:id:{number}" for number in range(1, SCRIPT_KEYS + 3)]
    token, other = new_token(), new_token()
    backend.set_markers([keys[1], keys[-1]], other)
    backend.set_markers(keys, token)
    held = backend.get_many(keys)
    expected = [{token, other} if key in (keys[1], keys[-1]) else {token} for key in keys]
    assert [holders_of(marker or b"") for marker in held] == expected
    backend.clear_markers(keys, token, [])
    held = backend.get_many(keys)
    assert [key for key, marker in zip(keys, held, strict=True) if marker] == [keys[1], keys[-1]]


def test_forget_many(backend: Backend) -> None:
    """Any number of users is forgotten at once, but for those who are being written."""
    keys = [f"user:id:{number}" for number in range(1, SCRIPT_KEYS + 3)]
    backend.acquire_fill_locks(keys, new_fill_lock())
    backend.set_markers([keys[1], keys[-1]], new_token())
    backend.invalidate(keys)
    held = backend.get_many(keys)
    assert [key for key, entry in zip(keys, held, strict=True) if entry] == [keys[1], keys[-1]]


def test_pointers_come_and_go(backend: Backend) -> None:
    """A pointer leads to an id until it is dropped, with a write or by itself."""
    backend.set_pointer(POINTER, "7", TTL_MS)
    assert backend.get(POINTER) == b"7"
    backend.clear_markers([KEY], new_token(), [POINTER])
    assert backend.get(POINTER) is None
    backend.set_pointer(POINTER, "7", TTL_MS)
    backend.invalidate([], [POINTER])
    assert backend.get(POINTER) is None


def test_forget_all_drops_records_fill_locks_and_pointers(backend: Backend) -> None:
    """After it nothing is left to be served, nor to be filled by a load under way."""
    fill(backend)
    backend.set_pointer(POINTER, "1", TTL_MS)
    fill_lock = new_fill_lock()
    acquire_fill_lock(backend, OTHER, fill_lock)
    backend.invalidate_all()
    assert backend.get(KEY) is None
    assert backend.get(POINTER) is None
    assert not backend.fill({OTHER: (ENTRY, TTL_MS)}, fill_lock)


def test_many_at_once(backend: Backend) -> None:
    """Each in its place: what is there, a fill lock where nothing is, and what was filled."""
    fill(backend, OTHER)
    third = "user:id:3"
    backend.set_markers([third], new_token())
    fill_lock = new_fill_lock()
    taken = backend.acquire_fill_locks([KEY, OTHER, third], fill_lock)
    assert taken[:2] == [None, ENTRY]
    assert (taken[2] or b"")[:1] == WRITE_MARKER
    assert backend.get_many([KEY, OTHER, third, "user:id:4"]) == [fill_lock, ENTRY, taken[2], None]
    entries = {key: (b"R " + key.encode(), TTL_MS) for key in (KEY, OTHER, third)}
    assert backend.fill(entries, fill_lock) == 1
    assert backend.get_many([KEY, OTHER]) == [b"R user:id:1", ENTRY]
