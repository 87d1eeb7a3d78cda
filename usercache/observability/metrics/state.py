"""How each process says it is, and how the servers of Redis are."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from redis import Redis
from redis.exceptions import ResponseError
from redis.sentinel import SentinelConnectionPool

from usercache.backends.redis import RedisBackend
from usercache.clocks import MILLISECONDS
from usercache.keys import PROBE
from usercache.management.redis_doctor import format_version
from usercache.observability.metrics.time_buckets import is_text, parse_count

REPORT_SECONDS: Final = 5.0  # between two reports of a process in which nothing has changed
FORGOTTEN_AFTER_SECONDS: Final = 60.0
"""A process not heard of for so long has died, or can't reach Redis."""
LONGEST_STATE: Final = 1000
"""Bytes of a state as Redis keeps it; with the longest of host names it has half of that."""
GETS_TIMED: Final = 5
"""Their median is the latency: two slow answers of five don't make a slow Redis."""
_DATABASE: Final = re.compile(r"db\d+")


@dataclass(frozen=True)
class ProcessState:
    """One process, as it described itself."""

    token: str  # random, so that no other process has it, whatever its id
    host: str
    pid: int
    kind: str  # what it runs: gunicorn, cache_relay, runserver
    started: float  # seconds since 1970
    breaker: str  # closed (Redis is in use), open, probing; empty where there is no Redis
    l1: str  # the state of its client-side cache; empty where it has none
    seen_seconds: float = 0.0  # since its last report, as a reader finds it

    @property
    def name(self) -> str:
        """Return `gunicorn 4711`."""
        return f"{self.kind} {self.pid}"


def kind_of(arguments: list[str]) -> str:
    """Return what a process of this command line runs: gunicorn, cache_relay, runserver."""
    # Never more of the command line than this: an option may be a secret.
    path = Path(arguments[0] if arguments else "")
    program = path.parent.name if path.name == "__main__.py" else path.name
    is_management = program in ("manage.py", "django-admin")
    return arguments[1] if is_management and len(arguments) > 1 else program or "python"


def decode_processes(
    states: Sequence[tuple[bytes, float]], now: float
) -> tuple[list[ProcessState], int]:
    """Return the processes heard of lately, by host and process id, and how many were foreign.

    Of a process that changed, the newer state counts. What isn't spelled as ours is left out, as
    during a deployment of another version.
    """
    newest, foreign = dict[str, ProcessState](), 0
    for encoded, seen_at in sorted(states, key=lambda item: item[1]):
        state = _decode(encoded)
        if state is None or seen_at > now + FORGOTTEN_AFTER_SECONDS:
            foreign += 1
        elif now - seen_at <= FORGOTTEN_AFTER_SECONDS:
            seen_seconds = round(max(0.0, now - seen_at), 3)
            newest[state.token] = replace(state, seen_seconds=seen_seconds)
    return sorted(newest.values(), key=lambda state: (state.host, state.pid)), foreign


def _decode(encoded: bytes) -> ProcessState | None:
    if len(encoded) > LONGEST_STATE:
        return None
    try:
        state = msgspec.json.decode(encoded, type=ProcessState)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    texts = [state.token, state.host, state.kind, state.breaker or "-", state.l1 or "-"]
    return state if all(map(is_text, texts)) else None


@dataclass(frozen=True)
class RedisState:
    """Redis' own metrics; in a cluster, the sums over its primaries."""

    latency_ms: float  # one GET there and back, as a look-up makes it: the median of five
    memory_used: int  # bytes
    memory_limit: int | None  # bytes; None where there is no limit
    policy: str  # what is evicted when memory is full: noeviction, volatile-ttl and so on
    evictions: int  # keys evicted since the servers started
    clients: int
    replicas: int
    version: str  # as in `Redis 7.0.15` or `Valkey 9.1.0`
    topology: str  # server, socket, sentinel, or cluster
    primaries: int
    keys: int  # in all of the servers' databases, others' keys too
    commands_per_second: int  # lately, from all clients


def read_redis_state(backend: RedisBackend) -> RedisState:
    """Return how Redis is. Six round trips, the last five of them to take their time.

    What INFO doesn't tell in a number counts as 0.
    """
    client = backend.client
    infos: Sequence[Mapping[str, Any]]
    try:
        infos = backend.read_infos()
    except ResponseError:  # INFO is refused, as by some rented kinds
        infos = [{} for _ in backend.primaries]

    def add_up(name: str) -> int:
        return sum(parse_count(info.get(name)) or 0 for info in infos)

    def time_get() -> float:
        began = time.perf_counter()
        client.get(backend.prefix + PROBE)
        return time.perf_counter() - began

    databases = [db for info in infos for key, db in info.items() if _DATABASE.fullmatch(key)]
    is_limited = all(parse_count(info.get("maxmemory")) for info in infos)
    return RedisState(
        # Only now, since connecting takes longer.
        latency_ms=round(median(time_get() for _ in range(GETS_TIMED)) * MILLISECONDS, 4),
        memory_used=add_up("used_memory"),
        memory_limit=add_up("maxmemory") if is_limited else None,
        policy=str(infos[0].get("maxmemory_policy", "")),
        evictions=add_up("evicted_keys"),
        clients=add_up("connected_clients"),
        replicas=add_up("connected_slaves"),
        version=format_version(infos[0]),
        topology=backend.topology or _topology_of(client),
        primaries=len(infos),
        keys=sum(parse_count(db.get("keys")) or 0 for db in databases if isinstance(db, Mapping)),
        commands_per_second=add_up("instantaneous_ops_per_sec"),
    )


def _topology_of(client: Redis) -> str:
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        return "sentinel"
    return "socket" if "path" in pool.connection_kwargs else "server"
