"""What Redis confirmed of a write is settled, what it did not is owed, batch by batch."""

from collections.abc import Sequence

import pytest
from django.db import connection, transaction
from django.db.utils import OperationalError
from django.test.utils import CaptureQueriesContext

from tests.counting import counts
from tests.users import User
from usercache.database import after_commit
from usercache.keys import POINTER_PREFIXES
from usercache.lookup import Store
from usercache.models import PendingInvalidation
from usercache.orm import outbox
from usercache.orm.outbox import JOURNALS
from usercache.orm.writes import Write
from usercache.runtime import get_store

pytestmark = [
    pytest.mark.redis,
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
]


def waiting() -> set[str]:
    return set(PendingInvalidation.objects.values_list("user_id", flat=True))


@pytest.fixture(autouse=True)
def _one_user_to_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two users be two batches."""
    monkeypatch.setattr("usercache.orm.writes.WRITES_AT_ONCE", 1)


def refuse_first(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Let Redis hear all batches but the first."""
    tell, calls = getattr(Store, method), list[object]()

    def refuse_or_tell(store: Store, *arguments: object) -> bool:
        calls.append(arguments)
        return len(calls) > 1 and bool(tell(store, *arguments))

    monkeypatch.setattr(Store, method, refuse_or_tell)


def update_both(alice: User, bob: User) -> None:
    User.objects.filter(pk__in=[alice.pk, bob.pk]).order_by("pk").update(location="Nassau")


def test_settling_leaves_others_rows(alice: User, bob: User) -> None:
    """A write takes its own rows away and nobody else's."""
    outbox.enqueue("default", [bob.pk])
    alice.save()
    assert waiting() == {str(bob.pk)}


@pytest.mark.parametrize("method", ["set_markers", "clear_markers"])
def test_batch_that_was_not_heard_is_owed(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """One batch that Redis did not hear of waits for anybody, whatever became of the next."""
    with monkeypatch.context() as patched:
        refuse_first(patched, method)
        update_both(alice, bob)
    first = min(alice.pk, bob.pk)
    assert PendingInvalidation.objects.filter(user_id=str(first), write_label="").exists()


def test_batch_that_was_confirmed_is_settled(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Redis confirmed of a write is taken away, though another batch of it failed."""
    with monkeypatch.context() as patched:
        refuse_first(patched, "clear_markers")
        update_both(alice, bob)
    assert waiting() == {str(min(alice.pk, bob.pk))}


def test_new_rows_that_were_not_heard_are_owed(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row whose key was not known before its insert is noted for anybody, before the commit."""
    with monkeypatch.context() as patched, transaction.atomic():
        patched.setattr(Store, "set_markers", lambda *_: False)
        User(email="new@example.com", password="!").save()
        new = User.objects.get(email="new@example.com")
        assert PendingInvalidation.objects.filter(user_id=str(new.pk), write_label="").exists()


def test_new_rows_are_noted_once(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was noted with the insert isn't noted again when the invalidation isn't heard."""
    with monkeypatch.context() as patched:
        for method in ("set_markers", "clear_markers"):
            patched.setattr(Store, method, lambda *_: False)
        new = User.objects.create(email="new@example.com", password="!")
    rows = PendingInvalidation.objects.filter(user_id=str(new.pk), write_label="")
    assert rows.count() == 1


def test_unlabelled_rows_are_noted_once(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where triggers have noted a row for anybody, the writer doesn't note it again."""
    with monkeypatch.context() as patched:
        patched.setattr(Store, "set_markers", lambda *_: False)
        patched.setattr(Store, "clear_markers", lambda *_: False)
        update_both(alice, bob)
    assert PendingInvalidation.objects.count() == 2


def test_outbox_that_fails_after_the_commit_fails_no_write(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is counted, the row stays for the relay, and the connection is kept."""
    used = connection.connection

    def fail(*_arguments: object) -> None:
        raise OperationalError

    with monkeypatch.context() as patched:
        patched.setattr(JOURNALS[connection.vendor], "acknowledge", fail)
        alice.save()
    assert connection.connection is used
    assert waiting() == {str(alice.pk)}
    assert counts()["errors_OperationalError"] == 1


def test_rows_that_came_to_match_are_announced(alice: User, bob: User) -> None:
    """What a statement changed beyond what was announced is announced before the commit."""
    told = list[Sequence[str]]()
    set_markers = Store.set_markers

    def watch(store: Store, keys: Sequence[str], token: bytes) -> bool:
        told.append(keys)
        return set_markers(store, keys, token)

    with pytest.MonkeyPatch.context() as patched, transaction.atomic():
        patched.setattr(Store, "set_markers", watch)
        write = Write("default")
        write.announce([alice.pk])
        with write.changing():
            User._base_manager.all().update(location="Nassau")
        write.announce_changed()
        write.finish()
    assert told == [[f"user:id:{alice.pk}"], [f"user:id:{bob.pk}"]]
    assert waiting() == set()


def test_old_and_new_identifiers_are_dropped(alice: User) -> None:
    """Those that the row had, and those that the instance brings."""
    store, emails = get_store(), (alice.email, "new@example.com")
    pointers = [POINTER_PREFIXES["email"] + email for email in emails]
    for pointer in pointers:
        store.set_pointer(pointer, "4711")
    alice.email = emails[1]
    alice.save()
    assert [store.get_pointer(pointer) for pointer in pointers] == [None, None]


def test_completion_with_autocommit_off() -> None:
    """Once the transaction is committed and autocommit on again; for no statement of our own."""
    completed = list[bool]()
    transaction.set_autocommit(False)
    try:
        with CaptureQueriesContext(connection) as queries:
            after_commit(lambda: completed.append(True), "default")
        assert len(queries) == 0
        transaction.commit()
        assert completed == []
    finally:
        transaction.set_autocommit(True)
    assert completed == [True]
