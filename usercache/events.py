"""What happens in the cache, told to observers: counters, the audit, tracing.

The core imports no observer. An event costs its caller one call for each observer that hears it,
and nothing without one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from usercache.codec import Record, Values
    from usercache.lookup import Source

# How a look-up was answered.
L1: Final = "l1"
REDIS: Final = "redis"
MEMORY: Final = "memory"
MISS: Final = "miss"

# What is counted.
NEGATIVE_HITS: Final = "negative_hits"
FILLS: Final = "fills"
FILLS_REFUSED: Final = "fills_refused"
INVALIDATIONS: Final = "invalidations"
VERSION_RELOADS: Final = "version_reloads"
VERSIONS_REFUSED: Final = "versions_refused"
BREAKER_OPENINGS: Final = "breaker_openings"
UNREADABLE_PREFIX: Final = "unreadable_"
"""Followed by the reason: shape, signature, content, age."""
ERRORS_PREFIX: Final = "errors_"
"""Followed by the name of the exception, redis-py's or Django's."""
UNEXPECTED_PREFIX: Final = ERRORS_PREFIX + "unexpected_"
"""Errors that interrupted a background thread. They are logged, and the thread goes on."""


class Observer:
    """Override what you want to hear. Methods run on the caller's thread and must not raise."""

    def note_lookup(self, result: str, began: float, pk: str) -> None:
        """Hear of a look-up that was answered; `began` comes from `time.perf_counter()`."""

    def note_hit(self, backend: str, key: str, pk: Any, source: "Source", record: "Record") -> None:
        """Hear which record answered a look-up of a single user."""

    def note_unserved(self, key: str, pk: Any, source: "Source", row: "Values | None") -> None:
        """Hear how the database answered for a single user that the switch keeps out."""

    def count(self, name: str, by: int) -> None:
        """Hear that something happened so many times."""


class Events:
    """Tell each observer what it overrides."""

    def __init__(self) -> None:
        """Start without observers."""
        self.observers: tuple[Observer, ...] = ()
        self._lookups: tuple[Callable[[str, float, str], None], ...] = ()
        self._hits: tuple[Callable[[str, str, Any, Source, Record], None], ...] = ()
        self._unserved: tuple[Callable[[str, Any, Source, Values | None], None], ...] = ()
        self._counts: tuple[Callable[[str, int], None], ...] = ()

    def subscribe(self, observer: Observer) -> None:
        """Tell this observer from now on."""
        kind = type(observer)
        self.observers += (observer,)
        if kind.note_lookup is not Observer.note_lookup:
            self._lookups += (observer.note_lookup,)
        if kind.note_hit is not Observer.note_hit:
            self._hits += (observer.note_hit,)
        if kind.note_unserved is not Observer.note_unserved:
            self._unserved += (observer.note_unserved,)
        if kind.count is not Observer.count:
            self._counts += (observer.count,)

    def note_lookup(self, result: str, began: float, pk: str) -> None:
        """See `Observer.note_lookup`."""
        for note in self._lookups:
            note(result, began, pk)

    def note_hit(self, backend: str, key: str, pk: Any, source: "Source", record: "Record") -> None:
        """See `Observer.note_hit`."""
        for note in self._hits:
            note(backend, key, pk, source, record)

    def note_unserved(self, key: str, pk: Any, source: "Source", row: "Values | None") -> None:
        """See `Observer.note_unserved`."""
        for note in self._unserved:
            note(key, pk, source, row)

    def count(self, name: str, by: int = 1) -> None:
        """See `Observer.count`; zero isn't told."""
        if by:
            for note in self._counts:
                note(name, by)

    def note_error(self, error: Exception) -> None:
        """Count an error that was handled."""
        self.count(ERRORS_PREFIX + type(error).__name__)

    def note_unexpected(self, error: Exception) -> None:
        """Count an error of a background thread."""
        self.count(UNEXPECTED_PREFIX + type(error).__name__)
