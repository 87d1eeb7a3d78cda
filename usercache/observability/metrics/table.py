"""Each counter and each figure of Redis once: what it is, and its name where it is shown."""

from typing import Final, NamedTuple

from usercache import events
from usercache.observability import metrics


class Metric(NamedTuple):
    """How a metric is shown; JSON has its own name, and Prometheus that after `usercache_`."""

    help: str  # Prometheus'
    label: str = ""  # of its row in the terminal and on the dashboard; empty where it has none
    note: str = ""  # beside its value there
    is_warning: bool = False  # whether a row that isn't zero wants to be looked at


COUNTERS: Final = {
    events.NEGATIVE_HITS: Metric(
        "Hits that said: no such user.", label="No such user", note="of the hits"
    ),
    events.FILLS: Metric("Records put into the cache after a miss."),
    events.INVALIDATIONS: Metric("Records dropped for a write.", label="Invalidations"),
    events.FILLS_REFUSED: Metric(
        "Records not put there: a write came in between.", label="Fills refused"
    ),
    events.VERSION_RELOADS: Metric("Users loaded since a caller had seen a later version."),
    events.VERSIONS_REFUSED: Metric("Look-ups of a version that the database doesn't have."),
    metrics.UNTIMED: Metric("Look-ups counted without their duration."),
    events.BREAKER_OPENINGS: Metric(
        "Times a process gave Redis up.", label="Breaker opened", is_warning=True
    ),
}
"""By the name under which it is counted."""
AUDITED: Final = {
    metrics.AUDIT_CHECKED: Metric("Hits compared with the database."),
    metrics.AUDIT_MISMATCHED: Metric("Compared hits that were stale."),
    metrics.AUDIT_EXPLAINED: Metric("Compared hits that a write explains."),
    metrics.AUDIT_UNDECIDED: Metric("Hits that could not be compared."),
    metrics.SHADOW_HITS: Metric("Look-ups of the database's that the cache would have answered."),
    metrics.SHADOW_MISSES: Metric("Look-ups of the database's that the cache would have missed."),
}
"""Likewise; their rows and their JSON are the audit's."""
OF_REDIS: Final = {
    "replicas": Metric("Replicas that are connected.", label="Replicas"),
    "primaries": Metric("Servers that take writes."),
    "clients": Metric("Connections.", label="Clients"),
    "keys": Metric("Keys in all of its databases.", label="Keys"),
    "commands_per_second": Metric("Commands, from all clients.", label="Commands/s"),
}
"""By the name of its field in `RedisState`."""
