"""One snapshot of the cache, for every face that shows it: commands, dashboard, health, metrics.

`take_snapshot()` asks; `Snapshot` is the answer, whose fields `snapshot.py` documents; `as_json()`
spells it for programs. A face needs nothing else, and computes nothing itself.
"""

from usercache.report.gather import take_snapshot
from usercache.report.snapshot import SCHEMA_VERSION, Snapshot
from usercache.report.spelling import as_json
from usercache.report.status import Status
from usercache.report.window import (
    LONGEST_WINDOW_SECONDS,
    SHORTEST_WINDOW_SECONDS,
    parse_window,
)

__all__ = [
    "LONGEST_WINDOW_SECONDS",
    "SCHEMA_VERSION",
    "SHORTEST_WINDOW_SECONDS",
    "Snapshot",
    "Status",
    "as_json",
    "parse_window",
    "take_snapshot",
]
