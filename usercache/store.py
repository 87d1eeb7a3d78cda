"""The one way to the cache: which tier answers, and what each caller gets when none does.

Note [One record key, three kinds of value]
-------------------------------------------
A record key holds an entry, a lease or a barrier, and every rule below follows from one: an
entry may only be put in the place of the lease its loader took *before* it asked the database.
Whatever a writer does to the key meanwhile (raise a barrier, delete it) takes that lease away, so
the loader's older row is refused. A barrier stands from before a write's commit until after it,
and nobody can take a lease where it stands. Losing a key (eviction, FLUSHALL) loses a lease too,
which only costs a fill. `CAVEATS.md` says what is left open.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeVar

from django.db import Error as AnyDatabaseError

from usercache.audit import Audit, Found, Sample
from usercache.codec import Codec, Record, UnreadableEntryError, Values
from usercache.conf import conf
from usercache.guard import GuardedTier, UnavailableError
from usercache.keys import ABSENT_USER, BARRIER, LEASE, pk_of
from usercache.local import LocalTier
from usercache.stats import (
    FILLS,
    FILLS_REFUSED,
    INVALIDATIONS,
    MISS,
    NEGATIVE_HITS,
    UNREADABLE_PREFIX,
    Stats,
)
from usercache.tiers import Tier, new_lease

logger = logging.getLogger(__name__)

T = TypeVar("T")

MILLISECONDS: Final = 1000
FIRST_PAUSE_SECONDS: Final = 0.002
"""How long to wait for another's load before looking again; it doubles each time."""


UNREACHABLE: Final = "unreachable"


class CachedState(NamedTuple):
    """What one record key holds at the moment."""

    tier: str
    state: str
    """record, absent user, lease, barrier, nothing, unreadable or unreachable."""
    age_seconds: float | None = None
    ttl_seconds: float | None = None
    record: Record | None = None


class Store:
    """Read through and invalidate; infrastructure errors are counted, never raised.

    `shared` is None where there is no Redis at all. `random` returns a float from 0 to 1; `clock`
    seconds since 1970, the same on all machines but for their skew.
    """

    def __init__(
        self,
        *,
        shared: GuardedTier | None,
        local: LocalTier,
        stats: Stats,
        random: Callable[[], float],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        audit: Audit | None = None,
    ) -> None:
        """Combine the tiers."""
        self.audit = audit
        self.shared = shared
        self._local = local
        self.stats = stats
        self._random = random
        self._clock = clock
        self._sleep = sleep

    def look_up(
        self, key: str, codec: Codec, load: Callable[[], Values | None], *, may_fill: bool
    ) -> Values | None:
        """Return the values under a record key, or what `load` says; None for no such user.

        Warm, it is one GET. Cold, one of all callers loads and fills, and the others wait for it,
        for `USERCACHE_LEASE_WAIT_SECONDS` at most. Where the caller may not fill (in a
        transaction, whose rows may never be committed), nobody waits and nothing is written.
        """
        began = time.perf_counter()
        return self._first_answer(
            lambda tier: self._read_through(tier, key, codec, load, may_fill=may_fill, began=began),
            otherwise=lambda: self._load(key, load, began),
        )

    def get_pointer(self, key: str) -> str | None:
        """Return the id a pointer leads to, None where there is none. One operation."""
        pointer = self._first_answer(lambda tier: tier.get(key), otherwise=lambda: None)
        return None if pointer is None else pointer.decode(errors="replace")

    def set_pointer(self, key: str, pk: str) -> None:
        """Let a pointer lead to an id; who follows it checks the record it leads to."""
        ttl_ms = self._ttl_ms(conf.USERCACHE_TTL_SECONDS)
        self._first_answer(lambda tier: tier.set_pointer(key, pk, ttl_ms), otherwise=lambda: None)

    def raise_barriers(self, keys: Sequence[str], token: bytes) -> bool:
        """Let nobody fill these keys until the token's barrier is lowered.

        Must be called before the commit of what changes the users behind the keys. Says whether
        every process hears of it: not while Redis can't be reached.
        """
        return self._tell_all(lambda tier: tier.raise_barriers(keys, token))

    def lower_barriers(self, keys: Sequence[str], token: bytes, pointers: Sequence[str]) -> bool:
        """Invalidate the keys once the change is committed, and drop the pointers.

        Says whether Redis confirmed; where it did not, somebody must do it later.
        """
        self.stats.count(INVALIDATIONS, len(keys))
        return self._tell_all(lambda tier: tier.lower_barriers(keys, token, pointers))

    def forget(self, keys: Sequence[str], pointers: Sequence[str] = ()) -> bool:
        """Invalidate keys whose change is already committed, and say whether Redis confirmed."""
        self.stats.count(INVALIDATIONS, len(keys))
        return self._tell_all(lambda tier: tier.forget(keys, pointers))

    def forget_all(self) -> bool:
        """Invalidate every user, and say whether Redis confirmed."""
        self.stats.count(INVALIDATIONS)
        return self._tell_all(lambda tier: tier.forget_all())

    def inspect(self, key: str, codec: Codec) -> CachedState:
        """Say what a record key holds in the tier that would answer now."""
        if self.shared is None:
            return self._inspect(self._local, key, codec)
        if self.shared.is_available():
            try:
                return self._inspect(self.shared, key, codec)
            except UnavailableError:  # counted by the guard
                pass
        return CachedState(self.shared.name, UNREACHABLE)

    def peek(self, key: str, codec: Codec) -> Found:
        """Return what a look-up would find cached now; loads, counts and changes nothing.

        Raises:
            UnavailableError: Redis could not be asked, and is in use.
        """
        tier: Tier = self._local
        # Never the one to probe: it is for threads that hold no part of a recovery.
        if self.shared is not None and self.shared.is_available(may_probe=False):
            tier = self.shared
        held = tier.get(key)
        if held is None or held[:1] in (LEASE, BARRIER):
            return Found(tier.name, None)
        try:
            return Found(tier.name, codec.decode(key, held))
        except UnreadableEntryError:
            return Found(tier.name, None)

    def _read_through(
        self,
        tier: Tier,
        key: str,
        codec: Codec,
        load: Callable[[], Values | None],
        *,
        may_fill: bool,
        began: float,
    ) -> Values | None:
        pauses = _pauses(conf.USERCACHE_LEASE_WAIT_SECONDS)
        held = tier.get(key)
        while True:
            kind = held[:1] if held is not None else None
            if held is not None and kind not in (LEASE, BARRIER):
                record = self._read(key, codec, held)
                if record is not None:
                    self.stats.note_lookup(tier.name, began, pk_of(key))
                    self._note_hit(Found(tier.name, record), key, codec, load)
                    return record.values
            if not may_fill or kind == BARRIER:
                break
            if kind == LEASE:
                pause = next(pauses, None)
                if pause is None:
                    break
                self._sleep(pause)
                held = tier.get(key)
                continue
            lease = new_lease()
            held = tier.take_lease(key, lease, instead_of=held or b"")
            if held is None:
                try:
                    return self._load_and_fill(tier, key, codec, load, lease)
                finally:
                    self.stats.note_lookup(MISS, began, pk_of(key))
        return self._load(key, load, began)

    def _load(self, key: str, load: Callable[[], Values | None], began: float) -> Values | None:
        try:
            return load()
        finally:
            self.stats.note_lookup(MISS, began, pk_of(key))

    def _load_and_fill(
        self,
        tier: Tier,
        key: str,
        codec: Codec,
        load: Callable[[], Values | None],
        lease: bytes,
    ) -> Values | None:
        began_ms = self._now_ms()
        try:
            values = load()
        except AnyDatabaseError:
            self.forget([key])  # nobody need wait for a load that failed
            raise
        if values is None:
            ttl_ms = self._ttl_ms(conf.USERCACHE_NEGATIVE_TTL_SECONDS)
        else:
            ttl_ms = self._ttl_ms(conf.USERCACHE_TTL_SECONDS)
        try:
            filled = tier.fill(key, lease, codec.encode(key, values, began_ms), ttl_ms)
        except UnavailableError:  # counted by the guard; the row is loaded all the same
            return values
        self.stats.count(FILLS if filled else FILLS_REFUSED)
        return values

    def _read(self, key: str, codec: Codec, entry: bytes) -> Record | None:
        try:
            record = codec.decode(key, entry)
        except UnreadableEntryError as error:
            self.stats.count(UNREADABLE_PREFIX + error.reason)
            if error.reason == "signature":
                logger.warning("The entry under %s was not signed by us; it is replaced.", key)
            return None
        if self._now_ms() - record.filled_at_ms > _longest_age_ms(entry):
            self.stats.count(UNREADABLE_PREFIX + "age")
            return None
        return record

    def _note_hit(
        self, found: Found, key: str, codec: Codec, load: Callable[[], Values | None]
    ) -> None:
        if found.record is not None and found.record.values is None:
            self.stats.count(NEGATIVE_HITS)
        if self.audit is not None and self.audit.draws():
            again = partial(self.peek, key, codec)
            forget = partial(self.forget, [key])
            self.audit.add(Sample(key, codec, found, load, again, forget))

    def _inspect(self, tier: Tier, key: str, codec: Codec) -> CachedState:
        held = tier.get(key)
        if held is None:
            return CachedState(tier.name, "nothing")
        ttl_seconds = tier.seconds_left(key)
        if held[:1] in (LEASE, BARRIER):
            state = "lease" if held[:1] == LEASE else "barrier"
            return CachedState(tier.name, state, None, ttl_seconds)
        try:
            record = codec.decode(key, held)
        except UnreadableEntryError:
            return CachedState(tier.name, "unreadable", None, ttl_seconds)
        age_seconds = (self._now_ms() - record.filled_at_ms) / MILLISECONDS
        state = "absent user" if record.values is None else "record"
        return CachedState(tier.name, state, age_seconds, ttl_seconds, record)

    def _first_answer(self, ask: Callable[[Tier], T], otherwise: Callable[[], T]) -> T:
        if self.shared is not None and self.shared.is_available():
            try:
                return ask(self.shared)
            except UnavailableError:  # counted by the guard
                if self.shared.breaker.is_closed:
                    # Redis stays in use, so others write through it, and nobody tells our memory.
                    return otherwise()
        return ask(self._local)

    def _tell_all(self, tell: Callable[[Tier], None]) -> bool:
        tell(self._local)
        if self.shared is None:
            return True
        if not self.shared.is_available(invalidates=True):
            return False
        try:
            tell(self.shared)
        except UnavailableError:  # counted by the guard, which opened the breaker
            return False
        return True

    def _ttl_ms(self, seconds: float) -> int:
        return int(seconds * MILLISECONDS * (1 - conf.USERCACHE_TTL_JITTER * self._random()))

    def _now_ms(self) -> int:
        return int(self._clock() * MILLISECONDS)


def _longest_age_ms(entry: bytes) -> float:
    # Redis' own expiry comes first; this stops an old entry that somebody put back.
    if entry[:1] == ABSENT_USER:
        return conf.USERCACHE_NEGATIVE_TTL_SECONDS * MILLISECONDS
    return conf.USERCACHE_TTL_SECONDS * MILLISECONDS


def _pauses(bound_seconds: float) -> Iterator[float]:
    pause, waited = FIRST_PAUSE_SECONDS, 0.0
    while waited < bound_seconds:
        pause = min(pause, bound_seconds - waited)
        yield pause
        waited += pause
        pause *= 2
