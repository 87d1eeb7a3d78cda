"""The near tier by itself: what it keeps, for how long, and what makes it forget."""

import threading

import pytest

from tests.usercache.clocks import Clock
from usercache.codec import Record
from usercache.near import STRIPES, NearTier

KEY, OTHER = "user:id:7", "user:id:8"
RECORD = Record((7, "alice@example.com"), 1)
FOR_LONG = 300.0
LEASE_SECONDS = 2.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def near(clock: Clock) -> NearTier:
    return listened_to(NearTier(3, clock=clock), clock)


def listened_to(near: NearTier, clock: Clock) -> NearTier:
    near.watch(list)
    near.extend_lease(clock.now + LEASE_SECONDS)
    return near


def put(near: NearTier, key: str, record: Record, seconds: float = FOR_LONG) -> None:
    near.put(key, record, near.draw_tickets([key])[key], seconds)


def test_the_very_record_is_shared(near: NearTier) -> None:
    """A hit is what was put, neither copied nor parsed again."""
    put(near, KEY, RECORD)
    assert near.get(KEY) is RECORD
    assert near.get(OTHER) is None


def test_nothing_is_kept_while_nobody_listens(clock: Clock) -> None:
    """Before the listener has its first answer there are no tickets, and so no entries."""
    near = NearTier(3, clock=clock)
    assert near.draw_tickets([KEY]) == {}
    assert near.get(KEY) is None


def test_lease_bounds_what_is_served(near: NearTier, clock: Clock) -> None:
    """Two seconds after the last sign of life nothing is served, whatever the listener does."""
    put(near, KEY, RECORD)
    clock.now += LEASE_SECONDS - 0.001
    assert near.get(KEY) == RECORD
    clock.now += 0.001
    assert near.get(KEY) is None
    assert near.draw_tickets([KEY]) == {}


def test_suspended_tier_comes_back_empty(near: NearTier, clock: Clock) -> None:
    """What was held before a line was lost is not served after it."""
    put(near, KEY, RECORD)
    near.suspend()
    listened_to(near, clock)
    assert near.get(KEY) is None


def test_unread_messages_stand_before_every_hit(near: NearTier, clock: Clock) -> None:
    """While something waits to be taken, or was taken and not acted on, Redis is asked."""
    unread: list[str] = []
    near.watch(lambda: unread)
    near.extend_lease(clock.now + LEASE_SECONDS)
    put(near, KEY, RECORD)
    unread.append("about somebody")
    assert near.get(KEY) is None
    unread.clear()
    near.is_being_told = True
    assert near.get(KEY) is None
    near.is_being_told = False
    assert near.get(KEY) == RECORD


def test_message_wins_over_a_look_up_on_its_way(near: NearTier) -> None:
    """What Redis answered before the message about the key came is not kept after it."""
    ticket = near.draw_tickets([KEY])[KEY]
    near.forget([KEY])
    near.put(KEY, RECORD, ticket, FOR_LONG)
    assert near.get(KEY) is None
    ticket = near.draw_tickets([KEY])[KEY]
    near.forget_all()
    near.put(KEY, RECORD, ticket, FOR_LONG)
    assert near.get(KEY) is None


def test_messages_about_others_do_not_matter(near: NearTier) -> None:
    """A ticket is void by what befalls its own key; few others share its count."""
    others = [f"user:id:{n}" for n in range(100, 5000)]
    stranger = next(key for key in others if hash(key) % STRIPES != hash(KEY) % STRIPES)
    ticket = near.draw_tickets([KEY])[KEY]
    near.forget([stranger])
    near.put(KEY, RECORD, ticket, FOR_LONG)
    assert near.get(KEY) == RECORD


@pytest.mark.parametrize("method", ["raise_barriers", "lower_barriers"])
def test_own_writes_are_seen_at_once(near: NearTier, method: str) -> None:
    """A writer in this process needn't wait for Redis to tell it what it did."""
    put(near, KEY, RECORD)
    put(near, OTHER, RECORD)
    getattr(near, method)([KEY], b"token", *([[]] if method == "lower_barriers" else []))
    assert near.get(KEY) is None
    assert near.get(OTHER) == RECORD


def test_record_runs_out(near: NearTier, clock: Clock) -> None:
    """An entry lives no longer than it is told, and one that has none left isn't kept."""
    put(near, KEY, RECORD, seconds=1.0)
    put(near, OTHER, RECORD, seconds=0.0)
    clock.now += 0.999
    assert near.get(KEY) == RECORD
    assert near.get(OTHER) is None
    clock.now += 0.001
    assert near.get(KEY) is None


def test_least_recently_used_goes_first(near: NearTier) -> None:
    """Over the bound, it is the one that nobody asked for."""
    for key in ("a", "b", "c"):
        put(near, key, RECORD)
    assert near.get("a")
    put(near, "d", RECORD)
    assert [key for key in "abcd" if near.get(key)] == ["a", "c", "d"]
    assert len(near) == 3


def test_bytes_are_bounded_on_request(clock: Clock) -> None:
    """With a bound in bytes, so many of them stay, and replacing one is not adding to it."""
    near = listened_to(NearTier(1000, max_bytes=10_000, clock=clock), clock)
    text = "x" * 2000
    for _ in range(3):
        for key in ("a", "b", "c", "d"):
            put(near, key, Record((key, text + key), 1))
        assert len(near) == 4
    put(near, "e", Record(("e", text), 1))
    assert near.get("a") is None
    assert near.get("e") is not None
    near.forget(["b", "c", "d", "e"])
    assert near._bytes == 0


def test_threads_may_do_anything_at_once(near: NearTier) -> None:
    """Hits take no lock: whatever others put and drop meanwhile, a hit is somebody's values."""
    stop, wrong = threading.Event(), list[object]()

    def read() -> None:
        while not stop.is_set():
            for key in ("a", "b", "c", "d", "e"):
                record = near.get(key)
                if record is not None and record.values != (key,):
                    wrong.append(record)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(500):
        for key in ("a", "b", "c", "d", "e"):
            put(near, key, Record((key,), 1))
        near.forget(["b", "d"])
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
