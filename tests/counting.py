"""An observer that counts, for tests of the core, which need no metrics."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from usercache.events import MISS, Events, Observer
from usercache.lookup import Store
from usercache.runtime import RUNTIME, Service, get_store

CountCommands = Callable[[], AbstractContextManager[dict[str, int]]]
"""Counts what Redis itself is asked to do within a block, by command."""


class Counts(Observer):
    """Count look-ups by result, and all else by name."""

    def __init__(self) -> None:
        self.counted = Counter[str]()

    def note_lookup(self, result: str, began: float, pk: str) -> None:
        self.counted["misses" if result == MISS else f"hits_{result}"] += 1

    def count(self, name: str, by: int) -> None:
        self.counted[name] += by


def counts(store: Store | None = None) -> dict[str, int]:
    """Return what was counted since the store was made; the process's by default."""
    return counts_of((store or get_store()).events)


def counts_of(events: Events) -> dict[str, int]:
    """Return what was counted of these events."""
    [counting] = [observer for observer in events.observers if isinstance(observer, Counts)]
    return dict(counting.counted)


def counted_events() -> Events:
    """Return events that are counted."""
    events = Events()
    events.subscribe(Counts())
    return events


def count_from_now_on() -> None:
    """Have each store that is made counted."""
    RUNTIME.extend(_extend)


def _extend(store: Store) -> Iterable[Service]:
    store.events.subscribe(Counts())
    return ()
