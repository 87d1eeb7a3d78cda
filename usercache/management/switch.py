"""How many of the users are served from the cache: all of them, unless an operator says fewer.

Note [The switch]
-----------------
`manage.py usercache off` writes a number of percent into Redis. Each process reads it with its
heartbeat, once per second, and before it uses Redis for the first time. The users that are not
served are loaded for each look-up, and nothing is filled for them. Writes invalidate all the same,
so that the cache is right at the moment it is switched on again.

Which users are served depends on their keys alone: they are the same in every process, and more of
them with each higher number. A Redis that has lost the number gets it again from any process that
knows it.
"""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from usercache.backends.choice import ALL
from usercache.lookup import Store
from usercache.runtime import Service

if TYPE_CHECKING:
    from usercache.backends.redis import RedisBackend

SERVING: Final = "usercache:serving"
"""The key of the percent; absent for all."""


def extend(store: Store) -> Iterable[Service]:
    """Follow the switch; see `usercache.runtime.Extension`."""
    store.on_heartbeat.append(partial(follow_switch, store))
    return ()


def follow_switch(store: Store, redis: "RedisBackend") -> None:
    """Serve as many users as Redis says, or let Redis know, if it has lost what it said."""
    percent = read_switch(redis)
    if percent is not None:
        store.served_percent = percent
    elif store.served_percent != ALL:
        redis.client.set(redis.prefix + SERVING, store.served_percent, nx=True)


def read_switch(redis: "RedisBackend") -> int | None:
    """Return the percent that Redis says, None if it says nothing."""
    held: Any = redis.get(SERVING)
    if held is None or not held.isdigit() or int(held) > ALL:
        return None
    return int(held)


def set_switch(redis: "RedisBackend", percent: int) -> None:
    """Tell all processes to serve so many percent of the users."""
    redis.client.set(redis.prefix + SERVING, percent)
