"""The figures of all processes, in Redis. See Note [Figures]."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from redis import Redis

from usercache import scripts
from usercache.figures import processes
from usercache.figures.processes import ProcessState, SeenProcess
from usercache.figures.settled import SettledSlices
from usercache.figures.slices import (
    HOUR_SECONDS,
    HOURS_KEPT_SECONDS,
    MINUTE_SECONDS,
    MINUTES_KEPT_SECONDS,
    Slice,
    start_of,
)
from usercache.keys import PROCESSES, TOTALS, delivered_key, ranking_key, slice_key

SPANS: Final = ((MINUTE_SECONDS, MINUTES_KEPT_SECONDS), (HOUR_SECONDS, HOURS_KEPT_SECONDS))
USERS_KEPT: Final = (50, 500)
"""In the ranking of a minute and of an hour; the first stays below what Redis packs tightly."""
USERS_READ: Final = 100
SLICES_AT_A_TIME: Final = 30
"""Read in one round trip, so that an answer is small enough for the timeout of a look-up."""


class Parcel(NamedTuple):
    """What a process has to say: a numbered batch of its figures, and its own state."""

    token: str
    """Of the process."""
    number: int
    slices: Mapping[int, Slice]
    state: ProcessState | None
    """None where it was told lately."""
    state_before: ProcessState | None


class SharedFigures:
    """Add figures to those of all processes, and read them. Raises what redis-py raises."""

    def __init__(self, client: Redis, prefix: str) -> None:
        """Use a client of the shared alias, under its prefix."""
        self._client = client
        self._prefix = prefix
        self._settled = SettledSlices()

    def deliver(self, parcel: Parcel, now: float) -> None:
        """Add a batch, once however often it is sent, and note the state. One round trip."""
        with self._client.pipeline(transaction=False) as pipe:
            if parcel.slices:
                keys, arguments = self._spell(parcel, now)
                pipe.eval(scripts.ADD_FIGURES, len(keys), *keys, *arguments)
            if parcel.state is not None:
                self._tell_state(pipe, parcel.state, parcel.state_before, now)
            pipe.execute()

    def sign_off(self, state: ProcessState) -> None:
        """Take a process off the list: it has ended. One round trip."""
        self._client.zrem(self._prefix + PROCESSES, processes.encode(state))

    def read_slices(self, starts: Sequence[int], span_seconds: int, now: float) -> dict[int, Slice]:
        """Return the slices that begin then, those that there are; they must not be changed.

        A round trip for each 30, but for those that are settled and were read lately.
        """
        found = self._settled.recall(starts, span_seconds, now)
        unknown = [start for start in starts if start not in found]
        for at in range(0, len(unknown), SLICES_AT_A_TIME):
            some = self._read_some(unknown[at : at + SLICES_AT_A_TIME], span_seconds)
            for start, part in some.items():
                self._settled.remember(start, span_seconds, part, now)
            found |= some
        return {start: part for start, part in found.items() if part is not None}

    def read_totals(self, now: float) -> tuple[Slice, list[SeenProcess]]:
        """Return what was ever counted, and who was heard of lately. One round trip."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.hgetall(self._prefix + TOTALS)
            pipe.zrevrange(self._prefix + PROCESSES, 0, -1, withscores=True)
            fields, states = pipe.execute()
        return Slice().read_fields(fields), processes.decode(states, now)

    def _read_some(self, starts: Sequence[int], span_seconds: int) -> dict[int, Slice | None]:
        with self._client.pipeline(transaction=False) as pipe:
            for start in starts:
                pipe.hgetall(self._prefix + slice_key(start, span_seconds))
                ranking_of_start = self._prefix + ranking_key(start, span_seconds)
                pipe.zrevrange(ranking_of_start, 0, USERS_READ - 1, withscores=True)
            answers = pipe.execute()
        found = dict[int, Slice | None]()
        for start, fields, ranking in zip(starts, answers[::2], answers[1::2], strict=True):
            part = Slice().read_fields(fields) if fields else None
            if part is not None:
                part.ranking.add({user.decode(): int(hits) for user, hits in ranking})
            found[start] = part
        return found

    def _spell(self, parcel: Parcel, now: float) -> tuple[list[str], list[Any]]:
        keys = [delivered_key(parcel.token), TOTALS]
        contents = []
        for start, part in sorted(parcel.slices.items()):
            lives = []
            for span_seconds, kept_seconds in SPANS:
                begin = start_of(start, span_seconds)
                keys += [slice_key(begin, span_seconds), ranking_key(begin, span_seconds)]
                lives.append(int(begin + span_seconds + kept_seconds - now))
            contents.append(
                {
                    "counts": part.spell_fields(),
                    "maxima": part.spell_maxima(),
                    "hits": part.ranking.at_least(),
                    "lives": lives,
                }
            )
        payload = msgspec.json.encode(contents)
        return [self._prefix + key for key in keys], [
            parcel.number,
            HOURS_KEPT_SECONDS,
            *USERS_KEPT,
            payload,
        ]

    def _tell_state(
        self, pipe: Any, state: ProcessState, before: ProcessState | None, now: float
    ) -> None:
        key = self._prefix + PROCESSES
        if before is not None and before != state:
            pipe.zrem(key, processes.encode(before))
        pipe.zadd(key, {processes.encode(state): now})
        pipe.zremrangebyscore(key, "-inf", now - processes.FORGOTTEN_AFTER_SECONDS)
        pipe.zremrangebyrank(key, 0, -processes.PROCESSES_KEPT - 1)
        pipe.expire(key, int(processes.FORGOTTEN_AFTER_SECONDS))
