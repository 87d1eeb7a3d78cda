"""The client-side cache by itself: what it keeps, for how long, and what makes it forget."""

import sys
import threading
from collections.abc import Callable

import pytest

from tests.clocks import Clock
from usercache.codec import Record
from usercache.l1.cache import STRIPES, ClientCache

KEY, OTHER = "user:id:7", "user:id:8"
POINTER = "user:username:alice"
RECORD = Record((7, "alice@example.com"), 1)
FOR_LONG = 300.0
FILL_LOCK_SECONDS = 2.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def l1(clock: Clock) -> ClientCache:
    return listened_to(ClientCache(3, clock=clock), clock)


def listened_to(l1: ClientCache, clock: Clock) -> ClientCache:
    l1.watch(list)
    l1.extend_validity(clock.now + FILL_LOCK_SECONDS)
    return l1


def put(l1: ClientCache, key: str, record: Record, seconds: float = FOR_LONG) -> None:
    l1.put(key, record, l1.snapshot_versions([key])[key], seconds)


def test_the_very_record_is_shared(l1: ClientCache) -> None:
    """A hit is what was put, neither copied nor parsed again."""
    put(l1, KEY, RECORD)
    assert l1.get(KEY) is RECORD
    assert l1.get(OTHER) is None


def test_nothing_is_kept_while_nobody_listens(clock: Clock) -> None:
    """Before the listener has its first answer there are no versions, and so no entries."""
    l1 = ClientCache(3, clock=clock)
    assert l1.snapshot_versions([KEY]) == {}
    assert l1.get(KEY) is None


def test_young_clock_is_no_fill_lock() -> None:
    """In the first second of the machine nothing is served either, before Redis is heard."""
    clock = Clock(now=0.5)
    l1 = ClientCache(3, clock=clock)
    assert l1.state == "off"
    listened_to(l1, clock)
    assert l1.state == "on"
    l1.suspend()
    assert l1.state == "off"


def test_fill_lock_bounds_what_is_served(l1: ClientCache, clock: Clock) -> None:
    """Two seconds after the last sign of life nothing is served, whatever the listener does."""
    put(l1, KEY, RECORD)
    clock.now += FILL_LOCK_SECONDS - 0.001
    assert l1.get(KEY) == RECORD
    clock.now += 0.001
    assert l1.get(KEY) is None
    assert l1.snapshot_versions([KEY]) == {}


def test_suspended_backend_comes_back_empty(l1: ClientCache, clock: Clock) -> None:
    """What was held before a connection was lost is not served after it."""
    put(l1, KEY, RECORD)
    l1.suspend()
    listened_to(l1, clock)
    assert l1.get(KEY) is None


def test_suspended_backend_holds_nothing(l1: ClientCache, clock: Clock) -> None:
    """A longer validity brings nothing back: the records were dropped, the versions are void."""
    put(l1, KEY, RECORD)
    version = l1.snapshot_versions([OTHER])[OTHER]
    l1.is_being_told = True
    l1.suspend()
    assert len(l1) == 0
    assert l1.state == "off"
    l1.extend_validity(clock.now + FILL_LOCK_SECONDS)
    assert l1.state == "on"
    l1.put(OTHER, RECORD, version, FOR_LONG)
    assert l1.get(KEY) is None
    assert l1.get(OTHER) is None
    put(l1, KEY, RECORD)
    assert l1.get(KEY) is RECORD


def test_backend_that_is_watched_for_the_first_time_is_empty(l1: ClientCache) -> None:
    """What was put while others told of changes isn't served by the word of the next."""
    put(l1, KEY, RECORD)
    version = l1.snapshot_versions([OTHER])[OTHER]
    l1.watch(bool)
    l1.put(OTHER, RECORD, version, FOR_LONG)
    assert l1.get(KEY) is None
    assert l1.get(OTHER) is None


def test_unread_messages_stand_before_every_hit(l1: ClientCache, clock: Clock) -> None:
    """While something waits to be taken, or was taken and not acted on, Redis is asked."""
    unread: list[str] = []
    l1.watch(lambda: unread)
    l1.extend_validity(clock.now + FILL_LOCK_SECONDS)
    put(l1, KEY, RECORD)
    unread.append("about somebody")
    assert l1.get(KEY) is None
    unread.clear()
    l1.is_being_told = True
    assert l1.get(KEY) is None
    l1.is_being_told = False
    assert l1.get(KEY) == RECORD


def test_message_wins_over_a_look_up_on_its_way(l1: ClientCache) -> None:
    """What Redis answered before the message about the key came is not kept after it."""
    version = l1.snapshot_versions([KEY])[KEY]
    l1.invalidate([KEY])
    l1.put(KEY, RECORD, version, FOR_LONG)
    assert l1.get(KEY) is None
    version = l1.snapshot_versions([KEY])[KEY]
    l1.invalidate_all()
    l1.put(KEY, RECORD, version, FOR_LONG)
    assert l1.get(KEY) is None


def test_ticket_drawn_after_a_message_is_good(l1: ClientCache) -> None:
    """It is the number that counts, and not that there was a message once."""
    for _ in range(3):
        l1.invalidate([KEY, OTHER])
        put(l1, KEY, RECORD)
        assert l1.get(KEY) is RECORD


def test_each_ticket_is_for_its_own_key(l1: ClientCache) -> None:
    """Drawn together, one may be void and the other not."""
    strangers = (f"user:id:{n}" for n in range(100, 5000))
    stranger = next(key for key in strangers if hash(key) % STRIPES != hash(KEY) % STRIPES)
    versions = l1.snapshot_versions([KEY, stranger])
    l1.invalidate([stranger])
    for key in (KEY, stranger):
        l1.put(key, RECORD, versions[key], FOR_LONG)
    assert l1.get(KEY) is RECORD
    assert l1.get(stranger) is None


def test_messages_about_others_do_not_matter(l1: ClientCache) -> None:
    """A version is void by what befalls its own key; few others share its count."""
    others = [f"user:id:{n}" for n in range(100, 5000)]
    stranger = next(key for key in others if hash(key) % STRIPES != hash(KEY) % STRIPES)
    version = l1.snapshot_versions([KEY])[KEY]
    l1.invalidate([stranger])
    l1.put(KEY, RECORD, version, FOR_LONG)
    assert l1.get(KEY) == RECORD


@pytest.mark.parametrize("method", ["set_markers", "clear_markers"])
def test_own_writes_are_seen_at_once(l1: ClientCache, method: str) -> None:
    """A writer in this process needn't wait for Redis to tell it what it did."""
    put(l1, KEY, RECORD)
    put(l1, OTHER, RECORD)
    getattr(l1, method)([KEY], b"token", *([[]] if method == "clear_markers" else []))
    assert l1.get(KEY) is None
    assert l1.get(OTHER) == RECORD


def test_record_runs_out(l1: ClientCache, clock: Clock) -> None:
    """An entry lives no longer than it is told, and one that has none left isn't kept."""
    put(l1, KEY, RECORD, seconds=1.0)
    put(l1, OTHER, RECORD, seconds=0.0)
    assert len(l1) == 1
    clock.now += 0.999
    assert l1.get(KEY) == RECORD
    assert l1.get(OTHER) is None
    clock.now += 0.001
    assert l1.get(KEY) is None


def test_least_recently_used_goes_first(l1: ClientCache) -> None:
    """Over the bound, it is the one that nobody asked for."""
    for key in ("a", "b", "c"):
        put(l1, key, RECORD)
    assert l1.get("a")
    put(l1, "d", RECORD)
    assert [key for key in "abcd" if l1.get(key)] == ["a", "c", "d"]
    assert len(l1) == 3


def test_bytes_are_bounded_on_request(clock: Clock) -> None:
    """With a bound in bytes, so many of them stay, and replacing one is not adding to it."""
    l1 = listened_to(ClientCache(1000, max_bytes=10_000, clock=clock), clock)
    text = "x" * 2000
    for _ in range(3):
        for key in ("a", "b", "c", "d"):
            put(l1, key, Record((key, text + key), 1))
        assert len(l1) == 4
    put(l1, "e", Record(("e", text), 1))
    assert l1.get("a") is None
    assert l1.get("e") is not None
    held = l1._bytes
    assert 0 < held <= 10_000
    l1.invalidate(["b"])
    assert l1._bytes < held
    l1.invalidate(["c", "d", "e"])
    assert l1._bytes == 0


def test_bound_in_bytes_is_exact(clock: Clock) -> None:
    """What takes as much as allowed stays; a byte less is allowed, and the oldest goes."""
    roomy = listened_to(ClientCache(1000, max_bytes=1_000_000, clock=clock), clock)
    put(roomy, KEY, RECORD)
    put(roomy, OTHER, RECORD)
    for max_bytes, kept in ((roomy._bytes, 2), (roomy._bytes - 1, 1), (1, 0)):
        l1 = listened_to(ClientCache(1000, max_bytes=max_bytes, clock=clock), clock)
        put(l1, KEY, RECORD)
        put(l1, OTHER, RECORD)
        assert len(l1) == kept


def test_bytes_are_counted_anew_after_a_flush(clock: Clock) -> None:
    """Or a backend that was emptied often would hold ever less."""
    l1 = listened_to(ClientCache(1000, max_bytes=10_000, clock=clock), clock)
    for _ in range(5):
        put(l1, KEY, Record((KEY, "x" * 4000), 1))
        assert l1.get(KEY) is not None
        l1.invalidate_all()
        assert l1._bytes == 0


def test_bytes_are_those_of_all_that_is_kept(clock: Clock) -> None:
    """The values as well as key and tuples, and of no such user the record alone."""
    l1 = listened_to(ClientCache(1000, max_bytes=1_000_000, clock=clock), clock)
    values = ("x" * 5000, 1 << 70, None)
    put(l1, KEY, Record(values, 1))
    size = l1._bytes
    assert size > sum(map(sys.getsizeof, (KEY, *values))) + sys.getsizeof(values)
    put(l1, OTHER, Record(None, 1))
    assert sys.getsizeof(OTHER) < l1._bytes - size < 1000


def test_threads_may_do_anything_at_once(l1: ClientCache) -> None:
    """Hits take no lock: whatever others put and drop meanwhile, a hit is somebody's values."""
    stop, wrong = threading.Event(), list[object]()

    def read() -> None:
        while not stop.is_set():
            for key in ("a", "b", "c", "d", "e"):
                record = l1.get(key)
                if record is not None and record.values != (key,):
                    wrong.append(record)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(500):
        for key in ("a", "b", "c", "d", "e"):
            put(l1, key, Record((key,), 1))
        l1.invalidate(["b", "d"])
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_a_pointer_is_held_as_a_record_is(l1: ClientCache, clock: Clock) -> None:
    """Until it runs out, is dropped by name, or goes with all the others."""
    l1.put_pointer(POINTER, "7", 1.0)
    assert (l1.get_pointer(POINTER), l1.get(KEY)) == ("7", None)
    l1.put_pointer(POINTER, "8", 1.0)
    assert l1.get_pointer(POINTER) == "8"
    clock.now += 1.0
    assert l1.get_pointer(POINTER) is None
    drops: list[Callable[[], None]] = [
        lambda: l1.invalidate([], [POINTER]),
        lambda: l1.clear_markers([KEY], b"token", [POINTER]),
        l1.invalidate_all,
        l1.suspend,
    ]
    for drop in drops:
        listened_to(l1, clock)
        l1.put_pointer(POINTER, "7", FOR_LONG)
        assert l1.get_pointer(POINTER) == "7"
        drop()
        assert l1.get_pointer(POINTER) is None


def test_no_pointer_is_kept_while_nobody_listens(clock: Clock) -> None:
    """Nothing would ever empty the cache."""
    l1 = ClientCache(3, clock=clock)
    l1.put_pointer(POINTER, "7", FOR_LONG)
    assert (len(l1), l1.get_pointer(POINTER)) == (0, None)


def test_pointers_and_records_share_the_bounds(l1: ClientCache, clock: Clock) -> None:
    """The least recently used goes first, whichever it is; bytes are counted of both."""
    l1.put_pointer(POINTER, "7", FOR_LONG)
    for key in ("a", "b"):
        put(l1, key, RECORD)
    assert l1.get_pointer(POINTER)
    put(l1, "c", RECORD)
    assert (l1.get("a"), l1.get_pointer(POINTER), len(l1)) == (None, "7", 3)
    bounded = listened_to(ClientCache(10, max_bytes=1_000, clock=clock), clock)
    bounded.put_pointer(POINTER, "7", FOR_LONG)
    assert bounded._bytes == sys.getsizeof(POINTER) + sys.getsizeof("7")
    bounded.invalidate([], [POINTER])
    assert bounded._bytes == 0
