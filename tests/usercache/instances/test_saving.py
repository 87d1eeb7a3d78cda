"""A cached user is written as Django writes an ordinary one, and nothing old with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models.signals import post_save, pre_delete, pre_save
from pytest_django import DjangoAssertNumQueries, Settings

from tests.concurrency import run_together
from tests.sizes import some_of
from tests.usercache.instances.ways_to_save import (
    OTHER,
    WAYS,
    before_statement,
    bulk_update,
    cached,
    change_elsewhere,
    row_of,
    save,
    save_form,
    save_more_than_was_changed,
    save_named,
    save_on_a_loop,
)
from tests.users import User
from usercache.instances.columns import is_cached
from usercache.models import PendingInvalidation
from usercache.users import get_user_by_id

OUTBOX = PendingInvalidation._meta.db_table

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _writable(settings: Settings) -> None:
    """Let cached users be written, as is the default."""
    settings.USERCACHE_READ_ONLY_USERS = False


in_each_way = pytest.mark.parametrize("write", WAYS, ids=lambda write: write.__name__)


@in_each_way
def test_same_row_as_an_ordinary_save(alice: User, write: Callable[[Any], None]) -> None:
    """The same columns change, to the same values, and the next look-up has them."""
    before = row_of(alice)
    write(User._base_manager.get(pk=alice.pk))
    expected = row_of(alice)
    models.QuerySet(User).filter(pk=alice.pk).update(**before)
    User.objects.filter(pk=alice.pk).update(**before)
    write(cached(alice))
    found = row_of(alice)
    for row in (before, expected, found):
        row.pop("version", None)  # it goes up each time
    stamps = found.pop("updated_at"), expected.pop("updated_at"), before.pop("updated_at")
    assert found == expected != before
    assert (stamps[0] == stamps[2]) is (stamps[1] == stamps[2])
    assert cached(alice).first_name == "Alicia"


@pytest.mark.parametrize(("moment", "write"), some_of(range(-1, 8), WAYS))
def test_what_others_change_meanwhile_survives(
    alice: User, write: Callable[[Any], None], moment: int
) -> None:
    """Another process changes other columns between the look-up and any statement of the save."""
    user = cached(alice)
    others = {"location": OTHER, "bio": OTHER, "password": OTHER, "is_active": False}
    changed = list[bool]()

    def change() -> None:
        # Once the save holds the row, another process waits for its end.
        if not connection.in_atomic_block:
            change_elsewhere(alice.pk, **others)
            changed.append(True)

    if moment < 0:
        change()
    with before_statement(moment, change):
        write(user)
    row = row_of(alice)
    assert row["first_name"] == "Alicia"
    if changed:
        assert {name: row[name] for name in others} == others


def test_second_save_writes_nothing_old(alice: User) -> None:
    """What a committed save wrote is left alone by the next, though the instance has it still."""
    user = cached(alice)
    save(user)
    change_elsewhere(alice.pk, first_name=OTHER)
    user.location = "Nassau"
    user.save()
    assert (row_of(alice)["first_name"], row_of(alice)["location"]) == (OTHER, "Nassau")


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    ("column", "old", "new"),
    [
        ("is_active", True, False),
        ("phone", None, "+12425550199"),
        ("location", "", OTHER),
        ("location", "Nassau", OTHER),
        ("token_version", 1, 2),
    ],
)
def test_assigned_value_is_written_though_the_cached_one_equals_it(
    alice: User, column: str, old: object, new: object, named: bool
) -> None:
    """The row has changed since: the assignment counts, as in Django, and not its difference."""
    User.objects.filter(pk=alice.pk).update(**{column: old})
    user = cached(alice)
    assert getattr(user, column) == old
    change_elsewhere(alice.pk, **{column: new})
    setattr(user, column, old)
    user.save(update_fields=[column] if named else None)
    assert row_of(alice)[column] == old


class Heard(NamedTuple):
    """What a receiver of a save or deletion is told."""

    signal: str
    created: object
    update_fields: object
    location: str
    has_password: bool


@contextmanager
def hearing() -> Iterator[list[Heard]]:
    heard = list[Heard]()

    def receiver(name: str) -> Callable[..., None]:
        def hear(instance: User, **kwargs: Any) -> None:
            told = kwargs.get("created"), kwargs.get("update_fields")
            heard.append(Heard(name, *told, instance.location, instance.password != ""))

        return hear

    kept = {signal: receiver(str(signal)) for signal in (pre_save, post_save, pre_delete)}
    for signal, hear in kept.items():
        signal.connect(hear, sender=User)
    try:
        yield heard
    finally:
        for signal, hear in kept.items():
            signal.disconnect(hear, sender=User)


def delete(user: Any) -> None:
    user.delete()


@pytest.mark.parametrize("write", [save, save_named, save_on_a_loop, save_form, delete])
def test_receivers_hear_what_django_would_tell_them(
    alice: User, write: Callable[[Any], None]
) -> None:
    """The same arguments, and an instance with the row's columns, however old the record is."""
    with hearing() as expected, transaction.atomic():
        write(User._base_manager.get(pk=alice.pk))
        transaction.set_rollback(True)
    user = cached(alice)
    change_elsewhere(alice.pk, location=OTHER)
    with hearing() as heard:
        write(user)
    named = write is save_named
    assert [h._replace(location="") for h in heard] == expected
    assert {h.location for h in heard} == ({""} if named else {OTHER})


def test_what_receivers_change_is_saved(alice: User) -> None:
    """As in Django, a whole save includes it."""

    def change(instance: User, **_kwargs: object) -> None:
        instance.bio = f"{instance.first_name} of {instance.location}"

    user = cached(alice)
    change_elsewhere(alice.pk, location="Nassau")
    pre_save.connect(change, sender=User)
    try:
        save(user)
    finally:
        pre_save.disconnect(change, sender=User)
    assert row_of(alice)["bio"] == "Alicia of Nassau"


def test_receiver_that_saves_again(alice: User) -> None:
    """A save within a save writes what was assigned since, and no more."""
    counts = list[int]()

    def count(instance: User, **_kwargs: object) -> None:
        if not counts:
            counts.append(1)
            change_elsewhere(alice.pk, first_name=OTHER, location=OTHER)
            instance.bio = "counted"
            instance.save()

    user = cached(alice)
    post_save.connect(count, sender=User)
    try:
        save(user)
    finally:
        post_save.disconnect(count, sender=User)
    row = row_of(alice)
    assert (row["first_name"], row["location"], row["bio"]) == (OTHER, OTHER, "counted")


def error_of(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # it is the result
        return error
    return None


def save_unchanged(user: Any) -> None:
    user.save()


DELETED_WAYS = [save, save_named, save_more_than_was_changed, save_on_a_loop, save_unchanged]


@pytest.mark.parametrize("write", DELETED_WAYS, ids=lambda write: write.__name__)
@pytest.mark.parametrize("moment", [-1, 0, 1, 2])
def test_deleted_user_is_not_brought_back(
    alice: User, write: Callable[[Any], None], moment: int
) -> None:
    """A save that finds no row is Django's error, wherever in it the row went."""
    user = cached(alice)

    def go() -> None:
        def delete_row() -> None:
            models.QuerySet(User).filter(pk=alice.pk)._raw_delete("default")

        run_together([delete_row])

    if moment < 0:
        go()
    with before_statement(moment, go) as statements:
        error = error_of(lambda: write(user))
    updates = [number for number, sql in enumerate(statements) if "UPDATE" in sql[:50]]
    if moment <= updates[-1]:
        assert isinstance(error, DatabaseError)
        assert "did not affect any rows" in str(error)
        assert not User._base_manager.filter(pk=alice.pk).exists()
    else:
        assert error is None


def test_deleting(alice: User) -> None:
    """It returns what Django does; a deleted instance is an ordinary one, without a key."""
    user = cached(alice)
    assert user.delete() == (1, {User._meta.label: 1})
    assert user.pk is None
    assert not is_cached(user)
    assert get_user_by_id(alice.pk) is None
    user.save()
    assert row_of(user)["password"] == alice.password


def test_deleting_a_deleted_user(alice: User) -> None:
    """As in Django, nothing happens."""
    user = cached(alice)
    models.QuerySet(User).filter(pk=alice.pk)._raw_delete("default")
    assert user.delete()[0] == 0


def test_rolled_back_save_is_made_again(alice: User) -> None:
    """What a rollback undid is still assigned, so that the next save writes it, as Django's."""
    user = cached(alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        save(user)
        raise IntegrityError
    assert row_of(alice)["first_name"] == "Alice"
    user.location = "Nassau"
    user.save()
    assert (row_of(alice)["first_name"], row_of(alice)["location"]) == ("Alicia", "Nassau")


def test_failed_save_is_made_again(alice: User, bob: User) -> None:
    """So is what a statement refused."""
    user = cached(alice)
    user.is_active, user.email = True, bob.email
    change_elsewhere(alice.pk, is_active=False)
    with pytest.raises(IntegrityError):
        user.save()
    user.email = alice.email
    user.save()
    assert row_of(alice)["is_active"] is True


def test_copying_the_row(alice: User) -> None:
    """Django's way to copy a row works: all columns are loaded for it."""
    user = cached(alice)
    user.pk, user._state.adding = None, True
    user.email, user.username, user.phone = "copy@example.com", "copy", None
    user.save()
    assert user.pk != alice.pk
    assert not is_cached(user)
    same = row_of(alice) | {"email": user.email, "username": "copy", "phone": None}
    found = row_of(user) | {User._meta.pk.name: alice.pk, "updated_at": same["updated_at"]}
    assert found == same


def test_saving_over_another_row(alice: User, bob: User) -> None:
    """Under another key, the whole instance is written there, as Django does."""
    User.objects.filter(pk=alice.pk).delete()
    user = cached(bob)
    user.pk = User._meta.pk.to_python(alice.pk)
    user.email, user.username, user.phone = "third@example.com", "third", None
    user.save()
    assert row_of(alice)["first_name"] == "Bob"
    assert not is_cached(user)


def test_forced_insert_of_a_row_that_exists(alice: User) -> None:
    """Is Django's error."""
    with pytest.raises(IntegrityError):
        cached(alice).save(force_insert=True)


@pytest.mark.parametrize("names", [["shoe_size"], ["pk"], ["groups"]])
def test_errors_are_django_s(alice: User, names: list[str]) -> None:
    """Naming what can't be saved is refused in the same words."""
    errors = list[str]()
    for user in (User._base_manager.get(pk=alice.pk), cached(alice)):
        with pytest.raises(ValueError, match="do not exist") as raised:
            user.save(update_fields=names)
        errors.append(str(raised.value))
    assert errors[0] == errors[1]


def test_saving_no_columns(alice: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """`update_fields=[]` is no save."""
    user = cached(alice)
    with django_assert_num_queries(0), hearing() as heard:
        user.save(update_fields=[])
    assert heard == []


@pytest.mark.parametrize("write", [save, save_named, save_more_than_was_changed, bulk_update])
def test_queries_of_a_save(alice: User, bob: User, write: Callable[[Any], None]) -> None:
    """With the look-up, a save costs no more queries than that of a user who was loaded for it."""

    def count(load: Callable[[], Any]) -> int:
        with before_statement(-1, lambda: None) as statements:
            write(load())
        # Without the outbox's, which Redis decides on.
        return sum(OUTBOX not in sql for sql in statements)

    ordinary = count(lambda: User._base_manager.get(pk=alice.pk))
    cached(bob)
    assert count(lambda: cached(bob)) <= ordinary
