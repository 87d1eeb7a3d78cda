"""The metrics of all processes, in Redis. See Note [Metrics]."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from usercache.backends.base import UnavailableError
from usercache.backends.redis import RedisBackend
from usercache.backends.resilient import ResilientBackend
from usercache.observability import metrics
from usercache.observability.metrics.recorder import Batch
from usercache.observability.metrics.state import (
    FORGOTTEN_AFTER_SECONDS,
    ProcessState,
    RedisState,
    decode_processes,
    read_redis_state,
)
from usercache.observability.metrics.time_buckets import TimeBucket, is_foreign, start_of

T = TypeVar("T")

# One hash tag, so that one script can reach all of them in a cluster, too.
_METRICS: Final = "usercache:{metrics}:"
TOTALS: Final = _METRICS + "totals"
PROCESSES: Final = _METRICS + "processes"

SPANS: Final = (
    (metrics.MINUTE_SECONDS, metrics.MINUTES_KEPT_SECONDS),
    (metrics.HOUR_SECONDS, metrics.HOURS_KEPT_SECONDS),
)
USERS_KEPT: Final = (50, 500)
"""In the ranking of a minute and of an hour; the first stays below what Redis packs tightly."""
USERS_READ: Final = 100
PROCESSES_KEPT: Final = 1000
BUCKETS_AT_A_TIME: Final = 30
"""Read in one round trip, so that an answer is small enough for the timeout of a look-up."""
FINISHED_AFTER_SECONDS: Final = 90.0
"""After its end a bucket has what every process had to add, unless Redis was away."""
REMEMBERED_SECONDS: Final = 60.0
"""How long a finished bucket is not read again: a page refreshes every few seconds."""

# KEYS[1] the sender's last number, [2] the totals, then four for each bucket: its minute, the
# ranking of that, its hour, the ranking of that. ARGV: the batch's number, the seconds to remember
# it for, how many users a minute's and an hour's ranking keep, and the buckets as JSON.
# A ranking may grow to twice its size before the last half is dropped, or newcomers would be the
# last each time. What others left there (another type, a field or score that we can't have written)
# is replaced, or no batch could ever arrive again.
ADD_BATCH: Final = """
local function is_ours(value, least)
  local number = type(value) ~= 'table' and tonumber(value)
  return number and number >= least and number <= 2^53
end
local function drop_foreign(key, command, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) == 'table' and answer.err then redis.call('DEL', key) end
end
drop_foreign(KEYS[1], 'GET')
local last = redis.call('GET', KEYS[1])
if last and tonumber(last) and tonumber(last) >= tonumber(ARGV[1]) then return end
local function add(key, fields)
  drop_foreign(key, 'HGET', '')
  for name, value in pairs(fields) do
    local largest = name:find('^max:') and redis.call('HGET', key, name)
    if not is_ours(largest or redis.pcall('HINCRBY', key, name, value), value) then
      redis.call('HSET', key, name, value)
    end
  end
end
local function rank(key, hits, kept)
  drop_foreign(key, 'ZCARD')
  for user, count in pairs(hits) do
    if not is_ours(redis.pcall('ZINCRBY', key, count, user), count) then
      redis.call('ZADD', key, count, user)
    end
  end
  if redis.call('ZCARD', key) > 2 * kept then
    redis.call('ZREMRANGEBYRANK', key, 0, -kept - 1)
  end
end
for number, bucket in ipairs(cjson.decode(ARGV[5])) do
  add(KEYS[2], bucket.fields)
  for span = 1, 2 do
    local at, seconds = 4 * number + 2 * span - 3, bucket.lives[span]
    if seconds > 0 then
      add(KEYS[at], bucket.fields)
      redis.call('EXPIRE', KEYS[at], seconds)
      rank(KEYS[at + 1], bucket.hits, tonumber(ARGV[2 + span]))
      redis.call('EXPIRE', KEYS[at + 1], seconds)
    end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
"""


class Reading(NamedTuple):
    """What Redis knows of all processes, and how it is itself."""

    totals: TimeBucket  # since Redis was last emptied
    processes: list[ProcessState]
    buckets: dict[int, TimeBucket]  # by their start, without empty ones; must not be changed
    redis: RedisState | None  # None where nothing could be read

    @property
    def foreign(self) -> int:
        """Count what was read and skipped, since the cache never writes such."""
        return sum(bucket.foreign for bucket in (self.totals, *self.buckets.values()))


UNREAD: Final = Reading(TimeBucket(), [], {}, None)


class MetricsStore:
    """Add to the metrics and read them while the breaker lets us; failures are only counted."""

    def __init__(self, redis: ResilientBackend, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock
        self._finished: dict[tuple[int, int], tuple[float, TimeBucket]] = {}

    def flush(
        self,
        batch: Batch | None,
        state: ProcessState | None = None,
        before: ProcessState | None = None,
    ) -> bool:
        """Add a batch, once however often it is sent, and note a process's state. One round trip.

        Return whether it is known to have arrived. `before` is the state that was sent last.
        """

        def send(backend: RedisBackend) -> bool:
            processes, now = backend.prefix + PROCESSES, self._clock()
            with backend.client.pipeline(transaction=False) as pipe:
                if batch is not None:
                    keys, arguments = _format_batch(batch, now)
                    pipe.eval(ADD_BATCH, len(keys), *(backend.prefix + k for k in keys), *arguments)
                if state is not None:
                    if before is not None and before != state:
                        pipe.zrem(processes, msgspec.json.encode(before))
                    pipe.zadd(processes, {msgspec.json.encode(state): now})
                    pipe.zremrangebyscore(processes, "-inf", now - FORGOTTEN_AFTER_SECONDS)
                    pipe.zremrangebyrank(processes, 0, -PROCESSES_KEPT - 1)
                    pipe.expire(processes, int(FORGOTTEN_AFTER_SECONDS))
                answers = pipe.execute(raise_on_error=False)
            if any([is_foreign(each) for each in answers]):  # noqa: C419  # another may be raised
                backend.client.delete(processes)  # the script replaces its own keys
            return True

        return self._ask(send) or False

    def sign_off(self, state: ProcessState) -> None:
        """Take a process that ends off the list."""
        member = msgspec.json.encode(state)
        self._ask(lambda backend: backend.client.zrem(backend.prefix + PROCESSES, member))

    def read(self, starts: Sequence[int], span_seconds: int) -> Reading | None:
        """Return the buckets that begin then and all else; None where Redis can't be asked.

        Seven round trips, and one more for each 30 buckets that were not read in the last minute;
        however Redis fails, one timeout.
        """

        def ask(backend: RedisBackend) -> Reading:
            redis, now = read_redis_state(backend), self._clock()
            with backend.client.pipeline(transaction=False) as pipe:
                pipe.hgetall(backend.prefix + TOTALS)
                pipe.zrevrange(backend.prefix + PROCESSES, 0, PROCESSES_KEPT - 1, withscores=True)
                fields, states = pipe.execute(raise_on_error=False)
            totals = TimeBucket().read(fields)
            totals.foreign += is_foreign(states)
            processes, foreign = decode_processes([] if is_foreign(states) else states, now)
            totals.foreign += foreign
            buckets = self._read(backend, starts, span_seconds, now)
            return Reading(totals, processes, buckets, redis)

        return self._ask(ask)

    def _ask(self, operation: Callable[[RedisBackend], T]) -> T | None:
        if not self._redis.breaker.may_be_told:
            return None
        try:
            return self._redis.ask(operation)
        except UnavailableError:  # counted by the breaker
            return None

    def _read(
        self, backend: RedisBackend, starts: Sequence[int], span_seconds: int, now: float
    ) -> dict[int, TimeBucket]:
        for key, (read_at, _) in list(self._finished.items()):
            if not 0 <= now - read_at < REMEMBERED_SECONDS:
                self._finished.pop(key, None)
        known = ((start, self._finished.get((start, span_seconds))) for start in starts)
        found = {start: finished[1] for start, finished in known if finished is not None}
        unknown = [start for start in starts if start not in found]
        for at in range(0, len(unknown), BUCKETS_AT_A_TIME):
            some = unknown[at : at + BUCKETS_AT_A_TIME]
            for start, bucket in zip(some, _read_buckets(backend, some, span_seconds), strict=True):
                found[start] = bucket
                if now - start - span_seconds >= FINISHED_AFTER_SECONDS:
                    self._finished[start, span_seconds] = now, bucket
        return {start: bucket for start, bucket in found.items() if not bucket.is_empty}


def _read_buckets(
    backend: RedisBackend, starts: Sequence[int], span_seconds: int
) -> Iterable[TimeBucket]:
    with backend.client.pipeline(transaction=False) as pipe:
        for start in starts:
            pipe.hgetall(backend.prefix + bucket_key(start, span_seconds))
            ranking = backend.prefix + ranking_key(start, span_seconds)
            pipe.zrevrange(ranking, 0, USERS_READ - 1, withscores=True)
        answers = pipe.execute(raise_on_error=False)
    found = zip(answers[::2], answers[1::2], strict=True)
    return [TimeBucket().read(fields, ranking) for fields, ranking in found]


def _format_batch(batch: Batch, now: float) -> tuple[list[str], list[Any]]:
    keys, contents = [delivered_key(batch.token), TOTALS], []
    for start, bucket in sorted(batch.buckets.items()):
        lives = []
        for span_seconds, kept_seconds in SPANS:
            begin = start_of(start, span_seconds)
            keys += [bucket_key(begin, span_seconds), ranking_key(begin, span_seconds)]
            lives.append(int(begin + span_seconds + kept_seconds - now))
        contents.append({"fields": bucket, "hits": bucket.ranking.at_least(), "lives": lives})
    payload = msgspec.json.encode(contents)
    return keys, [batch.number, metrics.HOURS_KEPT_SECONDS, *USERS_KEPT, payload]


def bucket_key(start: int, span_seconds: int) -> str:
    """Return the key of a minute's or an hour's metrics: `usercache:{metrics}:60:1763971200`."""
    return f"{_METRICS}{span_seconds}:{start}"


def ranking_key(start: int, span_seconds: int) -> str:
    """Return the key of the users with the most hits in a minute or an hour."""
    return f"{bucket_key(start, span_seconds)}:users"


def delivered_key(process_token: str) -> str:
    """Return the key of the number of a process's last batch of metrics."""
    return f"{_METRICS}delivered:{process_token}"
