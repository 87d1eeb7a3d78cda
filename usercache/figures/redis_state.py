"""How Redis itself is, from what its servers say."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

_DATABASE: Final = re.compile(r"db\d+")


class RedisState(NamedTuple):
    """Redis' own figures; in a cluster, the sums over its primaries."""

    latency_ms: float
    """One GET there and back, as a look-up makes it."""
    memory_used: int
    """Bytes."""
    memory_limit: int | None
    """Bytes; None where there is no limit."""
    policy: str
    """What is evicted when memory is full: noeviction, volatile-ttl and so on."""
    evictions: int
    """Keys evicted since the servers started."""
    clients: int
    replicas: int
    version: str
    """As in `Redis 7.0.15` or `Valkey 9.1.0`."""
    topology: str
    """server, socket, sentinel, or cluster."""
    primaries: int
    keys: int
    """In all of the servers' databases, others' keys too."""
    commands_per_second: int
    """Lately, whoever sent them."""


def describe_redis(
    infos: Sequence[Mapping[str, Any]], topology: str, latency_ms: float
) -> RedisState:
    """Add up what each primary answered to INFO."""
    first = infos[0]
    limits = [int(info.get("maxmemory", 0)) for info in infos]
    return RedisState(
        latency_ms=latency_ms,
        memory_used=sum(int(info["used_memory"]) for info in infos),
        memory_limit=sum(limits) if all(limits) else None,
        policy=str(first.get("maxmemory_policy", "")),
        evictions=sum(int(info.get("evicted_keys", 0)) for info in infos),
        clients=sum(int(info.get("connected_clients", 0)) for info in infos),
        replicas=sum(int(info.get("connected_slaves", 0)) for info in infos),
        version=_version_of(first),
        topology=topology,
        primaries=len(infos),
        keys=sum(_count_keys(info) for info in infos),
        commands_per_second=sum(int(info.get("instantaneous_ops_per_sec", 0)) for info in infos),
    )


def _count_keys(info: Mapping[str, Any]) -> int:
    databases = (value for name, value in info.items() if _DATABASE.fullmatch(name))
    return sum(int(database["keys"]) for database in databases)


def _version_of(info: Mapping[str, Any]) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', '')}".strip()
