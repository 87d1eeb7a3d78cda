"""The circuit breaker, under a clock that the test moves."""

import pytest

from tests.clocks import Clock
from usercache.backends.breaker import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PAUSE_JITTER,
    Breaker,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    """Return one that has been closed for a while."""
    breaker = Breaker(clock=clock, random=lambda: 0.0)
    close(breaker)
    clock.now += FIRST_PAUSE_SECONDS
    return breaker


def close(breaker: Breaker) -> None:
    assert breaker.begin_probe()
    assert breaker.close(breaker.recover())


def open_at_once(breaker: Breaker) -> None:
    assert breaker.failed(at_once=True)


def go_away(breaker: Breaker) -> None:
    open_at_once(breaker)
    assert breaker.begin_probe()
    breaker.stay_open()


def test_begins_in_doubt(clock: Clock) -> None:
    """A new one wants to be probed at once, and until then is neither in use nor away."""
    breaker = Breaker(clock=clock, random=lambda: 0.0)
    assert not breaker.permits()
    assert not breaker.is_away
    assert (breaker.is_closed, breaker.state) == (False, "probing")
    assert breaker.seconds_to_probe == 0
    breaker.succeeded()
    assert not breaker.verdict.is_set()
    close(breaker)
    assert breaker.permits()
    assert breaker.is_closed
    assert breaker.verdict.is_set()


def test_first_probe_is_due_whatever_the_clock_says() -> None:
    """A clock that began with the machine may be near 0."""
    assert Breaker(clock=Clock(now=0.0), random=lambda: 0.0).begin_probe()


def test_invalidations_go_through_from_the_beginning(clock: Clock) -> None:
    """Who writes one user and ends has told Redis; after one has failed, the next doesn't wait."""
    breaker = Breaker(clock=clock, random=lambda: 0.0)
    assert breaker.permits(invalidates=True)
    assert not breaker.failed(at_once=True)
    assert not breaker.permits(invalidates=True)
    assert breaker.begin_probe()
    refused_before = breaker.recover()
    assert breaker.permits(invalidates=True)
    assert breaker.close(refused_before)


def test_failed_read_before_the_verdict_stops_no_invalidation(clock: Clock) -> None:
    """Metrics that couldn't be sent say nothing of what writes owe."""
    breaker = Breaker(clock=clock, random=lambda: 0.0)
    assert not breaker.failed(at_once=False)
    assert breaker.permits(invalidates=True)


def test_third_failure_in_a_row_opens(breaker: Breaker) -> None:
    """Two failures change nothing, the third opens."""
    assert not breaker.failed(at_once=False)
    assert not breaker.failed(at_once=False)
    assert breaker.permits()
    assert breaker.failed(at_once=False)
    assert not breaker.permits()


def test_success_forgets_failures(breaker: Breaker) -> None:
    """Only failures in a row count."""
    for _ in range(5):
        breaker.failed(at_once=False)
        breaker.failed(at_once=False)
        breaker.succeeded()
    assert breaker.permits()


def test_closing_forgets_failures(breaker: Breaker, clock: Clock) -> None:
    """Those before an opening are none of those after it."""
    breaker.failed(at_once=False)
    open_at_once(breaker)
    close(breaker)
    assert not breaker.failed(at_once=False)
    assert not breaker.failed(at_once=False)
    assert breaker.permits()


def test_failure_at_once_opens(breaker: Breaker) -> None:
    """A failed invalidation doesn't wait for two more."""
    open_at_once(breaker)
    assert not breaker.permits()
    assert not breaker.permits(invalidates=True)


def test_doubt_comes_before_the_pauses(breaker: Breaker) -> None:
    """It is probed at once after it has opened, and away only when that has failed."""
    open_at_once(breaker)
    assert (breaker.is_away, breaker.state) == (False, "probing")
    assert breaker.begin_probe()
    breaker.stay_open()
    assert (breaker.is_away, breaker.state) == (True, "open")
    assert not breaker.begin_probe()


def test_opening_soon_after_closing_pauses_in_doubt(breaker: Breaker, clock: Clock) -> None:
    """One that fails again and again costs one timeout in two seconds, not one after the other."""
    open_at_once(breaker)
    close(breaker)
    clock.now += 0.5
    open_at_once(breaker)
    assert (breaker.is_away, breaker.seconds_to_probe) == (False, FIRST_PAUSE_SECONDS - 0.5)
    assert not breaker.begin_probe()
    clock.now += FIRST_PAUSE_SECONDS - 0.5
    close(breaker)
    clock.now += FIRST_PAUSE_SECONDS
    open_at_once(breaker)
    assert breaker.seconds_to_probe == 0


def test_pauses_double_up_to_a_minute(breaker: Breaker, clock: Clock) -> None:
    """A probe is due after 0, 2, 4, 8, 16, 32, 60, 60 seconds, and not a moment earlier."""
    for _ in range(2):
        go_away(breaker)
        for pause in (2, 4, 8, 16, 32, 60, 60):
            assert breaker.seconds_to_probe == pause
            clock.now += pause - 0.001
            assert not breaker.begin_probe()
            assert breaker.state == "open"
            clock.now += 0.001
            assert breaker.begin_probe()
            assert breaker.state == "probing"
            breaker.stay_open()
        clock.now += 60
        close(breaker)
        assert breaker.seconds_to_probe == 0
        clock.now += FIRST_PAUSE_SECONDS


def test_pause_is_shortened_at_random(clock: Clock) -> None:
    """The random part is taken off, so that no pause is longer than promised."""
    breaker = Breaker(clock=clock, random=lambda: 1.0)
    assert breaker.begin_probe()
    breaker.stay_open()
    assert breaker.seconds_to_probe == pytest.approx(2 * (1 - PAUSE_JITTER))
    assert breaker.seconds_to_probe < LONGEST_PAUSE_SECONDS


def test_one_caller_probes(breaker: Breaker) -> None:
    """While one probes, nobody else is told to."""
    open_at_once(breaker)
    assert [breaker.begin_probe() for _ in range(3)] == [True, False, False]
    breaker.stay_open()
    assert not breaker.begin_probe()


def test_nobody_probes_what_is_in_use(breaker: Breaker) -> None:
    """Closed, it answers by being used."""
    assert not breaker.begin_probe()


def test_late_failure_of_an_open_breaker_changes_nothing(breaker: Breaker, clock: Clock) -> None:
    """Calls that were under way when it opened don't put the probe off."""
    go_away(breaker)
    clock.now += 1
    assert not breaker.failed(at_once=True)
    assert breaker.seconds_to_probe == 1


def test_late_success_doesnt_close(breaker: Breaker) -> None:
    """A read that was under way says nothing about writes; only a probe closes."""
    open_at_once(breaker)
    breaker.succeeded()
    assert not breaker.permits()


def test_recovery_lets_invalidations_through(breaker: Breaker) -> None:
    """Writes that never cease don't keep the breaker open: while it recovers they are heard."""
    open_at_once(breaker)
    assert breaker.begin_probe()
    assert not breaker.permits(invalidates=True)
    refused_before = breaker.recover()
    assert breaker.permits(invalidates=True)
    assert not breaker.permits()
    assert breaker.close(refused_before)
    assert breaker.permits()


def test_stays_open_for_an_invalidation_that_was_refused_meanwhile(breaker: Breaker) -> None:
    """What came between the count and the recovery must be drained first."""
    open_at_once(breaker)
    assert breaker.begin_probe()
    refused_before = breaker.recover()
    breaker.stay_open()
    assert not breaker.permits(invalidates=True)
    assert not breaker.close(refused_before)
    assert breaker.close(breaker.recover())


def test_stays_open_for_an_invalidation_that_failed_meanwhile(breaker: Breaker) -> None:
    """What was let through while recovering, and failed, must be drained first."""
    open_at_once(breaker)
    assert breaker.begin_probe()
    refused_before = breaker.recover()
    assert breaker.permits(invalidates=True)
    assert not breaker.failed(at_once=True)
    assert not breaker.close(refused_before)
    assert not breaker.permits()
    assert breaker.close(breaker.recover())
    assert breaker.permits()


def test_after_a_failed_invalidation_none_is_let_through(breaker: Breaker) -> None:
    """The next one would wait for the same timeout."""
    open_at_once(breaker)
    assert breaker.begin_probe()
    breaker.recover()
    assert not breaker.failed(at_once=True)
    assert not breaker.permits(invalidates=True)


def test_failed_recovery_refuses_invalidations_again(breaker: Breaker) -> None:
    """Once a probe has failed, nobody asks before the next."""
    open_at_once(breaker)
    assert breaker.begin_probe()
    breaker.recover()
    breaker.stay_open()
    assert not breaker.permits(invalidates=True)
