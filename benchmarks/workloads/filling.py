"""Many users into a cache at once, as their look-ups would leave them there one by one."""

import time
from collections.abc import Iterator
from itertools import islice
from statistics import mean
from typing import Any, Final, cast

from django.core.cache import caches
from django.db import connection
from django.db.models.query import MAX_GET_RESULTS
from django.test.utils import CaptureQueriesContext
from django_redis.cache import RedisCache

from accounts.models import User
from benchmarks.settings import PEER_TTL_SECONDS
from benchmarks.weight import count_bytes
from benchmarks.workloads import pickled
from benchmarks.workloads.deactivations import wait_to_listen
from usercache.codec import Values, get_codec
from usercache.conf import conf
from usercache.keys import record_key
from usercache.users import get_users_by_ids

MILLISECONDS: Final = 1000
BATCH: Final = 1000
LISTEN_SECONDS: Final = 60.0
WEIGHED_STEP: Final = 20
"""One in so many keys is weighed by Redis."""


def fill(first: int, count: int) -> dict[str, float]:
    """Put that many users into Redis, and return their mean sizes in bytes.

    `own` is what their columns take, `key_and_entry` what Redis says of some of the keys. Where
    the database has fewer users, they stand in for the others, under other ids.
    """
    cache, codec = cast("RedisCache[Any]", caches["usercache"]), get_codec()
    client = cache.client.get_client(write=True)
    now_ms, ttl_ms = int(time.time() * MILLISECONDS), int(conf.USERCACHE_TTL_SECONDS * MILLISECONDS)
    own, weighed = 0, list[int]()
    records = _read_records(codec.fields, first, count)
    while batch := list(islice(records, BATCH)):
        with client.pipeline(transaction=False) as pipe:
            for pk, values in batch:
                key, entry = record_key(pk), codec.encode(record_key(pk), values, now_ms)
                pipe.set(cache.make_key(key), entry, px=ttl_ms)
                own += sum(map(count_bytes, values))
            for pk, _ in batch[::WEIGHED_STEP]:
                pipe.memory_usage(cache.make_key(record_key(pk)), samples=0)
            weighed += pipe.execute()[len(batch) :]
    return {"own": own / count, "key_and_entry": mean(weighed)}


def fill_memory(first: int, count: int) -> None:
    """Look that many users up, so that this process has them.

    Raises: LookupError if it isn't told of changes.
    """
    if not wait_to_listen(LISTEN_SECONDS):
        raise LookupError("PostgreSQL tells this process of no changes.")
    for start in range(first, first + count, BATCH):
        pks = range(start, min(start + BATCH, first + count))
        get_users_by_ids(pks)
        get_users_by_ids(pks)  # a hit is kept parsed; what was just loaded isn't


def fill_pickled(first: int, count: int) -> None:
    """Put that many users of the database into the hand-written cache."""
    users = User.objects.filter(pk__range=(first, first + count - 1)).iterator(BATCH)
    while batch := list(islice(users, BATCH)):
        pickled.CACHE.set_many(
            {pickled.format_key(user.pk): user for user in batch}, PEER_TTL_SECONDS
        )


def fill_cacheops(first: int, count: int) -> None:
    """Put that many users of the database into cacheops, as `objects.get(pk=…)` leaves them there.

    Raises: LookupError if such a `get()` still asks the database.
    """
    for user in User.objects.filter(pk__range=(first, first + count - 1)).iterator(BATCH):
        query: Any = User.objects.all()
        query = query.cache().filter(pk=user.pk).order_by()
        query.query.set_limits(high=MAX_GET_RESULTS)
        query._cache_results(query._cache_key(), [user])
    with CaptureQueriesContext(connection) as queries:
        User.objects.get(pk=first)
    if len(queries):
        raise LookupError("Another version of cacheops? Its get() doesn't find what was put there.")


def _read_records(fields: tuple[str, ...], first: int, count: int) -> Iterator[tuple[int, Values]]:
    at = fields.index("id")
    rows = User.objects.filter(pk__range=(first, first + count - 1)).values_list(*fields)
    real = list(rows.order_by("pk"))
    for number in range(count):
        values = real[number % len(real)]
        yield first + number, (*values[:at], first + number, *values[at + 1 :])
