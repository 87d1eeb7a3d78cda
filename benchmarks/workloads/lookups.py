"""Every way to get at a user, and how long one takes."""

import random
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from typing import Any, Final, cast

from django.core.cache import caches
from django_redis.cache import RedisCache
from rest_framework_simplejwt.authentication import JWTAuthentication

from accounts.models import User
from benchmarks.workloads import pickled
from usercache.codec import get_codec
from usercache.keys import record_key
from usercache.users import LOOKUPS_AT_ONCE, get_user_by_id, get_users_by_ids

MICROSECONDS: Final = 1e6
DRAWN: Final = 10_000
"""The users to look up, drawn once, before the clock runs."""
AT_ONCE: Final = 100
"""Look-ups between two looks at the clock."""

_shared = cast("RedisCache[Any]", caches["usercache"])
_client = _shared.client.get_client(write=False)
_prefix = _shared.make_key("")
_simplejwt = JWTAuthentication()


def prepare(first: int, count: int) -> None:
    """Put the users' records where those look-ups find them that load nothing themselves.

    The record is the columns that usercache keeps, as a tuple: the least that one could cache.
    """
    fields = get_codec().fields
    for values in User.objects.filter(pk__range=(first, first + count - 1)).values_list(*fields):
        pk = values[fields.index("id")]
        caches["peer"].set(_record_name(pk), values)
        caches["default"].set(_record_name(pk), values)


def _record_name(pk: int) -> str:
    return f"record:{pk}"


def _get_bare(pk: int) -> object:
    return _client.get(_prefix + record_key(pk))


def _get_record(alias: str, pk: int) -> object:
    return caches[alias].get(_record_name(pk))


def _get_by_simplejwt(pk: int) -> object:
    return _simplejwt.get_user({"user_id": pk})  # type: ignore[arg-type]  # it asks for no more


def _get_by_orm(pk: int) -> object:
    return User.objects.get(pk=pk)


LOOKUPS: Final[dict[str, Callable[[int], object]]] = {
    "usercache": get_user_by_id,
    "bare": _get_bare,
    "cache": partial(_get_record, "peer"),
    "locmem": partial(_get_record, "default"),
    "pickled": pickled.look_up,
    "orm": _get_by_orm,
    "simplejwt": _get_by_simplejwt,
}


def look_up_each(lookup: str, first: int, count: int) -> None:
    """Look each of them up once, for what it leaves behind. Raises: LookupError for nobody."""
    look_up = LOOKUPS[lookup]
    for pk in range(first, first + count):
        if look_up(pk) is None:
            raise LookupError(f"{lookup}: nobody is {pk}")


def look_up_all(first: int, count: int) -> int:
    """Look users up in batches, as usercache can, and return how many there are."""
    pks = range(first, first + count)
    batches = (pks[start : start + LOOKUPS_AT_ONCE] for start in range(0, count, LOOKUPS_AT_ONCE))
    return sum(len(get_users_by_ids(batch)) for batch in batches)


def time_lookups(lookup: str, first: int, count: int, seconds: float) -> float:
    """Look them up in random order for so long; return the microseconds that one took."""
    look_up = LOOKUPS[lookup]
    pks = cycle(random.Random(count).choices(range(first, first + count), k=DRAWN))
    done, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for pk in islice(pks, AT_ONCE):
            look_up(pk)
        done += AT_ONCE
    return (time.perf_counter() - began) / done * MICROSECONDS


def time_each_once(lookup: str, first: int, count: int) -> float:
    """Look each of them up once; return the microseconds that one took."""
    began = time.perf_counter()
    look_up_each(lookup, first, count)
    return (time.perf_counter() - began) / count * MICROSECONDS
