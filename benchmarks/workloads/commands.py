"""What a measured process can be told to do."""

from collections.abc import Callable
from typing import Final

from django.conf import settings

from benchmarks.workloads import deactivations, filling, load, lookups, renewal, writes
from usercache.runtime import await_verdict

COMMANDS: Final[dict[str, Callable[..., object]]] = {
    command.__name__: command
    for command in (
        deactivations.deactivate,
        deactivations.wait_to_listen,
        deactivations.watch,
        filling.fill,
        filling.fill_cacheops,
        filling.fill_memory,
        filling.fill_pickled,
        load.make_load,
        lookups.look_up_all,
        lookups.look_up_each,
        lookups.prepare,
        lookups.time_each_once,
        lookups.time_lookups,
        renewal.renew_under_load,
        writes.time_writes,
    )
}

if not getattr(settings, "BENCHMARK_PEER", ""):
    # Until then a new process asks the database alone.
    await_verdict()
