"""Reading through one tier: entry, lease, barrier, and who loads and fills.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from django.db import Error as AnyDatabaseError

from usercache.codec import Codec, Record, UnreadableEntryError, Values
from usercache.conf import conf
from usercache.guard import UnavailableError
from usercache.keys import ABSENT_USER, BARRIER, LEASE, pk_of
from usercache.patience import Patience
from usercache.sought import Sought, SoughtMany
from usercache.stats import (
    FILLS,
    FILLS_REFUSED,
    MISS,
    NEGATIVE_HITS,
    UNREADABLE_PREFIX,
    Stats,
)
from usercache.tiers import Tier, new_lease

logger = logging.getLogger(__name__)

MILLISECONDS: Final = 1000


class Reader:
    """Find users in a tier or, failing that, load them and leave them there.

    Raises `UnavailableError` where the tier can't answer. `note_hit` is told of each record that
    came out of it. `random` returns a float from 0 to 1, `clock` seconds since 1970.
    """

    def __init__(
        self,
        stats: Stats,
        *,
        random: Callable[[], float],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        patience: Patience,
    ) -> None:
        """Take what all threads of the process share."""
        self._stats = stats
        self._patience = patience
        self._random = random
        self._clock = clock
        self._sleep = sleep

    def read_through(
        self, tier: Tier, sought: Sought, note_hit: Callable[[Tier, str, Record], None]
    ) -> Values | None:
        """Return the values under a record key, loading and filling if nobody else does.

        Who finds another's lease or barrier waits for it to go, see `Patience`, and where it
        doesn't, loads without filling. Who may not fill waits for nobody, and does so at once.
        """
        key, codec = sought.key, sought.codec
        waits: dict[bytes, Iterator[float]] = {}
        held = tier.get(key)
        while True:
            kind = held[:1] if held is not None else None
            if held is not None and kind not in (LEASE, BARRIER):
                record = self._read(codec, key, held)
                if record is not None:
                    self._stats.note_lookup(tier.name, sought.began, pk_of(key))
                    note_hit(tier, key, record)
                    return record.values
            if not sought.may_fill():
                break
            if held is not None and kind in (LEASE, BARRIER):
                if kind not in waits:
                    waits[kind] = self._patience.pauses(held)
                pause = next(waits[kind], None)
                if pause is None:
                    self._patience.give_up(held)
                    break
                self._sleep(pause)
                held = tier.get(key)
                continue
            lease = new_lease()
            held = tier.take_lease(key, lease, instead_of=held or b"")
            if held is None:
                return self._load_and_fill(tier, sought, lease)
        return self.load(sought)

    def read_many_through(
        self, tier: Tier, sought: SoughtMany, note_hit: Callable[[Tier, str, Record], None]
    ) -> dict[str, Values]:
        """Return the values there are, by key: one operation, and for what it missed two more.

        Nobody is waited for: where a lease or a barrier stands, the row is loaded and not filled.
        """
        lease = new_lease()
        if sought.may_fill():
            held = tier.take_leases(sought.keys, lease)
        else:
            held = [entry or BARRIER for entry in tier.get_many(sought.keys)]
        found, missed, leased = dict[str, Values](), list[str](), list[str]()
        for key, entry in zip(sought.keys, held, strict=True):
            record = None
            if entry is None:
                leased.append(key)
            elif entry[:1] not in (LEASE, BARRIER):
                record = self._read(sought.codec, key, entry)
            if record is None:
                missed.append(key)
                continue
            self._stats.note_lookup(tier.name, sought.began, pk_of(key))
            note_hit(tier, key, record)
            if record.values is not None:
                found[key] = record.values
        return found | self._load_and_fill_many(tier, sought, missed, leased, lease)

    def load(self, sought: Sought) -> Values | None:
        """Ask the database alone."""
        try:
            return sought.load()
        finally:
            self._stats.note_lookup(MISS, sought.began, pk_of(sought.key))

    def load_many(self, sought: SoughtMany, keys: Sequence[str]) -> dict[str, Values]:
        """Ask the database alone."""
        try:
            return sought.load(keys) if keys else {}
        finally:
            for key in keys:
                self._stats.note_lookup(MISS, sought.began, pk_of(key))

    def seconds_left(self, record: Record) -> float:
        """Say how long a record may still be believed, less the random part of its TTL."""
        age_ms = self.now_ms() - record.filled_at_ms
        return (self.ttl_ms(conf.USERCACHE_TTL_SECONDS) - age_ms) / MILLISECONDS

    def ttl_ms(self, seconds: float) -> int:
        """Return a TTL with its random part taken off."""
        return int(seconds * MILLISECONDS * (1 - conf.USERCACHE_TTL_JITTER * self._random()))

    def now_ms(self) -> int:
        """Return the milliseconds since 1970."""
        return int(self._clock() * MILLISECONDS)

    def _load_and_fill(self, tier: Tier, sought: Sought, lease: bytes) -> Values | None:
        began_ms = self.now_ms()
        try:
            values = self.load(sought)
        except AnyDatabaseError:
            self._give_back(tier, [sought.key])
            raise
        self._fill(tier, sought.codec, {sought.key: values}, lease, began_ms)
        return values

    def _load_and_fill_many(
        self,
        tier: Tier,
        sought: SoughtMany,
        missed: Sequence[str],
        leased: Sequence[str],
        lease: bytes,
    ) -> dict[str, Values]:
        began_ms = self.now_ms()
        try:
            loaded = self.load_many(sought, missed)
        except AnyDatabaseError:
            self._give_back(tier, leased)
            raise
        if leased:
            rows = {key: loaded.get(key) for key in leased}
            self._fill(tier, sought.codec, rows, lease, began_ms)
        return loaded

    def _fill(
        self,
        tier: Tier,
        codec: Codec,
        rows: Mapping[str, Values | None],
        lease: bytes,
        began_ms: int,
    ) -> None:
        entries = {
            key: (codec.encode(key, values, began_ms), self._ttl_ms_of(values))
            for key, values in rows.items()
        }
        try:
            filled = tier.fill(entries, lease)
        except UnavailableError:  # counted by the guard; the rows are loaded all the same
            return
        self._stats.count(FILLS, filled)
        self._stats.count(FILLS_REFUSED, len(entries) - filled)

    def _give_back(self, tier: Tier, keys: Sequence[str]) -> None:
        # Nobody need wait for a load that failed.
        if keys:
            try:
                tier.forget(keys)
            except UnavailableError:  # counted by the guard
                return

    def _ttl_ms_of(self, values: Values | None) -> int:
        if values is None:
            return self.ttl_ms(conf.USERCACHE_NEGATIVE_TTL_SECONDS)
        return self.ttl_ms(conf.USERCACHE_TTL_SECONDS)

    def _read(self, codec: Codec, key: str, entry: bytes) -> Record | None:
        try:
            record = codec.decode(key, entry)
        except UnreadableEntryError as error:
            self._stats.count(UNREADABLE_PREFIX + error.reason)
            if error.reason == "signature":
                logger.warning("The entry under %s was not signed by us; it is replaced.", key)
            return None
        if self.now_ms() - record.filled_at_ms > _longest_age_ms(entry):
            self._stats.count(UNREADABLE_PREFIX + "age")
            return None
        if record.values is None:
            self._stats.count(NEGATIVE_HITS)
        return record


def _longest_age_ms(entry: bytes) -> float:
    # Redis' own expiry comes first; this stops an old entry that somebody put back.
    if entry[:1] == ABSENT_USER:
        return conf.USERCACHE_NEGATIVE_TTL_SECONDS * MILLISECONDS
    return conf.USERCACHE_TTL_SECONDS * MILLISECONDS
