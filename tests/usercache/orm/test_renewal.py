"""Write markers of long writes: renewed while the transaction is open, and not a moment longer."""

import gc
import threading

import pytest
from django.db import IntegrityError, transaction
from django.db.models.signals import pre_save
from pytest_django import Settings

from tests.clocks import Clock
from tests.users import User
from usercache.management.inspection import inspect_user
from usercache.orm.writes import RENEWAL
from usercache.runtime import RUNTIME, get_store
from usercache.users import get_user_by_id

pytestmark = pytest.mark.django_db(transaction=True)

TTL_SECONDS = 60.0
THIRD = TTL_SECONDS / 3
A_MOMENT = 0.001


class RollbackError(Exception):
    """End a transaction without a commit."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Clock:
    """Let this process's memory and its renewals go by a clock of the test's own, without Redis."""
    settings.USERCACHE_REDIS_ALIAS = ""
    settings.USERCACHE_WRITE_MARKER_TTL_SECONDS = TTL_SECONDS
    clock = Clock(1000.0)
    monkeypatch.setattr(get_store().memory, "clock", clock)
    monkeypatch.setattr(RENEWAL, "_clock", clock)
    return clock


def pass_time(clock: Clock, seconds: float) -> None:
    """Look for what is due as often as the thread does."""
    for _ in range(round(seconds / (THIRD / 2))):
        clock.now += THIRD / 2
        RENEWAL.renew_due()


def state_of(user: User) -> str:
    return inspect_user(user.pk).state


def test_markers_outlast_their_ttl_while_the_transaction_is_open(
    clock: Clock, alice: User, bob: User
) -> None:
    """Of a query set and of an instance; after the commit they are gone at once."""
    with transaction.atomic():
        User.objects.filter(pk=alice.pk).update(first_name="Alicia")
        bob.save()
        pass_time(clock, 10 * TTL_SECONDS)
        assert [state_of(user) for user in (alice, bob)] == ["write marker", "write marker"]
        assert get_user_by_id(alice.pk) is not None  # its own row, and nothing is filled
        assert state_of(alice) == "write marker"
    assert [state_of(user) for user in (alice, bob)] == ["nothing", "nothing"]
    pass_time(clock, 2 * TTL_SECONDS)
    assert [state_of(user) for user in (alice, bob)] == ["nothing", "nothing"]


def test_without_renewal_they_run_out(clock: Clock, alice: User) -> None:
    """As those of a process that is killed, or stopped."""
    with transaction.atomic():
        alice.save()
        clock.now += TTL_SECONDS
        assert state_of(alice) == "nothing"


def test_due_is_what_was_set_a_third_of_the_ttl_ago(clock: Clock, alice: User) -> None:
    """Neither earlier nor twice, which would cost Redis a round trip each time."""
    with transaction.atomic():
        alice.save()
        clock.now += THIRD
        RENEWAL.renew_due()
        clock.now += THIRD - A_MOMENT
        RENEWAL.renew_due()  # too early
        clock.now += TTL_SECONDS - THIRD
        assert state_of(alice) == "write marker"
        clock.now += A_MOMENT
        assert state_of(alice) == "nothing"


def test_thread_looks_twice_in_each_third(clock: Clock) -> None:
    """A write marker that was just too young isn't late for long."""
    waited = list[float | None]()

    class Ended(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout)
            return len(waited) == 3

    RENEWAL._run(Ended())
    assert waited == [THIRD / 2] * 3


def test_rolled_back_write_is_not_renewed(clock: Clock, alice: User) -> None:
    """Its write marker runs out by its TTL, as it always did."""
    with pytest.raises(RollbackError), transaction.atomic():
        User.objects.filter(pk=alice.pk).update(first_name="Alicia")
        raise RollbackError
    pass_time(clock, TTL_SECONDS)
    assert state_of(alice) == "nothing"


def refuse(**_kwargs: object) -> None:
    raise RollbackError


def test_failed_write_is_not_renewed_by_later_transactions(
    clock: Clock, alice: User, bob: User
) -> None:
    """Of the same connection, though its instance and its traceback are kept."""
    alice.email = bob.email
    with pytest.raises(IntegrityError) as alone:
        alice.save()
    with pytest.raises(IntegrityError) as within, transaction.atomic():
        bob.email = "alice@example.com"
        bob.save()
    with transaction.atomic():
        pass_time(clock, TTL_SECONDS)
        assert [state_of(user) for user in (alice, bob)] == ["nothing", "nothing"]
    del alone, within


def test_rolled_back_savepoint_is_not_renewed(clock: Clock, alice: User, bob: User) -> None:
    """Though the transaction around it goes on, and what else it has written is renewed."""
    with transaction.atomic():
        bob.save()
        with pytest.raises(RollbackError), transaction.atomic():
            User.objects.filter(pk=alice.pk).update(first_name="Alicia")
            raise RollbackError
        pass_time(clock, TTL_SECONDS)
        assert [state_of(user) for user in (alice, bob)] == ["nothing", "write marker"]


def test_failed_save_that_is_committed_all_the_same(clock: Clock, alice: User) -> None:
    """Where the transaction goes on, the row may have changed: its marker stands to the end."""
    pre_save.connect(refuse, sender=User)
    try:
        with transaction.atomic():
            with pytest.raises(RollbackError):
                alice.save()
            pass_time(clock, 2 * TTL_SECONDS)
            assert state_of(alice) == "write marker"
    finally:
        pre_save.disconnect(refuse, sender=User)
    assert state_of(alice) == "nothing"


def test_failed_write_is_not_renewed(clock: Clock, alice: User, bob: User) -> None:
    """Nor one that failed outside of any transaction, also while its instance is kept."""
    alice.email = bob.email
    with pytest.raises(IntegrityError):
        alice.save()
    pass_time(clock, TTL_SECONDS)
    assert state_of(alice) == "nothing"


def test_writes_that_ended_are_forgotten(clock: Clock, alice: User) -> None:
    """However many there were: nothing of them is held."""
    for _ in range(10):
        alice.save()
        with pytest.raises(RollbackError), transaction.atomic():
            alice.save()
            raise RollbackError
    gc.collect()
    assert len(RENEWAL._set_at) <= 1  # the last error's traceback may hold one


def test_lowering_wins_over_a_renewal_under_way(clock: Clock, alice: User) -> None:
    """A renewal that comes late raises nothing that nobody would take off any more."""
    with transaction.atomic():
        User.objects.filter(pk=alice.pk).update(first_name="Alicia")
        [at_commit] = RENEWAL._set_at
    with transaction.atomic():  # another of the same connection's
        at_commit.write.renew()
    assert state_of(alice) == "nothing"


@pytest.mark.redis
def test_thread_renews(settings: Settings, alice: User) -> None:
    """In Redis, by the process's own thread: the write marker stands long after its first TTL."""
    settings.USERCACHE_WRITE_MARKER_TTL_SECONDS = 0.6
    with transaction.atomic():
        alice.save()
        first = inspect_user(alice.pk)
        assert first.ttl_seconds is not None
        left = [first.ttl_seconds]
        for _ in range(5):  # times that it was seen to go up again
            while (now := inspect_user(alice.pk).ttl_seconds) is not None and now <= left[-1]:
                left[-1] = now
            assert now is not None, "it ran out"
            left.append(now)
        assert state_of(alice) == "write marker"
    assert state_of(alice) == "nothing"


def test_a_new_process_waits_for_no_lock_of_its_parent(alice: User) -> None:
    """A thread that held it when the process forked doesn't exist in the child."""
    RUNTIME.stop()
    RENEWAL._lock.acquire()
    with transaction.atomic():
        get_store()
        assert not RENEWAL._lock.locked()
        alice.save()
