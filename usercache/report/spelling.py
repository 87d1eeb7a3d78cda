"""A snapshot as JSON: what programs read of it, the same wherever they get it."""

from dataclasses import asdict
from typing import Any

from usercache.figures.processes import SeenProcess
from usercache.report.snapshot import SCHEMA_VERSION, Latency, Snapshot
from usercache.stats import (
    BREAKER_OPENINGS,
    ERRORS_PREFIX,
    FILLS,
    FILLS_REFUSED,
    INVALIDATIONS,
    NEGATIVE_HITS,
    UNREADABLE_PREFIX,
    UNTIMED,
)


def as_json(snapshot: Snapshot, *, with_series: bool = False) -> dict[str, Any]:
    """Return the snapshot as plain values; null is what could not be told."""
    spelled = {
        "schema_version": SCHEMA_VERSION,
        "taken_at": round(snapshot.taken_at, 3),
        "status": snapshot.status.value,
        "reasons": list(snapshot.reasons),
        "backend": snapshot.backend,
        "is_partial": snapshot.is_partial,
        "window_seconds": snapshot.window_seconds,
        "since": snapshot.since,
        "lookups": snapshot.lookups,
        "hits": snapshot.hits,
        "misses": snapshot.misses,
        "hit_rate": round(snapshot.hit_rate, 6),
        "hits_by_tier": dict(snapshot.hits_by_tier),
        "database_load_saved": round(snapshot.database_load_saved, 6),
        "latency_ms": {name: _latency(latency) for name, latency in snapshot.latencies.items()},
        **_spell_counts(snapshot),
        "top_users": [asdict(user) for user in snapshot.top_users],
        "redis": None if snapshot.redis is None else snapshot.redis._asdict(),
        "breaker": asdict(snapshot.breaker),
        "outbox": asdict(snapshot.outbox),
        "audit": asdict(snapshot.audit),
        "processes": [_process(seen) for seen in snapshot.processes],
    }
    if with_series:
        spelled["series"] = [
            asdict(point)
            | {
                "lookups_per_second": point.lookups_per_second,
                "hit_rate": point.hit_rate,
                "latency": _latency(point.latency),
            }
            for point in snapshot.series
        ]
    return spelled


def _spell_counts(snapshot: Snapshot) -> dict[str, Any]:
    counts = snapshot.counts
    plain = (
        NEGATIVE_HITS,
        FILLS,
        FILLS_REFUSED,
        INVALIDATIONS,
        BREAKER_OPENINGS,
        UNTIMED,
    )
    return {name: counts.get(name, 0) for name in plain} | {
        "signature_failures": counts.get(UNREADABLE_PREFIX + "signature", 0),
        "unreadable": _with_prefix(snapshot, UNREADABLE_PREFIX),
        "errors": _with_prefix(snapshot, ERRORS_PREFIX),
    }


def _with_prefix(snapshot: Snapshot, prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): count
        for name, count in sorted(snapshot.counts.items())
        if name.startswith(prefix)
    }


def _latency(latency: Latency) -> dict[str, float | None]:
    return {
        name.removesuffix("_ms"): None if ms is None else round(ms, 4)
        for name, ms in asdict(latency).items()
    }


def _process(seen: SeenProcess) -> dict[str, Any]:
    state = seen.state._asdict()
    del state["token"]
    return state | {"seen_seconds": round(seen.seen_seconds, 3)}
