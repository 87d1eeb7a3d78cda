"""The audit finds what is stale, and nothing else."""

import threading

import pytest
from django.db import OperationalError, models
from pytest_django import Settings

from tests.concurrency import run_together
from tests.counting import counts
from tests.steering import keep_redis_away
from tests.usercache.l1 import bring_l1
from tests.usercache.observability.recorded import recorded
from tests.users import User
from tests.waiting import wait_until
from usercache.backends.base import new_token
from usercache.codec import Values
from usercache.events import L1
from usercache.lookup import Store
from usercache.management.inspection import inspect_user
from usercache.observability import audit
from usercache.observability.audit import Sample
from usercache.observability.metrics import (
    AUDIT_CHECKED,
    AUDIT_EXPLAINED,
    AUDIT_MISMATCHED,
    AUDIT_UNDECIDED,
    AUDIT_WORST_MS,
)
from usercache.observability.metrics.recorder import Recorder
from usercache.observability.observers import observers_of
from usercache.runtime import get_store
from usercache.users import get_user_by_id

WANTED_DIFFERENCES, MOST_WRITES = 10, 3000

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def store(settings: Settings) -> Store:
    """Return the store of a process that compares every hit, and keeps its metrics to itself."""
    settings.USERCACHE_AUDIT_SHARE = 1.0
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 60.0
    return get_store()


@pytest.fixture
def drawn(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Sample]:
    """Keep the hits that were drawn, for the test to judge when it likes."""
    samples = list[Sample]()
    monkeypatch.setattr(observers_of(store).audit, "add", samples.append)
    return samples


def hit(user: User, drawn: list[Sample]) -> Sample:
    """Look the user up until it is a hit."""
    for _ in range(2):
        get_user_by_id(user.pk)
    return drawn[-1]


def judge(store: Store, sample: Sample) -> dict[str, int]:
    """Judge the hit, twice if it is suspect, and return what the audit has counted."""
    suspect = observers_of(store).audit.judge(sample)
    if suspect is not None:
        assert observers_of(store).audit.judge(suspect) is None
    counted = recorded(observers_of(store).recorder)
    return {name: n for name, n in counted.items() if name.startswith("audit_")}


def write_past_the_cache(user: User, **values: object) -> None:
    """Change the row as raw SQL would, without telling the cache."""
    models.QuerySet(User).filter(pk=user.pk).update(**values)


def test_true_hit_is_checked(store: Store, drawn: list[Sample], alice: User) -> None:
    """A hit that is what the database has counts as checked."""
    assert judge(store, hit(alice, drawn)) == {AUDIT_CHECKED: 1}


@pytest.mark.parametrize("is_deleted", [False, True])
def test_stale_record_is_a_mismatch_and_is_dropped(
    store: Store,
    drawn: list[Sample],
    alice: User,
    caplog: pytest.LogCaptureFixture,
    *,
    is_deleted: bool,
) -> None:
    """A record still served though the row differs is told by its fields, not its values."""
    sample = hit(alice, drawn)
    if is_deleted:
        models.QuerySet(User).filter(pk=alice.pk)._raw_delete(using="default")
    else:
        write_past_the_cache(alice, first_name="Alicia")
    assert judge(store, sample) == {AUDIT_CHECKED: 1, AUDIT_MISMATCHED: 1}
    assert ("there is no such user" if is_deleted else "differs in first_name") in caplog.text
    assert "Alic" not in caplog.text
    assert inspect_user(alice.pk).state == "nothing"
    assert next(iter(observers_of(store).recorder.read().values()))[AUDIT_WORST_MS] >= 0


def test_password_is_compared_by_what_two_records_have_in_common(
    store: Store, drawn: list[Sample], alice: User, settings: Settings
) -> None:
    """A changed password is a mismatch; a record of another process's SECRET_KEY is none."""
    settings.USERCACHE_PASSWORD_FINGERPRINT = True
    store, samples = get_store(), list[Sample]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observers_of(store).audit, "add", samples.append)
        sample = hit(alice, samples)
    settings.SECRET_KEY = "another" * 8
    assert judge(store, sample) == {AUDIT_CHECKED: 1}
    write_past_the_cache(alice, password="!another")
    assert judge(store, sample) == {AUDIT_CHECKED: 2, AUDIT_MISMATCHED: 1}


@pytest.mark.redis
def test_l1_hit_is_held_to_what_would_be_served_now(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, alice: User
) -> None:
    """A record that only process memory still has is stale like any other, and is dropped there."""
    settings.USERCACHE_L1_MAX_ENTRIES, settings.USERCACHE_AUDIT_SHARE = 100, 1.0
    samples, store = list[Sample](), get_store()
    monkeypatch.setattr(observers_of(store).audit, "add", samples.append)
    bring_l1(alice.pk, lambda: get_user_by_id(alice.pk))
    get_user_by_id(alice.pk)
    sample = samples[-1]
    assert sample.backend == L1
    write_past_the_cache(alice, first_name="Alicia")
    assert judge(store, sample) == {AUDIT_CHECKED: 1, AUDIT_MISMATCHED: 1}
    found = get_user_by_id(alice.pk)
    assert found is not None
    assert found.first_name == "Alicia"


def test_write_after_the_hit_explains_a_difference(
    store: Store, drawn: list[Sample], alice: User
) -> None:
    """Whether the record is gone, or has been replaced by a newer one: that is no mismatch."""
    for name in ("Alicia", "Ally"):
        sample = hit(alice, drawn)
        alice.first_name = name
        alice.save()
        if name == "Ally":
            get_user_by_id(alice.pk)
        judge(store, sample)
    assert judge(store, hit(alice, drawn)) == {AUDIT_CHECKED: 3, AUDIT_EXPLAINED: 2}


def test_commit_that_is_not_invalidated_yet_explains_a_difference(
    store: Store, drawn: list[Sample], alice: User
) -> None:
    """Between commit and invalidation a write marker stands where the record was."""
    sample = hit(alice, drawn)
    store.set_markers([sample.key], new_token())
    write_past_the_cache(alice, first_name="Alicia")
    assert judge(store, sample) == {AUDIT_CHECKED: 1, AUDIT_EXPLAINED: 1}


def test_suspect_that_is_gone_at_the_second_look_is_explained(
    store: Store, drawn: list[Sample], alice: User
) -> None:
    """A change past the ORM that the relay tells in time is no mismatch."""
    sample = hit(alice, drawn)
    write_past_the_cache(alice, first_name="Alicia")
    suspect = observers_of(store).audit.judge(sample)
    assert suspect is not None
    assert recorded(observers_of(store).recorder).get(AUDIT_CHECKED) is None
    store.invalidate([sample.key])
    assert judge(store, suspect) == {AUDIT_CHECKED: 1, AUDIT_EXPLAINED: 1}


def test_what_cannot_be_compared_is_not_counted_as_checked(
    store: Store, drawn: list[Sample], alice: User
) -> None:
    """A database that fails leaves a hit undecided, and is counted by its error's name."""

    def fail(_pks: object) -> dict[str, Values]:
        raise OperationalError("the database is away")

    sample = hit(alice, drawn)
    failing = sample._replace(source=sample.source._replace(load=fail))
    assert judge(store, failing) == {AUDIT_UNDECIDED: 1}
    assert counts(store)["errors_OperationalError"] == 1


@pytest.mark.redis
def test_hit_of_redis_is_undecided_once_redis_is_away(
    store: Store, drawn: list[Sample], alice: User
) -> None:
    """What a record in Redis has become can't be told from process memory."""
    sample = hit(alice, drawn)
    write_past_the_cache(alice, first_name="Alicia")
    keep_redis_away()
    assert judge(store, sample) == {AUDIT_UNDECIDED: 1}


def test_honest_writers_raise_no_alarm(
    store: Store, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers and writers at once, every hit compared right away: differences, no mismatch."""
    monkeypatch.setattr(audit, "DELAY_SECONDS", 0.0)
    done = threading.Event()

    def write() -> None:
        for number in range(MOST_WRITES):
            if recorded(observers_of(store).recorder).get(AUDIT_EXPLAINED, 0) >= WANTED_DIFFERENCES:
                break
            user = User.objects.get(pk=alice.pk)
            user.first_name = f"Alice {number}"
            user.save()
        done.set()

    def read() -> None:
        while not done.is_set():
            get_user_by_id(alice.pk)

    assert run_together([write, read, read]) == [None] * 3
    assert recorded(observers_of(store).recorder)[AUDIT_EXPLAINED] >= WANTED_DIFFERENCES
    assert recorded(observers_of(store).recorder).get(AUDIT_MISMATCHED, 0) == 0


def test_thread_finds_a_stale_record_by_itself(
    store: Store, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share of the hits is compared off the request's path, and the connection given back."""
    monkeypatch.setattr(audit, "DELAY_SECONDS", 0.0)
    get_user_by_id(alice.pk)
    write_past_the_cache(alice, first_name="Alicia")
    get_user_by_id(alice.pk)
    wait_until(
        lambda: recorded(observers_of(store).recorder).get(AUDIT_MISMATCHED),
        "the mismatch is found",
    )
    found = get_user_by_id(alice.pk)
    assert found is not None
    assert found.first_name == "Alicia"


def test_share_of_the_hits_is_drawn(store: Store) -> None:
    """None with a share of 0, all with 1, and else by chance."""
    drawn = {
        share: audit.Audit(share, Recorder(), store, lambda: 0.4).draws()
        for share in (0, 0.3, 0.5, 1)
    }
    assert drawn == {0: False, 0.3: False, 0.5: True, 1: True}
