"""The state of this moment in Prometheus' terms."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

from usercache.figures.redis_state import RedisState
from usercache.report import Snapshot, Status
from usercache.report.snapshot import MILLISECONDS
from usercache.stats import AUDIT_WORST_MS


def collect_gauges(snapshot: Snapshot) -> Iterator[Metric]:
    """Yield how the cache is, the outbox, the audit, the processes and Redis."""
    status = GaugeMetricFamily(
        "usercache_status", "1 for the status that the cache has, else 0.", labels=["status"]
    )
    for each in Status:
        status.add_metric([each.value], each is snapshot.status)
    yield status
    yield GaugeMetricFamily(
        "usercache_partial",
        "1 while figures of all processes can't be told, since Redis keeps them.",
        float(snapshot.is_partial),
    )
    outbox = snapshot.outbox
    if outbox.waiting is not None:
        yield GaugeMetricFamily(
            "usercache_outbox_waiting", "Invalidations that Redis hasn't heard of.", outbox.waiting
        )
        yield GaugeMetricFamily(
            "usercache_outbox_oldest_seconds", "How long the oldest waits.", outbox.oldest_seconds
        )
    yield from _collect_audit(snapshot)
    processes = GaugeMetricFamily(
        "usercache_processes",
        "Processes heard of in the last minute, by what they are and think of Redis.",
        labels=["kind", "breaker", "near"],
    )
    kinds = Counter((s.kind, s.breaker, s.near) for s, _ in snapshot.processes)
    for labels, count in sorted(kinds.items()):
        processes.add_metric(labels, count)
    yield processes
    if snapshot.breaker.state != "none":
        yield GaugeMetricFamily(
            "usercache_redis_up",
            "Whether the process that was scraped could ask Redis.",
            float(snapshot.redis is not None),
        )
    if snapshot.redis is not None:
        yield from _collect_redis(snapshot.redis)


def _collect_audit(snapshot: Snapshot) -> Iterator[Metric]:
    audit = snapshot.audit
    yield GaugeMetricFamily(
        "usercache_audit_share", "The part of hits that is compared with the database.", audit.share
    )
    if audit.consistency is not None:
        yield GaugeMetricFamily(
            "usercache_audit_consistency_ratio",
            "The part of all hits ever that is true at least, with 95 % confidence.",
            audit.consistency,
        )
    worst_ms = snapshot.totals.maxima.get(AUDIT_WORST_MS, 0)
    yield GaugeMetricFamily(
        "usercache_audit_worst_age_seconds",
        "The largest age of a hit that was stale, ever.",
        worst_ms / MILLISECONDS,
    )


def _collect_redis(redis: RedisState) -> Iterator[Metric]:
    yield InfoMetricFamily(
        "usercache_redis",
        "What answers.",
        {"version": redis.version, "topology": redis.topology, "policy": redis.policy},
    )
    for name, text, value in (
        ("latency_seconds", "One GET there and back.", redis.latency_ms / MILLISECONDS),
        ("memory_used_bytes", "Memory in use.", redis.memory_used),
        ("clients", "Connections.", redis.clients),
        ("keys", "Keys in all of its databases.", redis.keys),
        ("commands_per_second", "Commands lately, whoever sent them.", redis.commands_per_second),
        ("replicas", "Replicas that are connected.", redis.replicas),
        ("primaries", "Servers that take writes.", redis.primaries),
    ):
        yield GaugeMetricFamily(f"usercache_redis_{name}", text, value)
    if redis.memory_limit is not None:
        yield GaugeMetricFamily(
            "usercache_redis_memory_limit_bytes", "Memory that it may use.", redis.memory_limit
        )
    yield CounterMetricFamily(
        "usercache_redis_evictions", "Keys evicted since the servers started.", redis.evictions
    )
