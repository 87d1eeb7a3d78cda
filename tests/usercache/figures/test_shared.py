"""The figures of all processes in Redis: each counted once, bounded, and gone in time."""

import pytest
from pytest_django import Settings
from redis import Redis

from tests.usercache.clocks import Clock
from usercache.figures.processes import FORGOTTEN_AFTER_SECONDS, ProcessState
from usercache.figures.settled import REMEMBERED_SECONDS, SETTLED_AFTER_SECONDS
from usercache.figures.shared import USERS_KEPT, Parcel
from usercache.figures.slices import HOUR_SECONDS, HOURS_KEPT_SECONDS, MINUTE_SECONDS, Slice
from usercache.keys import ranking_key
from usercache.process import get_store
from usercache.stats import AUDIT_WORST_MS, MISSES
from usercache.totals import Reading, Totals

pytestmark = pytest.mark.redis

HOUR = 1000 * HOUR_SECONDS
MINUTE = HOUR + 5 * MINUTE_SECONDS
STATE = ProcessState("token", "web1", 7, "gunicorn", 1000.0, "closed", "")


@pytest.fixture
def clock() -> Clock:
    return Clock(MINUTE + 30)


@pytest.fixture
def totals(clock: Clock, settings: Settings) -> Totals:
    settings.USERCACHE_STATS_FLUSH_SECONDS = 60.0  # this process has nothing to say
    shared = get_store().shared
    assert shared is not None
    return Totals(shared, clock)


def make_slice(misses: int, **hits: int) -> Slice:
    part = Slice()
    part.counts[MISSES] = misses
    part.latencies["miss"].note(0.25)
    part.note_maximum(AUDIT_WORST_MS, misses)
    part.ranking.add(hits)
    return part


def parcel(number: int, slices: dict[int, Slice]) -> Parcel:
    return Parcel("token", number, slices, None, None)


def read(totals: Totals) -> Reading:
    reading = totals.read([MINUTE], [HOUR])
    assert reading is not None
    return reading


def test_batch_that_is_sent_twice_counts_once(totals: Totals) -> None:
    """In the minute, the hour and the totals; and what comes after it counts, too."""
    first = parcel(1, {MINUTE: make_slice(3, alice=2)})
    assert totals.deliver(first)
    assert totals.deliver(first)
    assert totals.deliver(parcel(2, {MINUTE: make_slice(4, alice=1, bob=1)}))
    reading = read(totals)
    for found in (reading.minutes[MINUTE], reading.hours[HOUR]):
        assert found.counts[MISSES] == 7
        assert found.maxima == {AUDIT_WORST_MS: 4}
        assert found.latencies["miss"].count == 2
        assert found.latencies["miss"].total_seconds == pytest.approx(0.5)
        assert found.ranking.at_least() == {"alice": 3, "bob": 1}
    assert reading.totals.counts[MISSES] == 7


def test_late_batch_counts_where_its_time_is_still_kept(totals: Totals, clock: Clock) -> None:
    """After hours only the hour and the totals get it; after days, the totals."""
    clock.now += 3 * HOUR_SECONDS
    totals.deliver(parcel(1, {MINUTE: make_slice(1)}))
    assert read(totals).minutes == {}
    assert read(totals).hours[HOUR].counts[MISSES] == 1
    totals.deliver(parcel(2, {0: make_slice(1)}))
    assert read(totals).hours[HOUR].counts[MISSES] == 1
    assert read(totals).totals.counts[MISSES] == 2


def test_settled_slices_are_not_read_again(totals: Totals, clock: Clock) -> None:
    """What can't change is remembered for a minute; what still can is read each time."""
    steps = [(0, 1), (SETTLED_AFTER_SECONDS + 30, 2), (1, 2), (REMEMBERED_SECONDS, 4)]
    for number, (seconds, expected) in enumerate(steps):
        clock.now += seconds
        totals.deliver(parcel(1 + number, {MINUTE: make_slice(1)}))
        assert read(totals).minutes[MINUTE].counts[MISSES] == expected


def test_everything_but_the_totals_expires(totals: Totals, redis_client: Redis) -> None:
    """No key is left for ever, and none of a minute longer than its two hours and a bit."""
    totals.deliver(Parcel("token", 1, {MINUTE: make_slice(1, alice=1)}, STATE, None))
    lives = {key.decode(): redis_client.ttl(key) for key in redis_client.scan_iter("*{figures}*")}
    assert len(lives) == 7
    assert [key for key, seconds in lives.items() if seconds < 0] == [
        "hmb:1:usercache:{figures}:totals"
    ]
    assert max(lives.values()) <= HOURS_KEPT_SECONDS + HOUR_SECONDS
    minutes = [seconds for key, seconds in lives.items() if f":{MINUTE_SECONDS}:" in key]
    assert max(minutes) <= 2 * HOUR_SECONDS + MINUTE_SECONDS


def test_rankings_are_bounded(totals: Totals, redis_client: Redis) -> None:
    """However many users there are, a ranking has at most twice those it keeps, the first ones."""
    for number in range(1, 9):
        hits = {f"{number}-{user}": user for user in range(1, 31)}
        totals.deliver(parcel(number, {MINUTE: make_slice(1, **hits)}))
    [key] = redis_client.scan_iter(f"*:{ranking_key(MINUTE, MINUTE_SECONDS)}")
    assert USERS_KEPT[0] <= redis_client.zcard(key) <= 2 * USERS_KEPT[0]
    assert max(read(totals).minutes[MINUTE].ranking.at_least().values()) == 30


def test_processes_come_change_and_go(totals: Totals, clock: Clock) -> None:
    """A process is listed once, as it last described itself, until it ends or isn't heard of."""
    other = STATE._replace(token="other", pid=8)
    totals.deliver(Parcel("token", 0, {}, STATE, None))
    totals.deliver(Parcel("other", 0, {}, other, None))
    opened = STATE._replace(breaker="open")
    clock.now += 5
    totals.deliver(Parcel("token", 0, {}, opened, STATE))
    assert read(totals).processes == [(opened, 0.0), (other, 5.0)]
    totals.sign_off(opened)
    assert read(totals).processes == [(other, 5.0)]
    clock.now += FORGOTTEN_AFTER_SECONDS
    assert read(totals).processes == []
