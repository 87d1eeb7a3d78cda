"""The one way to the cache: which tier answers, and what each caller gets when none does.

How one tier is read is in `reader.py`, with the note that all of it rests on.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeVar

from usercache.audit import Audit, Found, Sample
from usercache.codec import Codec, Record, UnreadableEntryError, Values
from usercache.conf import conf
from usercache.guard import GuardedTier, UnavailableError
from usercache.keys import BARRIER, LEASE, pk_of
from usercache.local import LocalTier
from usercache.near import NearTier, Ticket
from usercache.patience import Patience
from usercache.reader import Reader
from usercache.sought import Sought, SoughtMany
from usercache.stats import INVALIDATIONS, NEAR, Stats
from usercache.tiers import Tier

T = TypeVar("T")

MILLISECONDS: Final = 1000
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

    `shared` is None where there is no Redis at all, `near` where nothing is served from memory
    beside it. `random` returns a float from 0 to 1; `clock` seconds since 1970, the same on all
    machines but for their skew.
    """

    def __init__(
        self,
        *,
        shared: GuardedTier | None,
        local: LocalTier,
        near: NearTier | None = None,
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
        self._near = near
        self.stats = stats
        self._patience = Patience()
        self._reader = Reader(
            stats, random=random, clock=clock, sleep=sleep, patience=self._patience
        )

    def recall(self, key: str, seek: Callable[[], Sought]) -> Values | None:
        """Return the values under a record key if the near tier has them; no I/O, no waiting.

        None says nothing about the user: `look_up()` does, and takes what `seek` returns.
        """
        near, shared = self._near, self.shared
        if near is None or shared is None or not shared.breaker.is_closed:
            return None
        began = time.perf_counter()
        record = near.get(key)
        if record is None:
            return None
        self.stats.note_lookup(NEAR, began, pk_of(key))
        if self.audit is not None and self.audit.draws():
            self._have_audited(self.audit, seek(), Found(NEAR, record))
        return record.values

    def look_up(self, sought: Sought) -> Values | None:
        """Return the values under a record key, or what loading says; None for no such user.

        Warm, it is one GET. Cold, one of all callers loads and fills, and the others wait for it,
        for `USERCACHE_LEASE_WAIT_SECONDS` at most; while the row is being written, for
        `USERCACHE_BARRIER_WAIT_SECONDS` at most. Where the caller may not fill (in a transaction,
        whose rows may never be committed), nobody waits and nothing is written.
        """
        tickets = self._draw_tickets([sought.key])

        def note_hit(tier: Tier, key: str, record: Record) -> None:
            self._keep_near(tier, key, record, tickets)
            if self.audit is not None and self.audit.draws():
                self._have_audited(self.audit, sought, Found(tier.name, record))

        return self._first_answer(
            lambda tier: self._reader.read_through(tier, sought, note_hit),
            otherwise=lambda: self._reader.load(sought),
        )

    def look_up_many(self, sought: SoughtMany) -> dict[str, Values]:
        """Return the values there are, by record key; one round trip, and two more for misses."""
        tickets = self._draw_tickets(sought.keys)

        def note_hit(tier: Tier, key: str, record: Record) -> None:
            self._keep_near(tier, key, record, tickets)

        return self._first_answer(
            lambda tier: self._reader.read_many_through(tier, sought, note_hit),
            otherwise=lambda: self._reader.load_many(sought, sought.keys),
        )

    def get_pointer(self, key: str) -> str | None:
        """Return the id a pointer leads to, None where there is none. One operation."""
        pointer = self._first_answer(lambda tier: tier.get(key), otherwise=lambda: None)
        return None if pointer is None else pointer.decode(errors="replace")

    def set_pointer(self, key: str, pk: str) -> None:
        """Let a pointer lead to an id; who follows it checks the record it leads to."""
        ttl_ms = self._reader.ttl_ms(conf.USERCACHE_TTL_SECONDS)
        self._first_answer(lambda tier: tier.set_pointer(key, pk, ttl_ms), otherwise=lambda: None)

    def raise_barriers(self, keys: Sequence[str], token: bytes) -> bool:
        """Let nobody fill these keys until the token's barrier is lowered.

        Must be called before the commit of what changes the users behind the keys. Says whether
        every process hears of it: not while Redis can't be reached.
        """
        self._patience.note_own(token)
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
            record = None if self._near is None else self._near.get(key)
            if record is not None:
                return Found(NEAR, record)
        held = tier.get(key)
        if held is None or held[:1] in (LEASE, BARRIER):
            return Found(tier.name, None)
        try:
            return Found(tier.name, codec.decode(key, held))
        except UnreadableEntryError:
            return Found(tier.name, None)

    def _draw_tickets(self, keys: Sequence[str]) -> Mapping[str, Ticket]:
        # Before Redis is asked, and before the breaker is.
        return {} if self._near is None else self._near.draw_tickets(keys)

    def _keep_near(
        self, tier: Tier, key: str, record: Record, tickets: Mapping[str, Ticket]
    ) -> None:
        near, ticket = self._near, tickets.get(key)
        if near is None or ticket is None or tier is not self.shared or record.values is None:
            return
        near.put(key, record, ticket, self._reader.seconds_left(record))

    def _have_audited(self, audit: Audit, sought: Sought, found: Found) -> None:
        key, codec = sought.key, sought.codec
        again, forget = partial(self.peek, key, codec), partial(self.forget, [key])
        audit.add(Sample(key, codec, found, sought.load, again, forget))

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
        age_seconds = (self._reader.now_ms() - record.filled_at_ms) / MILLISECONDS
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

    def _tell_all(self, tell: Callable[[Tier | NearTier], None]) -> bool:
        tell(self._local)
        is_confirmed = self.shared is None or self._tell_shared(tell, self.shared)
        if self._near is not None:
            # Last, or somebody could put back what Redis still had.
            tell(self._near)
        return is_confirmed

    def _tell_shared(self, tell: Callable[[Tier | NearTier], None], shared: GuardedTier) -> bool:
        if not shared.is_available(invalidates=True):
            return False
        try:
            tell(shared)
        except UnavailableError:  # counted by the guard, which opened the breaker
            return False
        return True
