"""Orders in which a hit, a writer elsewhere and the listener can meet, with the shipped code.

The client-side cache and the listener's way of taking messages are the real ones; Redis is a
variable that puts a message on the wire with every change, as client tracking does, or only with
those that our scripts publish: neither fills nor evictions. A read is stale when it returns an
older version than was committed when it began.
"""

from collections import OrderedDict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.clocks import Clock
from tests.sizes import sizes
from tests.usercache.stepping import Actor, gate, play, some_schedules
from usercache.codec import Record
from usercache.l1.cache import ClientCache
from usercache.l1.listener import Changes, Listener

KEY = "user:id:7"
SEED = 20_261_124
WRITE_MARKER = -1
FOR_LONG = 300.0


def version_of(record: Record) -> int:
    assert record.values is not None
    return int(record.values[0])


class SteppedEntries(OrderedDict[str, Any]):
    """Entries with a gate before each look at one."""

    def __getitem__(self, key: str) -> Any:
        gate("entry")
        return super().__getitem__(key)


class SteppedBackend(ClientCache):
    """The client-side cache with a gate between all that a hit rests on."""

    @property
    def is_being_told(self) -> bool:
        gate("is being told")
        return self._told

    @is_being_told.setter
    def is_being_told(self, value: bool) -> None:
        gate("being told")
        self._told = value


class World:
    """One key in Redis, the row behind it, and this process's memory of it."""

    is_amid_message = False

    def __init__(self, *, is_warm: bool, is_tracked: bool) -> None:
        self.is_tracked = is_tracked
        self.row = self.committed = 0
        self.held: int | None = 0
        self.wire: list[str] = []
        self.began: dict[Actor, int] = {}
        self.l1 = SteppedBackend(10, clock=Clock())
        self.l1._entries = SteppedEntries()
        self.l1.watch(self.has_unread)
        self.l1.extend_validity(1e9)
        if is_warm:
            self.l1.put(KEY, Record((0,), 1), self.l1.snapshot_versions([KEY])[KEY], FOR_LONG)

    def has_unread(self) -> bool:
        gate("poll")
        return bool(self.wire)

    def change(self, value: int | None, *, is_published: bool) -> None:
        self.held = value
        if is_published or self.is_tracked:
            self.wire.append(KEY)

    def read(self) -> int:
        record = self.l1.get(KEY)
        if record is not None:
            return version_of(record)
        version = self.l1.snapshot_versions([KEY])[KEY]
        gate("get")
        held = self.held
        if held is None or held == WRITE_MARKER:
            gate("load")
            return self.row
        gate("put")
        self.l1.put(KEY, Record((held,), 1), version, FOR_LONG)
        return held

    def write(self) -> None:
        gate("raise")
        self.change(WRITE_MARKER, is_published=True)
        gate("commit")
        self.row += 1
        self.committed += 1
        gate("lower")
        self.change(None, is_published=True)

    def fill(self) -> None:
        gate("load elsewhere")
        if self.held is None:
            row = self.row
            self.change(row, is_published=False)

    def evict(self) -> None:
        gate("evict")
        if self.held != WRITE_MARKER:
            self.change(None, is_published=False)

    def listen(self) -> None:
        listener: Any = SimpleNamespace(_l1=self.l1)
        for _ in range(2):
            Listener._take(listener, [self], SimpleNamespace())  # type: ignore[list-item,arg-type]

    def take(self) -> Iterator[Changes]:
        gate("take")
        taken, self.wire[:] = list(self.wire), []
        for key in taken:
            gate("invalidate")
            yield Changes([key])

    def step(self, actor: Actor) -> None:
        if actor.name == "reader":
            self.began.setdefault(actor, self.committed)
        actor.step()


@sizes("schedules", short=300, long=1500)
@pytest.mark.parametrize("is_tracked", [True, False], ids=["tracking", "messages"])
@pytest.mark.parametrize("is_warm", [True, False], ids=["warm", "cold"])
def test_no_hit_is_stale(is_warm: bool, is_tracked: bool, schedules: int) -> None:
    """Whatever the order of two reads, a write, a fill, an eviction, two takings of messages."""
    for choices in some_schedules(schedules, SEED):
        world = World(is_warm=is_warm, is_tracked=is_tracked)
        actors = [
            Actor("reader", world.read),
            Actor("reader", world.read),
            Actor("writer", world.write),
            Actor("filler", world.fill),
            Actor("memory", world.evict),
            Actor("listener", world.listen),
        ]
        play(actors, choices, lambda _actor: True, world.step)
        for actor, began in world.began.items():
            assert isinstance(actor.result, int)
            assert actor.result >= began, f"stale read in schedule {choices.taken}"
        world.listen()
        record = world.l1.get(KEY)
        assert record is None or version_of(record) == world.committed, f"stale: {choices.taken}"
