"""How Redis itself is, from what its servers say."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


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
    )


def _version_of(info: Mapping[str, Any]) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', '')}".strip()
