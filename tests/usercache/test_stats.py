"""Counting in one process: nothing is lost, nothing counted twice, nothing grows for ever."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from tests.usercache.clocks import Clock
from usercache.figures.slices import HOUR_SECONDS, HOURS_KEPT_SECONDS, add_up
from usercache.stats import LARGEST_BATCH, MISS, REDIS, UNTIMED, Stats


def note(stats: Stats, result: str, times: int = 1, pk: object = 7) -> None:
    for _ in range(times):
        stats.note_lookup(result, perf_counter(), pk)


def test_threads_lose_no_count() -> None:
    """Look-ups and events of several threads add up, also while another thread folds them in."""
    stats = Stats()

    def count() -> None:
        for _ in range(2000):
            stats.count("fills")
            note(stats, REDIS)

    with ThreadPoolExecutor(5) as pool:
        for _ in range(4):
            pool.submit(count)
        for _ in range(20):
            pool.submit(stats.fold)
    assert stats.peek() == {"fills": 8000, "hits_redis": 8000}


def test_look_up_is_counted_with_its_latency_and_its_user() -> None:
    """A hit counts for its user, by number or by text; a miss, having gone to the database, not."""
    stats = Stats()
    note(stats, REDIS, 2, pk=7)
    stats.note_lookup(REDIS, perf_counter() - 0.5, "7")
    note(stats, MISS, pk=8)
    found = add_up(stats.read().values())
    assert found.counts == {"hits_redis": 3, "misses": 1}
    assert found.ranking.at_least() == {"7": 3}
    slowest = found.latencies[REDIS].quantile(1.0)
    assert slowest is not None
    assert 0.5 <= slowest < 0.6
    assert found.latencies[MISS].count == 1


def test_look_ups_beyond_the_room_are_counted_all_the_same() -> None:
    """When look-ups come faster than they are folded in, latency and user are lost, no count."""
    stats = Stats(room=10)
    note(stats, REDIS, 15)
    note(stats, MISS, 3)
    for _ in range(2):
        assert stats.peek() == {"hits_redis": 15, "misses": 3, UNTIMED: 8}
    note(stats, MISS, 11)
    assert stats.peek() == {"hits_redis": 15, "misses": 14, UNTIMED: 9}


def test_batch_keeps_its_number_and_content_until_it_has_arrived() -> None:
    """What may have arrived is sent again as it was; what is counted meanwhile waits its turn."""
    stats = Stats()
    stats.count("fills")
    batch = stats.begin_delivery()
    assert batch is not None
    stats.count("fills")
    assert stats.begin_delivery() is batch
    assert [part.counts for part in batch.slices.values()] == [{"fills": 1}]
    assert stats.peek() == {"fills": 2}
    stats.end_delivery(batch)
    following = stats.begin_delivery()
    assert following is not None
    assert following.number == batch.number + 1
    stats.end_delivery(following)
    assert stats.begin_delivery() is None


def test_what_waits_for_days_is_bounded_and_complete() -> None:
    """Undelivered minutes become hours after two hours, and a remainder after two days."""
    clock = Clock(100 * HOUR_SECONDS)
    stats = Stats(clock)
    minutes = 3 * 24 * 60
    for _ in range(minutes):
        stats.count("fills")
        stats.fold()
        clock.now += 60
    waiting = stats.read()
    assert len(waiting) <= 120 + HOURS_KEPT_SECONDS // HOUR_SECONDS + 1
    assert waiting[0].counts["fills"] > 0
    assert stats.peek() == {"fills": minutes}
    batch = stats.begin_delivery()
    assert batch is not None
    assert len(batch.slices) == LARGEST_BATCH
