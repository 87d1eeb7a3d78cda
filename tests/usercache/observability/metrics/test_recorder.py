"""Counting in one process: nothing is lost, nothing counted twice, nothing grows for ever."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pytest

from tests.clocks import Clock
from tests.usercache.observability.recorded import recorded
from usercache.events import MISS, REDIS
from usercache.observability.metrics import HOUR_SECONDS, HOURS_KEPT_SECONDS, UNTIMED
from usercache.observability.metrics.recorder import LARGEST_BATCH, Recorder
from usercache.observability.metrics.time_buckets import TimeBucket, add_up

WAIT_SECONDS = 10.0
A_MOMENT_SECONDS = 0.2


def note(recorder: Recorder, result: str, times: int = 1, pk: object = 7) -> None:
    for _ in range(times):
        recorder.note_lookup(result, perf_counter(), pk)


def test_threads_lose_no_count() -> None:
    """Look-ups and events of several threads add up, also while another thread folds them in."""
    recorder = Recorder()

    def count() -> None:
        for _ in range(2000):
            recorder.count("fills")
            note(recorder, REDIS)

    with ThreadPoolExecutor(5) as pool:
        for _ in range(4):
            pool.submit(count)
        for _ in range(20):
            pool.submit(recorder.fold)
    assert recorded(recorder) == {"fills": 8000, "hits_redis": 8000}


def test_look_up_is_counted_with_its_latency_and_its_user() -> None:
    """A hit counts for its user, by number or by text; a miss, having gone to the database, not."""
    recorder = Recorder()
    note(recorder, REDIS, 2, pk=7)
    recorder.note_lookup(REDIS, perf_counter() - 0.5, "7")
    note(recorder, MISS, pk=8)
    found = add_up(recorder.read().values())
    assert found.counts == {"hits_redis": 3, "misses": 1}
    assert found.ranking.at_least() == {"7": 3}
    slowest = found.histogram([REDIS]).quantile(1.0)
    assert slowest is not None
    assert 0.5 <= slowest < 0.6
    assert sum(found.histogram([MISS]).counts) == 1


def test_look_ups_beyond_the_room_are_counted_all_the_same() -> None:
    """When look-ups come faster than they are folded in, latency and user are lost, no count."""
    recorder = Recorder(room=10)
    note(recorder, REDIS, 15)
    note(recorder, MISS, 3)
    for _ in range(2):
        assert recorded(recorder) == {"hits_redis": 15, "misses": 3, UNTIMED: 8}
    note(recorder, MISS, 11)
    assert recorded(recorder) == {"hits_redis": 15, "misses": 14, UNTIMED: 9}


def test_batch_keeps_its_number_and_content_until_it_has_arrived() -> None:
    """What may have arrived is sent again as it was; what is counted meanwhile waits its turn."""
    recorder = Recorder()
    recorder.count("fills")
    batch = recorder.next_batch()
    assert batch is not None
    recorder.count("fills")
    assert recorder.next_batch() is batch
    assert [part.counts for part in batch.buckets.values()] == [{"fills": 1}]
    assert recorded(recorder) == {"fills": 2}
    recorder.acknowledge(batch)
    following = recorder.next_batch()
    assert following is not None
    assert following.number == batch.number + 1
    recorder.acknowledge(following)
    assert recorder.next_batch() is None


def test_what_waits_for_days_is_bounded_and_complete() -> None:
    """Undelivered minutes become hours after two hours, and a remainder after two days."""
    clock = Clock(100 * HOUR_SECONDS)
    recorder = Recorder(clock)
    minutes = 3 * 24 * 60
    for _ in range(minutes):
        recorder.count("fills")
        recorder.fold()
        clock.now += 60
    waiting = recorder.read()
    assert len(waiting) <= 120 + HOURS_KEPT_SECONDS // HOUR_SECONDS + 1
    assert waiting[0]["fills"] > 0
    assert recorded(recorder) == {"fills": minutes}
    batch = recorder.next_batch()
    assert batch is not None
    assert len(batch.buckets) == LARGEST_BATCH


def test_what_another_thread_is_folding_is_read_once_it_is_folded() -> None:
    """Between the two it would be counted nowhere."""
    recorder, taken, go_on = Recorder(), threading.Event(), threading.Event()
    add = TimeBucket.note_latencies

    def add_slowly(bucket: TimeBucket, result: str, seconds: Sequence[float]) -> None:
        taken.set()
        assert go_on.wait(WAIT_SECONDS)
        add(bucket, result, seconds)

    recorder.note_lookup(REDIS, 0.0, "7")
    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(2) as pool:
        patched.setattr(TimeBucket, "note_latencies", add_slowly)
        folding = pool.submit(recorder.fold)
        assert taken.wait(WAIT_SECONDS)
        reading = pool.submit(recorded, recorder)
        with pytest.raises(TimeoutError):
            reading.result(A_MOMENT_SECONDS)
        go_on.set()
        folding.result(WAIT_SECONDS)
        assert reading.result(WAIT_SECONDS) == {"hits_redis": 1}
