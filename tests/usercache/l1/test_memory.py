"""Process memory while changes are reported: what is kept, how long, and what is dropped."""

import asyncio

import pytest
from django.core.cache.backends.locmem import LocMemCache
from pytest_django import Settings

from tests.backends import acquire_fill_lock
from tests.clocks import Clock
from usercache.backends.base import new_fill_lock, new_token
from usercache.backends.memory import MemoryBackend
from usercache.codec import Record
from usercache.keys import WRITE_MARKER
from usercache.l1.memory import POLLS_MAX, ReportedMemory

KEY, OTHER, POINTER = "user:id:7", "user:id:8", "user:email:alice@example.com"
FILL_LOCK = new_fill_lock()
SHORT_SECONDS, LONG_SECONDS = 5.0, 300.0
LONG_MS = 300_000


class World:
    """Process memory, and the client-side cache before it, to which changes are reported."""

    def __init__(self) -> None:
        self.clock = Clock()
        cache = LocMemCache("reported-memory", {})
        cache.clear()
        self.memory = MemoryBackend(cache, clock=self.clock, random=lambda: 0.0)
        self.l1 = ReportedMemory(self.memory, 10)
        self.is_unread = False

    def watch(self) -> None:
        self.l1.watch(lambda: self.is_unread)
        self.l1.extend_validity(self.clock() + 2 * LONG_SECONDS)

    def fill(self, key: str = KEY) -> None:
        assert acquire_fill_lock(self.memory, key, FILL_LOCK) is None
        assert self.memory.fill({key: (b"Rentry", LONG_MS)}, FILL_LOCK) == 1

    def keep(self) -> None:
        versions = self.l1.snapshot_versions([KEY])
        self.l1.put(KEY, Record((7,), 1), versions[KEY], LONG_SECONDS)


@pytest.fixture
def world(settings: Settings) -> World:
    settings.USERCACHE_MEMORY_TTL_SECONDS = SHORT_SECONDS
    world = World()
    world.watch()
    return world


def test_entries_live_as_long_as_in_redis(world: World) -> None:
    """And shortly again once nothing is reported."""
    for seconds in (LONG_SECONDS, SHORT_SECONDS):
        world.fill()
        world.clock.now += seconds - 0.001
        assert world.memory.get(KEY) is not None
        world.clock.now += 0.002
        assert world.memory.get(KEY) is None
        world.l1.suspend()


def test_reported_change_drops_entry_and_pointer(world: World) -> None:
    """In both, and no other key's."""
    world.fill()
    world.fill(OTHER)
    world.keep()
    world.memory.set_pointer(POINTER, "7", LONG_MS)
    world.l1.invalidate(iter([KEY]), [POINTER])
    assert world.l1.get(KEY) is None
    assert world.memory.get_many([KEY, POINTER]) == [None, None]
    assert world.memory.get(OTHER) is not None


def test_reported_change_refuses_fill(world: World) -> None:
    """The row may be of before the change."""
    assert acquire_fill_lock(world.memory, KEY, FILL_LOCK) is None
    world.l1.invalidate([KEY])
    assert world.memory.fill({KEY: (b"Rold", LONG_MS)}, FILL_LOCK) == 0


def test_reported_change_leaves_write_marker(world: World) -> None:
    """Of a write of this process that is still under way."""
    for is_for_all in (False, True):
        world.memory.set_markers([KEY], new_token())
        world.l1.invalidate_all() if is_for_all else world.l1.invalidate([KEY])
        held = world.memory.get(KEY)
        assert held is not None
        assert held[:1] == WRITE_MARKER


@pytest.mark.parametrize("begin", [World.watch, lambda world: world.l1.suspend()])
def test_all_is_dropped_when_reports_begin_or_end(world: World, begin: object) -> None:
    """Entries and fill locks: what was changed in between was reported to nobody."""
    assert callable(begin)
    world.fill()
    world.keep()
    assert acquire_fill_lock(world.memory, OTHER, FILL_LOCK) is None
    begin(world)
    assert world.l1.get(KEY) is None
    assert world.memory.get_many([KEY, OTHER]) == [None, None]
    assert world.memory.fill({OTHER: (b"Rold", LONG_MS)}, FILL_LOCK) == 0


@pytest.mark.parametrize("fault", ["nothing", "unread", "being told", "silent"])
def test_it_is_current_while_nothing_may_be_missing(world: World, fault: str) -> None:
    """Nothing unread or half taken, and the connection proven alive."""
    world.is_unread = fault == "unread"
    world.l1.is_being_told = fault == "being told"
    world.clock.now += 2 * LONG_SECONDS * (fault == "silent")
    assert world.l1.is_current == (fault == "nothing")


def test_lookup_waits_until_what_arrived_is_handled(world: World) -> None:
    """The listener needs less time for it than the database for a query."""
    unread = iter((True, True, False))
    world.l1.watch(lambda: next(unread))
    world.keep()
    assert world.l1.get(KEY) == Record((7,), 1)
    assert next(unread, None) is None


def test_nobody_waits_for_long_or_on_an_event_loop(world: World) -> None:
    """There nothing is served at once."""
    asked = 0

    def has_unread() -> bool:
        nonlocal asked
        asked += 1
        return True

    async def look_up() -> Record | None:
        return world.l1.get(KEY)

    world.l1.watch(has_unread)
    world.keep()
    assert asyncio.run(look_up()) is None
    assert asked == 1
    assert world.l1.get(KEY) is None
    assert asked == 2 + POLLS_MAX


def test_one_look_up_waits_in_vain_and_no_other(world: World) -> None:
    """A batch of five hundred would wait for ten seconds; as soon as nothing is unread, all may."""
    asked, is_unread = 0, True

    def has_unread() -> bool:
        nonlocal asked
        asked += 1
        return is_unread

    world.l1.watch(has_unread)
    world.keep()
    for _ in range(10):
        assert world.l1.get(KEY) is None
    assert asked == 1 + POLLS_MAX + 9
    is_unread = False
    assert world.l1.get(KEY) is not None
    is_unread, asked = True, 0
    assert world.l1.get(KEY) is None
    assert asked == 1 + POLLS_MAX
