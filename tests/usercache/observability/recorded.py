"""What a process counted and has yet to flush."""

from usercache.observability.metrics.recorder import Recorder
from usercache.observability.metrics.time_buckets import add_up


def recorded(recorder: Recorder) -> dict[str, int]:
    """Return the counts by name, without latencies and maxima."""
    return add_up(recorder.read().values()).counts
