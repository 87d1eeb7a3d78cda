"""Fill the shared tier with many users at once, by the same protocol as a look-up."""

import datetime
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from django.db import models, router

from usercache.codec import Codec, Values
from usercache.conf import conf
from usercache.guard import GuardedTier, UnavailableError
from usercache.keys import WARMING, record_key
from usercache.stats import FILLS, FILLS_REFUSED, Stats
from usercache.tiers import new_lease

MILLISECONDS: Final = 1000
REMEMBERED_MS: Final = 24 * 3600 * MILLISECONDS
"""How long a warming that was broken off can be resumed."""
BEGINNING: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
LAST_LOGIN: Final = "last_login"


class Progress(NamedTuple):
    """How far a warming has come; kept in Redis, since what it filled is there, too."""

    since: datetime.datetime | None
    """Whose last log-in is older isn't warmed; None for everybody."""
    total: int
    """How many users there were to warm when it began."""
    seen: int = 0
    filled: int = 0
    after: str = ""
    """The primary key that came last; "" at the beginning."""


class Warmer:
    """Go through users in the order of their keys; after each batch the progress is saved.

    A batch takes its leases in one round trip, loads its rows in one query and fills them in
    another. Who is cached already, or is being written or loaded, is left as he is.
    """

    def __init__(
        self, shared: GuardedTier, codec: Codec, stats: Stats, *, batch_size: int = 500
    ) -> None:
        """Take where to, what and how much at a time."""
        self._shared = shared
        self._codec = codec
        self._stats = stats
        self._batch_size = batch_size

    def plan(self, since: datetime.datetime | None, limit: int | None) -> Progress:
        """Return the beginning: everybody, who logged in since then, or the last so many."""
        if limit is not None:
            newest = self._users(since).exclude(last_login=None).order_by(f"-{LAST_LOGIN}")
            last = list(newest.values_list(LAST_LOGIN, flat=True)[limit - 1 : limit])
            since = last[0] if last else since or BEGINNING
        return Progress(since, self._users(since).count())

    def load_progress(self) -> Progress | None:
        """Return where a warming that was broken off stands; None where there is none.

        Raises:
            UnavailableError: Redis can't be asked.
        """
        saved = self._shared.ask(lambda tier: tier.get(WARMING))
        try:
            return None if saved is None else msgspec.json.decode(saved, type=Progress)
        except msgspec.MsgspecError:
            return None  # another version's

    def run(self, progress: Progress) -> Iterator[Progress]:
        """Warm the users who are left, and say after each batch how far that is.

        Raises:
            UnavailableError: Redis failed; what was said last is saved.
        """
        while pks := self._next_pks(progress):
            filled = self._warm(pks)
            progress = progress._replace(
                seen=progress.seen + len(pks),
                filled=progress.filled + filled,
                after=str(pks[-1]),
            )
            self._save(progress)
            yield progress
        self._shared.ask(lambda tier: tier.forget([], [WARMING]))

    def _warm(self, pks: Sequence[Any]) -> int:
        if not self._shared.is_available():
            raise UnavailableError
        keys, lease = [record_key(pk) for pk in pks], new_lease()
        began_ms = int(time.time() * MILLISECONDS)
        held = self._shared.ask(lambda tier: tier.take_leases(keys, lease))
        free = [pk for pk, other in zip(pks, held, strict=True) if other is None]
        entries = {}
        for values in self._load(free):
            key = record_key(self._pk_of(values))
            entries[key] = self._codec.encode(key, values, began_ms), _draw_ttl_ms()
        filled = self._shared.ask(lambda tier: tier.fill(entries, lease))
        self._stats.count(FILLS, filled)
        self._stats.count(FILLS_REFUSED, len(entries) - filled)
        return filled

    def _save(self, progress: Progress) -> None:
        saved = msgspec.json.encode(progress).decode()
        self._shared.ask(lambda tier: tier.set_pointer(WARMING, saved, REMEMBERED_MS))

    def _next_pks(self, progress: Progress) -> list[Any]:
        users = self._users(progress.since).order_by("pk")
        if progress.after:
            users = users.filter(pk__gt=progress.after)
        return list(users.values_list("pk", flat=True)[: self._batch_size])

    def _load(self, pks: Sequence[Any]) -> list[Values]:
        return list(self._users(None).filter(pk__in=pks).values_list(*self._codec.fields))

    def _users(self, since: datetime.datetime | None) -> "models.QuerySet[models.Model]":
        model = self._codec.model
        # From the database that is written to, as for every fill.
        users = model._base_manager.using(router.db_for_write(model))
        return users.all() if since is None else users.filter(**{f"{LAST_LOGIN}__gte": since})

    def _pk_of(self, values: Values) -> Any:
        return values[self._codec.fields.index(self._codec.model._meta.pk.attname)]


def _draw_ttl_ms(draw: Callable[[], float] = random.random) -> int:
    seconds = conf.USERCACHE_TTL_SECONDS
    return int(seconds * MILLISECONDS * (1 - conf.USERCACHE_TTL_JITTER * draw()))
