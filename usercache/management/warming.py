"""Fill Redis with many users at once, by the same protocol as a look-up."""

import datetime
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone

from usercache.backends.base import UnavailableError, new_fill_lock
from usercache.backends.resilient import ResilientBackend
from usercache.clocks import MILLISECONDS
from usercache.codec import Codec, Values
from usercache.conf import conf
from usercache.events import FILLS, FILLS_REFUSED
from usercache.identifiers import clean_pk
from usercache.keys import record_key
from usercache.lookup import Store
from usercache.orm.loading import rows_of

WARMING: Final = "usercache:warming"
"""The key of its progress."""
REMEMBERED_MS: Final = 24 * 3600 * MILLISECONDS
"""How long an interrupted warming can be resumed."""
BEGINNING: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
LAST_LOGIN: Final = "last_login"


class Progress(NamedTuple):
    """How far a warming has come; kept in Redis, beside the records it filled."""

    since: datetime.datetime | None
    """Users without a registration or log-in since then are left out; None for all users."""
    total: int
    """How many users to warm there were at the beginning."""
    seen: int = 0
    filled: int = 0
    after: str = ""
    """The last primary key warmed; "" at the beginning."""


class Warmer:
    """Warm users in the order of their keys, and save the progress after each batch.

    A batch takes its fill locks in one round trip, loads its rows in one query and fills them in
    another. Users that are cached, or are being written or loaded, are left alone. Entries that
    can't be read, as after a change of the cached columns, are replaced.
    """

    def __init__(
        self, store: Store, redis: ResilientBackend, codec: Codec, *, batch_size: int = 500
    ) -> None:
        """Take the store and its Redis, the codec and the batch size."""
        self._store = store
        self._redis = redis
        self._codec = codec
        self._batch_size = batch_size

    def plan(self, since: datetime.datetime | None, limit: int | None) -> Progress:
        """Return the start: all users, those active since then, or the most recent `limit`."""
        if limit is not None:
            active_at = Coalesce(*find_activity_fields(self._codec.model), BEGINNING)
            newest = self._users(since).order_by(active_at.desc()).values_list(active_at, flat=True)
            last = list(newest[limit - 1 : limit])
            since = last[0] if last else since or BEGINNING
        return Progress(since, self._users(since).count())

    def load_progress(self) -> Progress | None:
        """Return the progress of an interrupted warming; None if there is none.

        Raises:
            UnavailableError: Redis can't be reached.
        """
        saved = self._redis.ask(lambda backend: backend.get(WARMING))
        try:
            progress = None if saved is None else msgspec.json.decode(saved, type=Progress)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None  # another version's, or not ours
        if progress is None or not self._is_plausible(progress):
            return None
        return progress

    def run(self, progress: Progress) -> Iterator[Progress]:
        """Warm the remaining users, and yield the progress after each batch.

        Raises:
            UnavailableError: Redis failed; the last progress is saved.
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
        self._redis.ask(lambda backend: backend.invalidate([], [WARMING]))

    def _is_plausible(self, progress: Progress) -> bool:
        is_known = progress.since is None or progress.since.tzinfo is not None
        is_begun = not progress.after or clean_pk(self._codec.model, progress.after) is not None
        return is_known and is_begun and 0 <= progress.filled <= progress.seen

    def _warm(self, pks: Sequence[Any]) -> int:
        if not self._redis.is_available():
            raise UnavailableError
        by_key, fill_lock = {record_key(pk): pk for pk in pks}, new_fill_lock()
        began_ms = int(time.time() * MILLISECONDS)
        locked, _ = self._redis.ask(
            lambda backend: self._store.acquire(backend, self._codec, list(by_key), fill_lock)
        )
        entries = {}
        for values in self._load([by_key[key] for key in locked]):
            key = record_key(self._pk_of(values))
            entries[key] = self._codec.encode(key, values, began_ms), _draw_ttl_ms()
        filled = self._redis.ask(lambda backend: backend.fill(entries, fill_lock))
        self._store.events.count(FILLS, filled)
        self._store.events.count(FILLS_REFUSED, len(entries) - filled)
        return filled

    def _save(self, progress: Progress) -> None:
        saved = msgspec.json.encode(progress).decode()
        self._redis.ask(lambda backend: backend.set_pointer(WARMING, saved, REMEMBERED_MS))

    def _next_pks(self, progress: Progress) -> list[Any]:
        users = self._users(progress.since).order_by("pk")
        if progress.after:
            users = users.filter(pk__gt=progress.after)
        return list(users.values_list("pk", flat=True)[: self._batch_size])

    def _load(self, pks: Sequence[Any]) -> list[Values]:
        rows = self._users(None).filter(pk__in=pks).values_list(*self._codec.columns)
        return [self._codec.read_row(row) for row in rows]

    def _users(self, since: datetime.datetime | None) -> "models.QuerySet[models.Model]":
        users = rows_of(self._codec)
        if since is None:
            return users
        was_active = models.Q()
        for name in find_activity_fields(self._codec.model):
            was_active |= models.Q(**{f"{name}__gte": since})
        return users.filter(was_active)

    def _pk_of(self, values: Values) -> Any:
        return values[self._codec.fields.index(self._codec.model._meta.pk.attname)]


def find_activity_fields(model: type[models.Model]) -> list[str]:
    """Return the columns with a user's activity: the last log-in, then the registration.

    The registration is any time set when the row is inserted: Django's `date_joined`, a
    `created_at`. Empty if the model has neither.
    """
    moments = [field for field in model._meta.fields if isinstance(field, models.DateTimeField)]
    logins = [field.name for field in moments if field.name == LAST_LOGIN]
    made = [f.name for f in moments if f.auto_now_add or f.default is timezone.now]
    return logins + made


def _draw_ttl_ms(draw: Callable[[], float] = random.random) -> int:
    seconds = conf.USERCACHE_TTL_SECONDS
    return int(seconds * MILLISECONDS * (1 - conf.USERCACHE_TTL_JITTER * draw()))
