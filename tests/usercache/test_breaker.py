"""The circuit breaker, under a clock that the test moves."""

import pytest

from tests.usercache.clocks import Clock
from usercache.breaker import LONGEST_PAUSE_SECONDS, PAUSE_JITTER, Breaker, Permit


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock=clock, random=lambda: 0.0)


def ask(breaker: Breaker, *, invalidates: bool = False, may_probe: bool = True) -> Permit:
    return breaker.permit(invalidates=invalidates, may_probe=may_probe)


def open_at_once(breaker: Breaker) -> None:
    assert breaker.failed(at_once=True)


def test_third_failure_in_a_row_opens(breaker: Breaker) -> None:
    """Two failures change nothing, the third opens."""
    assert not breaker.failed(at_once=False)
    assert not breaker.failed(at_once=False)
    assert ask(breaker) is Permit.USE
    assert breaker.failed(at_once=False)
    assert ask(breaker) is Permit.REFUSE


def test_success_forgets_failures(breaker: Breaker) -> None:
    """Only failures in a row count."""
    for _ in range(5):
        breaker.failed(at_once=False)
        breaker.failed(at_once=False)
        breaker.succeeded()
    assert ask(breaker) is Permit.USE


def test_failure_at_once_opens(breaker: Breaker) -> None:
    """A failed invalidation doesn't wait for two more."""
    open_at_once(breaker)
    assert ask(breaker) is Permit.REFUSE


def test_pauses_double_up_to_a_minute(breaker: Breaker, clock: Clock) -> None:
    """A probe is due after 2, 4, 8, 16, 32, 60, 60 seconds, and not a moment earlier."""
    open_at_once(breaker)
    for pause in (2, 4, 8, 16, 32, 60, 60):
        clock.now += pause - 0.001
        assert ask(breaker) is Permit.REFUSE
        clock.now += 0.001
        assert ask(breaker) is Permit.PROBE
        breaker.stay_open()


def test_pause_is_shortened_at_random(clock: Clock) -> None:
    """The random part is taken off, so that no pause is longer than promised."""
    breaker = Breaker(clock=clock, random=lambda: 1.0)
    open_at_once(breaker)
    assert breaker.seconds_to_probe == pytest.approx(2 * (1 - PAUSE_JITTER))
    assert breaker.seconds_to_probe < LONGEST_PAUSE_SECONDS


def test_one_caller_probes(breaker: Breaker, clock: Clock) -> None:
    """While one probes, the others are refused instead of waiting."""
    open_at_once(breaker)
    clock.now += 2
    assert [ask(breaker) for _ in range(3)] == [Permit.PROBE, Permit.REFUSE, Permit.REFUSE]
    assert breaker.state == "probing"


def test_healthy_probe_closes(breaker: Breaker, clock: Clock) -> None:
    """After a healthy probe everybody is served, and the next opening pauses for 2 s again."""
    for _ in range(2):
        open_at_once(breaker)
        assert breaker.seconds_to_probe == 2
        clock.now += 2
        assert ask(breaker) is Permit.PROBE
        assert breaker.close(breaker.recover())
        assert ask(breaker) is Permit.USE
        assert breaker.state == "closed"


def test_late_failure_of_an_open_breaker_changes_nothing(breaker: Breaker, clock: Clock) -> None:
    """Calls that were under way when it opened don't put the probe off."""
    open_at_once(breaker)
    clock.now += 1
    assert not breaker.failed(at_once=True)
    clock.now += 1
    assert ask(breaker) is Permit.PROBE


def test_late_success_doesnt_close(breaker: Breaker) -> None:
    """A read that was under way says nothing about writes; only a probe closes."""
    open_at_once(breaker)
    breaker.succeeded()
    assert ask(breaker) is Permit.REFUSE


def test_caller_who_may_not_probe_leaves_it_to_others(breaker: Breaker, clock: Clock) -> None:
    """Within a transaction nobody probes, since what recovery does would be part of it."""
    open_at_once(breaker)
    clock.now += 2
    assert ask(breaker, may_probe=False) is Permit.REFUSE
    assert ask(breaker) is Permit.PROBE


def test_recovery_lets_invalidations_through(breaker: Breaker, clock: Clock) -> None:
    """Writes that never cease don't keep the breaker open: while it recovers they are heard."""
    open_at_once(breaker)
    clock.now += 2
    assert ask(breaker) is Permit.PROBE
    assert ask(breaker, invalidates=True) is Permit.REFUSE
    refused_before = breaker.recover()
    assert ask(breaker, invalidates=True) is Permit.USE
    assert ask(breaker) is Permit.REFUSE
    assert breaker.close(refused_before)
    assert ask(breaker) is Permit.USE


def test_stays_open_for_an_invalidation_that_failed_meanwhile(
    breaker: Breaker, clock: Clock
) -> None:
    """What was let through while recovering, and failed, must be carried out first."""
    open_at_once(breaker)
    clock.now += 2
    assert ask(breaker) is Permit.PROBE
    refused_before = breaker.recover()
    assert ask(breaker, invalidates=True) is Permit.USE
    assert not breaker.failed(at_once=True)
    assert not breaker.close(refused_before)
    assert ask(breaker) is Permit.REFUSE
    assert breaker.close(breaker.recover())
    assert ask(breaker) is Permit.USE


def test_failed_recovery_refuses_invalidations_again(breaker: Breaker, clock: Clock) -> None:
    """Once a probe has failed, nobody asks before the next."""
    open_at_once(breaker)
    clock.now += 2
    assert ask(breaker) is Permit.PROBE
    breaker.recover()
    breaker.stay_open()
    assert ask(breaker, invalidates=True) is Permit.REFUSE
