"""The client-side cache in front of Redis, and the connections on which every primary reports."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from redis.exceptions import RedisError

from usercache.backends.redis import RedisBackend
from usercache.conf import conf
from usercache.keys import HEARTBEAT
from usercache.l1.cache import ClientCache
from usercache.l1.listener import Listener
from usercache.lookup import Store
from usercache.runtime import Service
from usercache.tracking.connection import TrackingConnection, may_track
from usercache.tracking.reporting import ReportingSocket
from usercache.tracking.subscription import SubscribedConnection


def extend(store: Store) -> Iterable[Service]:
    """Give a store its client-side cache and the thread that keeps it current."""
    redis = store.redis
    if redis is None or not conf.USERCACHE_L1_MAX_ENTRIES:
        return []
    l1 = ClientCache(conf.USERCACHE_L1_MAX_ENTRIES, conf.USERCACHE_L1_MAX_BYTES)
    store.l1 = l1
    backend = redis.backend
    return [
        Listener(
            l1,
            store.events,
            connect=partial(connect, backend),
            are_current=partial(are_current, backend),
            is_wanted=lambda: not redis.breaker.is_away,
            errors=(RedisError,),
        )
    ]


def connect(backend: RedisBackend) -> Iterator[ReportingSocket]:
    """Yield a connection to each primary on which it reports what changes, in one way or another.

    What a server allows is found out each time: it may be another server.
    """
    backend.find_primaries_again()  # what was known may be why the last connections were lost
    for tag, pool in backend.primaries.items():
        listen = TrackingConnection if may_track(pool, backend.prefix) else SubscribedConnection
        yield listen(pool, backend.prefix, HEARTBEAT + tag)


def are_current(backend: RedisBackend, connections: Sequence[ReportingSocket]) -> bool:
    """Return whether these connections lead to what are the primaries now; no I/O."""
    pools = {connection.pool for connection in connections}
    return pools == set(backend.primaries.values()) and all(
        connection.is_current for connection in connections
    )
