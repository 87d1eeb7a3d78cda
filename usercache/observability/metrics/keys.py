"""The keys of the metrics in Redis."""

from typing import Final

# One hash tag, so that one script can reach all of them in a cluster, too.
_METRICS: Final = "usercache:{metrics}:"
TOTALS: Final = _METRICS + "totals"
PROCESSES: Final = _METRICS + "processes"


def bucket_key(start: int, span_seconds: int) -> str:
    """Return the key of a minute's or an hour's metrics: `usercache:{metrics}:60:1763971200`."""
    return f"{_METRICS}{span_seconds}:{start}"


def ranking_key(start: int, span_seconds: int) -> str:
    """Return the key of the users with the most hits in a minute or an hour."""
    return f"{bucket_key(start, span_seconds)}:users"


def delivered_key(process_token: str) -> str:
    """Return the key of the number of a process's last batch of metrics."""
    return f"{_METRICS}delivered:{process_token}"
