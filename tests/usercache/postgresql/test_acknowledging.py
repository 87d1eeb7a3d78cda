"""Rows that Redis has confirmed leave the outbox soon, and no write waits for it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext

from tests.counting import counts
from tests.users import User
from tests.waiting import wait_until
from usercache.lookup import Store
from usercache.models import PendingInvalidation
from usercache.postgresql import acknowledging
from usercache.postgresql.acknowledging import ACKNOWLEDGEMENTS, Acknowledgements
from usercache.runtime import RUNTIME, get_store
from usercache.workers import Worker

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

FAR_OFF = 3600.0


@pytest.fixture(autouse=True)
def _in_background(alice: User, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the thread delete rows, as it does outside of tests."""
    monkeypatch.setattr(ACKNOWLEDGEMENTS, "take", Acknowledgements.take.__get__(ACKNOWLEDGEMENTS))
    get_store()


@pytest.fixture
def gathers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the thread wait for more writes until it is ended."""
    monkeypatch.setattr(acknowledging, "GATHERING_SECONDS", FAR_OFF)


def waiting() -> set[str]:
    return set(PendingInvalidation.objects.values_list("user_id", flat=True))


def rename(user: User) -> None:
    user.first_name += "x"
    user.save(update_fields=["first_name"])


def test_a_save_waits_for_its_own_statement_alone(alice: User) -> None:
    """One statement, as without a cache; the row is deleted all the same."""
    with CaptureQueriesContext(connection) as queries:
        rename(alice)
    assert len(queries) == 1
    wait_until(lambda: not waiting(), "the row is deleted")


def test_a_save_of_all_columns_makes_one_query_more(alice: User) -> None:
    """For the identifiers that it may change."""
    with CaptureQueriesContext(connection) as queries:
        alice.save()
    assert len(queries) == 2
    wait_until(lambda: not waiting(), "the row is deleted")


def test_rows_of_several_writes_are_deleted_together(
    alice: User, bob: User, gathers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one statement, at the latest when the process ends in good order."""
    deleted, delete = list[set[str]](), acknowledging.delete_rows

    def note(connection: Any, labels: Any, user_ids: Any) -> None:
        deleted.append(set(user_ids))
        delete(connection, labels, user_ids)

    monkeypatch.setattr(acknowledging, "delete_rows", note)
    for user in (alice, bob, alice):
        rename(user)
    assert waiting() == {str(alice.pk), str(bob.pk)}
    RUNTIME.stop()
    assert deleted == [{str(alice.pk), str(bob.pk)}]
    assert not waiting()


def test_what_redis_did_not_confirm_stays(
    alice: User, bob: User, gathers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's confirmed row is deleted, this one's waits for the relay."""
    rename(bob)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "clear_markers", lambda *_arguments: False)
        rename(alice)
    RUNTIME.stop()
    assert waiting() == {str(alice.pk)}


def test_a_rolled_back_write_acknowledges_nothing(alice: User, gathers: None) -> None:
    """It has no row."""
    with pytest.raises(RuntimeError), transaction.atomic():
        rename(alice)
        raise RuntimeError
    assert not ACKNOWLEDGEMENTS._rows


def test_a_shared_label_is_acknowledged_at_once(alice: User, bob: User, gathers: None) -> None:
    """A write within another has its label: a row of the outer one may come after the inner's."""

    def save_bob(instance: User, **_options: object) -> None:
        if instance == alice:
            rename(bob)

    post_save.connect(save_bob, sender=User)
    try:
        post_save.receivers.reverse()  # before ours, so that alice's is still under way
        post_save.sender_receivers_cache.clear()
        rename(alice)
    finally:
        post_save.receivers.reverse()
        post_save.disconnect(save_bob, sender=User)
    assert not ACKNOWLEDGEMENTS._rows
    assert not waiting()


@pytest.mark.parametrize(
    "hinder",
    [
        lambda patch: patch.setattr(acknowledging, "MOST_ROWS", 0),
        lambda _patch: RUNTIME.stop(),
    ],
    ids=["too many", "no thread"],
)
def test_where_the_thread_takes_nothing(
    alice: User, hinder: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write deletes its own row."""
    hinder(monkeypatch)
    monkeypatch.setattr(Worker, "start", lambda _self: None)
    rename(alice)
    assert not waiting()


def test_an_error_of_the_database_is_counted(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row stays for the relay, and the thread goes on."""

    def fail(*_arguments: object) -> None:
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(acknowledging, "delete_rows", fail)
        rename(alice)
        wait_until(lambda: counts().get("errors_OperationalError") == 1, "the error is counted")
    assert waiting() == {str(alice.pk)}
    rename(alice)
    wait_until(lambda: len(PendingInvalidation.objects.all()) == 1, "the other row is deleted")
