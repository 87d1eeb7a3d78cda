"""What each Redis server is, allows and is configured for, found out by trying."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from redis import ConnectionPool, Redis
from redis.exceptions import RedisError

from usercache.backends import lua
from usercache.backends.base import new_token
from usercache.backends.redis import (
    ProbeFailedError,
    RedisBackend,
    connect,
    tracking_command,
)
from usercache.clocks import MILLISECONDS
from usercache.conf import conf
from usercache.keys import CHANGES, HEARTBEAT
from usercache.management.findings import Finding, error, good, warning

SAFE_POLICIES: Final = frozenset({"noeviction", "allkeys-lru", "volatile-lru"})
"""The maxmemory-policies under which a write marker, which was just written, is evicted last; the
others evict it by chance or, having the shorter TTL, before any record."""
GOOD_POLICY: Final = "allkeys-lru (volatile-lru beside keys of others)"
EVICTS_MARKERS: Final = "evicts by {}, which evicts write markers of open writes as well"
PINGS: Final = 25
MESSAGE_SECONDS: Final = 1.0
"""How long to wait for a message that was published before the wait began."""
TIMEOUT_SHARE: Final = 0.2
"""The share of the timeout that a round trip may take; beyond it, a slow moment is an outage."""


def examine(alias: str) -> Iterator[Finding]:
    """Examine every primary that the alias leads to. Some thirty round trips for each."""
    subject = f"redis {alias}"
    try:
        backend = connect(alias)
        for pool in backend.primaries.values():
            Redis(connection_pool=pool).ping()
    except RedisError as caught:
        yield error(
            subject,
            f"can't be reached: {caught}",
            "Start it, or correct the alias's LOCATION. Until then users come from the database.",
        )
        return
    for tag, pool in backend.primaries.items():
        yield from _examine_primary(backend, tag, pool)
    yield _try(
        subject,
        backend.probe,
        "takes writes; with USERCACHE_WAIT_REPLICAS, replicas confirm them",
        "takes no writes",
        "Until it does, users come from the database. docs/redis.md lists what it must allow.",
    )


def format_version(info: Mapping[str, Any]) -> str:
    """Return `Redis 7.0.15` or `Valkey 9.1.0` from a server's answer to INFO."""
    server = "valkey" if "valkey_version" in info else "redis"
    return f"{server.title()} {info.get(f'{server}_version', '')}".strip()


def evicts_markers(policy: str, limit: int | None) -> bool:
    """Return whether a server of this maxmemory-policy, with a limit, evicts write markers."""
    return bool(limit) and policy not in SAFE_POLICIES


def _examine_primary(backend: RedisBackend, tag: str, pool: ConnectionPool) -> Iterator[Finding]:
    client, options = Redis(connection_pool=pool), pool.connection_kwargs
    subject = f"redis {_address(options)}"
    yield from _examine_server(client, subject)
    yield _examine_latency(client, subject, options)
    yield _try(
        subject,
        lambda: client.eval("return 1", 0),
        "runs scripts",
        "runs no scripts",
        "Allow EVAL, which the protocol needs. Until then users come from the database.",
    )
    yield _examine_reports(pool, backend.prefix, tag, subject)


def _examine_server(client: Redis, subject: str) -> Iterator[Finding]:
    try:
        info: Mapping[str, Any] = client.info()
    except RedisError as caught:
        yield warning(
            subject,
            f"refuses INFO ({caught}), so its version and memory aren't known",
            "Allow INFO to have them in cache_stats and here. Nothing else needs it.",
        )
        return
    yield good(subject, f"{format_version(info)}, {info.get('role', 'role unknown')}")
    policy = str(info.get("maxmemory_policy"))
    if evicts_markers(policy, info.get("maxmemory")):
        yield warning(
            subject, EVICTS_MARKERS.format(policy), f"Set maxmemory-policy to {GOOD_POLICY}."
        )


def _examine_latency(client: Redis, subject: str, options: Mapping[str, Any]) -> Finding:
    taken = list[float]()
    for _ in range(PINGS):
        began = time.perf_counter()
        client.ping()
        taken.append(time.perf_counter() - began)
    median, timeout = statistics.median(taken), options.get("socket_timeout")
    said = f"answers in {median * MILLISECONDS:.2f} ms (median of {PINGS})"
    if timeout and median > TIMEOUT_SHARE * timeout:
        return warning(
            subject,
            f"{said}; after {timeout * MILLISECONDS:.0f} ms it counts as away",
            "Move it nearer, or raise socket_timeout in the alias's CONNECTION_POOL_KWARGS.",
        )
    return good(subject, said)


def _examine_reports(pool: ConnectionPool, prefix: str, tag: str, subject: str) -> Finding:
    if not conf.USERCACHE_L1_MAX_ENTRIES:
        return good(subject, "client-side cache: off, by USERCACHE_L1_MAX_ENTRIES")
    if not (no_tracking := _why_untracked(pool, prefix)):
        return good(subject, "reports changed keys: users can be served from process memory")
    said = f"refuses client tracking ({no_tracking})"
    if not (no_messages := _why_unpublished(Redis(connection_pool=pool), prefix, tag)):
        said += "; changes are published, so that users can be served from process memory"
        return good(subject, said)
    return warning(
        subject,
        f"{said}, and publishes no changes ({no_messages}), so each look-up is a round trip",
        "Allow CLIENT TRACKING and HELLO 3 where the server has them: Redis 6 or later, Valkey. "
        "Otherwise allow SUBSCRIBE, PUBLISH and PUBSUB, and channels under the alias's prefix.",
    )


def _why_untracked(pool: ConnectionPool, prefix: str) -> str:
    # On a connection of its own: it would be told of keys for ever.
    connection: Any = pool.connection_class(**{**pool.connection_kwargs, "protocol": 3})
    try:
        connection.connect()
        connection.send_command(*tracking_command(prefix))
        connection.read_response()
    except RedisError as caught:
        return str(caught)
    finally:
        connection.disconnect()
    return ""


def _why_unpublished(client: Redis, prefix: str, tag: str) -> str:
    # A change of a key that never exists, on a channel of its own, which must be heard.
    channel = f"{prefix}{CHANGES}:{new_token().hex()}"
    try:
        with client.pubsub() as listener:  # type: ignore[no-untyped-call]  # redis-py's
            listener.subscribe(channel)
            listener.get_message(timeout=MESSAGE_SECONDS)  # that it listens
            client.eval(lua.INVALIDATE, 1, f"{prefix}{HEARTBEAT}{tag}", channel)
            is_heard = listener.get_message(timeout=MESSAGE_SECONDS)
    except RedisError as caught:
        return str(caught)
    return "" if is_heard else "PUBSUB NUMSUB is refused, or doesn't see who listens"


def _address(options: Mapping[str, Any]) -> str:
    if "path" in options:
        return str(options["path"])
    # A pool of sentinels' names its server when it connects.
    return f"{options['host']}:{options['port']}" if "port" in options else "the primary"


def _try(subject: str, attempt: Callable[[], object], works: str, fails: str, hint: str) -> Finding:
    try:
        attempt()
    except (RedisError, ProbeFailedError) as caught:
        return error(subject, f"{fails}: {caught}", hint)
    return good(subject, works)
