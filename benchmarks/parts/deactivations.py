"""How soon every process refuses a user that one has deactivated, and how it hears of it."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

import redis

from benchmarks.child import Child
from benchmarks.contenders import L1, REDIS, Contender
from benchmarks.environment import THREADS, Environment
from benchmarks.measurement import percentile
from benchmarks.outcome import Outcome, Panel
from benchmarks.plan import Plan
from benchmarks.targets import DEACTIVATION, Verdict

WATCHERS: Final = 4
LISTEN_SECONDS: Final = 10.0
MARGIN_SECONDS: Final = 1.0
"""Of reading, before the first deactivation and after the last."""
SECONDS_PER_WRITE: Final = 0.08
MILLISECONDS: Final = 1e3
MICROSECONDS: Final = 1e6
MESSAGES: Final = 300
CHANNEL: Final = "told"
TRACKED: Final = "told:1"
SILENT: Final = "usercache, unread not asked for"
WAYS: Final[dict[str, tuple[Contender, bool]]] = {
    L1.label: (L1, True),
    SILENT: (L1, False),
    REDIS.label: (REDIS, True),
}
REMARKS: Final = """
- {watchers} processes of {threads} threads read the same {writes} users as fast as they can, all
  from their own memory, while another deactivates one after the other, by `user.save()`. All of it
  on this machine's cores, so that a process may have to wait for its turn for tens of milliseconds.
- *After the response* is how long after the save returned the last read began, in any process, that
  still let the user in; 0 where none did. *Stale* are the deactivations where one did.
- *Heard by all* is the same from the beginning of the save. A writer that waited until every
  process had dropped the user would wait at least that long; the save takes *a save* as it is.
- *Unread not asked for*: hits rely on the listener's thread alone, which in a busy process waits
  for its turn. Asking costs a hit 0.5 µs.
- *Told of a change*: from the writer's answer until a listener can read the message, on an idle
  connection. A fill is two writes, of a fill lock and of an entry: client tracking tells of both,
  as it does of a key that runs out, is evicted, flushed or deleted by hand, of which nobody
  publishes.
""".strip()


def measure(environment: Environment, plan: Plan) -> Outcome:
    """Deactivate users under the eyes of busy processes, in each way in turn."""
    after, heard, saves = _new_series(), _new_series(), _new_series()
    stale, first = dict.fromkeys(WAYS, 0), environment.first_id
    for _ in range(plan.deactivation_rounds):
        for label, (contender, asks_unread) in WAYS.items():
            pks = list(range(first, first + plan.deactivations))
            first += plan.deactivations
            lags = _play(environment, contender, pks, asks_unread=asks_unread)
            stale[label] += sum(lag[0] > 0 for lag in lags)
            for series, column in ((after, 0), (heard, 1), (saves, 2)):
                series[label].append([lag[column] * MILLISECONDS for lag in lags])
    return _conclude(after, heard, saves, stale, plan, _tell(environment))


def _new_series() -> dict[str, list[list[float]]]:
    return {label: [] for label in WAYS}


def _play(
    environment: Environment, contender: Contender, pks: list[int], *, asks_unread: bool
) -> list[tuple[float, float, float]]:
    environment.flush_redis()
    with ExitStack() as stack:
        writer, *watchers = [
            stack.enter_context(environment.start(contender)) for _ in range(1 + WATCHERS)
        ]
        for child in watchers:
            child.ask("wait_to_listen", wait_seconds=LISTEN_SECONDS)
            child.ask("look_up_each", lookup="usercache", first=pks[0], count=len(pks))
        seconds = 2 * MARGIN_SECONDS + SECONDS_PER_WRITE * len(pks)
        for child in watchers:
            child.send("watch", pks=pks, threads=THREADS, seconds=seconds, asks_unread=asks_unread)
        time.sleep(MARGIN_SECONDS)
        times = writer.ask("deactivate", pks=pks)
        seen = _receive(watchers)
    lags = []
    for pk, (began, done) in zip(pks, times, strict=True):
        last = max(each[str(pk)] for each in seen)
        lags.append((max(0.0, last - done), max(0.0, last - began), done - began))
    return lags


def _receive(children: list[Child]) -> list[dict[str, float]]:
    return [child.receive() for child in children]


def _conclude(  # noqa: PLR0917  # what was measured, each by its name
    after: dict[str, list[list[float]]],
    heard: dict[str, list[list[float]]],
    saves: dict[str, list[list[float]]],
    stale: dict[str, int],
    plan: Plan,
    told: Panel,
) -> Outcome:
    panel = Panel("Deactivations, ms")
    for label in WAYS:
        panel.add(label, "after the response, p99", [percentile(v, 99) for v in after[label]])
        panel.add(label, "at most", [max(map(max, after[label]))])
        panel.add(label, "stale", [float(stale[label])])
        panel.add(label, "heard by all, p50", [percentile(v, 50) for v in heard[label]])
        panel.add(label, "p99", [percentile(v, 99) for v in heard[label]])
        panel.add(label, "a save, p50", [percentile(v, 50) for v in saves[label]])
    remarks = REMARKS.format(watchers=WATCHERS, threads=THREADS, writes=plan.deactivations)
    verdict = Verdict(DEACTIVATION, "", panel.get(L1.label, "after the response, p99").values)
    return Outcome("deactivations", "Deactivations", [panel, told], [verdict], remarks)


def _tell(environment: Environment) -> Panel:
    panel = Panel("Told of a change, µs")
    writer = redis.Redis.from_url(environment.redis_url)
    with writer, redis.Redis.from_url(environment.redis_url) as listener:
        connection: Any = listener.connection_pool.get_connection()
        connection.send_command("SUBSCRIBE", CHANNEL)
        connection.read_response(push_request=True)
        times = _time(connection, lambda: writer.publish(CHANNEL, TRACKED))
        panel.add("publish", "µs", times)
        connection.disconnect()
        connection.connect()
        connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", TRACKED)
        connection.read_response()
        panel.add("client tracking", "µs", _time(connection, lambda: writer.set(TRACKED, "")))
        connection.disconnect()
    return panel


def _time(connection: Any, change: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(MESSAGES):
        change()
        answered = time.perf_counter()
        connection.read_response(push_request=True)
        times.append((time.perf_counter() - answered) * MICROSECONDS)
    return times
