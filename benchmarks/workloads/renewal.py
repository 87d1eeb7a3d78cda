"""Renewing records before they run out, which usercache does not do: what it would be worth."""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import Any, Final
from unittest import mock

from django.db import connections

from benchmarks.measurement import percentile
from benchmarks.zipf import Zipf
from usercache.codec import get_codec
from usercache.conf import conf
from usercache.keys import record_key
from usercache.management.inspection import inspect_record
from usercache.orm.loading import load as load_row
from usercache.runtime import get_store
from usercache.users import get_user_by_id

EXPONENT: Final = 1.0
BETA: Final = 1.0
"""As Vattani et al. recommend: more renews earlier."""
BACKGROUND_SHARE: Final = 0.1
"""The last part of a record's life in which a look-up has it renewed in the background."""
MILLISECONDS: Final = 1e3

Due = Callable[[float, float], bool]
Load = Callable[..., Any]


class Renewer:
    """Renew what is due, in the caller's time or in another thread's."""

    def __init__(self, load: Load, due: Due, pool: ThreadPoolExecutor | None) -> None:
        """Take when a record of this age, with so long left, is due."""
        self._load, self._due, self._pool = load, due, pool
        self._under_way = set[int]()
        self.renewals = 0

    def look_at(self, pk: int) -> None:
        """Renew the record that was just looked up, if it is due and nobody does already."""
        record = inspect_record(get_store(), record_key(pk), get_codec()).record
        if record is None or pk in self._under_way:
            return
        age = time.time() - record.filled_at_ms / MILLISECONDS
        if self._due(age, conf.USERCACHE_TTL_SECONDS - age):
            self._under_way.add(pk)
            if self._pool is None:
                self._renew(pk)
            else:
                self._pool.submit(self._renew, pk)

    def _renew(self, pk: int) -> None:
        # In the place of the very entry that was there before the row was asked for.
        codec, shared, key = get_codec(), get_store().redis, record_key(pk)
        assert shared is not None
        held, began_ms = shared.get(key), int(time.time() * MILLISECONDS)
        values = self._load(codec, {"pk": pk})
        ttl_ms = int(conf.USERCACHE_TTL_SECONDS * MILLISECONDS)
        if held is not None:
            shared.fill({key: (codec.encode(key, values, began_ms), ttl_ms)}, held)
        self.renewals += 1
        self._under_way.discard(pk)


def renew_under_load(
    *, way: str, first: int, count: int, rate: float, load_seconds: float, seconds: float, seed: int
) -> dict[str, float]:
    """Look users up at a steady rate, some of them often; say how it went.

    A load takes so long as given, however fast the database is.
    """
    loads = list[int]()
    load = partial(_load_slowly, load_seconds, loads)
    random = Random(seed)
    pool = ThreadPoolExecutor(1) if way == "background" else None
    dues: dict[str, Due] = {
        "early": lambda _age, left: left <= load_seconds * BETA * -math.log(1 - random.random()),
        "background": lambda age, left: left <= BACKGROUND_SHARE * (age + left),
    }
    renewer = Renewer(load, dues[way], pool) if way in dues else None
    with mock.patch("usercache.orm.loading.load", load):
        times = _look_up_steadily(renewer, Zipf(count, EXPONENT, random), first, rate, seconds)
    if pool is not None:
        pool.submit(connections.close_all).result()  # its own: `connection.close` is this thread's
        pool.shutdown()
    connections.close_all()
    renewals = renewer.renewals if renewer else 0
    return {
        "hit_rate": 1 - (len(loads) - renewals) / len(times),
        "loads": len(loads) / len(times),
        "p50": percentile(times, 50) * MILLISECONDS,
        "p99": percentile(times, 99) * MILLISECONDS,
    }


def _look_up_steadily(
    renewer: Renewer | None, zipf: Zipf, first: int, rate: float, seconds: float
) -> list[float]:
    times, pause, total = list[float](), threading.Event(), int(rate * seconds)
    due_at = time.perf_counter()
    for user in zipf.draw(total):
        due_at += 1 / rate
        pause.wait(max(0.0, due_at - time.perf_counter()))
        began = time.perf_counter()
        get_user_by_id(first + user)
        if renewer is not None:
            renewer.look_at(first + user)
        times.append(time.perf_counter() - began)
    return times


def _load_slowly(load_seconds: float, loads: list[int], *arguments: Any) -> Any:
    began = time.perf_counter()
    values = load_row(*arguments)
    time.sleep(max(0.0, load_seconds - (time.perf_counter() - began)))
    loads.append(1)
    return values
