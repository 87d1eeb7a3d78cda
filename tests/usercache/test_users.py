"""Look-ups: what they cost, what they return, and that every write is seen by every key."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.db.models.signals import post_save, pre_delete
from pytest_django import DjangoAssertNumQueries, Settings

from tests.counting import CountCommands
from tests.usercache.conftest import MakeUser
from tests.users import User, off_the_whitelist, sql
from usercache.conf import conf
from usercache.instances.saving import ReadOnlyUserError
from usercache.management.inspection import inspect_user
from usercache.runtime import get_store
from usercache.users import (
    cache_user,
    get_user_by_email,
    get_user_by_id,
    get_user_by_phone,
    get_user_by_username,
    invalidate_all_users,
    invalidate_user,
)

if TYPE_CHECKING:
    from redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)

LOOK_UPS: dict[str, Callable[[User], User | None]] = {
    "id": lambda user: get_user_by_id(user.pk),
    "email": lambda user: get_user_by_email(user.email),
    "username": lambda user: get_user_by_username(user.username or ""),
    "phone": lambda user: get_user_by_phone(user.phone or ""),
}
by_each = pytest.mark.parametrize("look_up", LOOK_UPS.values(), ids=LOOK_UPS.keys())


def warm(*users: User) -> None:
    for user in users:
        for look_up in LOOK_UPS.values():
            look_up(user)


def test_cold_look_up_by_id_is_one_query(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A miss costs one query, the look-ups after it none."""
    with django_assert_num_queries(1):
        assert get_user_by_id(alice.pk) == alice
    with django_assert_num_queries(0):
        for _ in range(5):
            assert get_user_by_id(alice.pk) == alice


@by_each
def test_warm_look_up_makes_no_query(
    look_up: Callable[[User], User | None],
    alice: User,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """Once looked up by a key, a user is found by it without a query."""
    look_up(alice)
    with django_assert_num_queries(0):
        assert look_up(alice) == alice


@pytest.mark.redis
def test_warm_look_up_by_id_is_one_get(alice: User, count_commands: CountCommands) -> None:
    """A warm look-up by id is exactly one GET, by a pointer exactly two."""
    warm(alice)
    with count_commands() as commands:
        get_user_by_id(alice.pk)
    assert commands == {"get": 1}
    with count_commands() as commands:
        get_user_by_email(alice.email)
    assert commands == {"get": 2}


def test_user_is_real_and_complete(alice: User) -> None:
    """Each whitelisted column equals the row's, just loaded or from the cache."""
    for _ in range(2):
        user = get_user_by_id(alice.pk)
        assert type(user) is User
        row = User.objects.get(pk=alice.pk)
        for name in conf.USERCACHE_FIELDS:
            assert getattr(user, name) == getattr(row, name)


def test_password_is_deferred(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Columns off the whitelist aren't in the instance; reading one costs a query."""
    get_user_by_id(alice.pk)
    user = get_user_by_id(alice.pk)
    assert user is not None
    assert user.get_deferred_fields() == off_the_whitelist()
    with django_assert_num_queries(1):
        assert user.password == alice.password


def test_user_is_read_only(alice: User, settings: Settings) -> None:
    """Saving or deleting a user from the cache is refused with what to do, and changes nothing."""
    settings.USERCACHE_READ_ONLY_USERS = True
    for _ in range(2):
        user = get_user_by_id(alice.pk)
        assert user is not None
        user.first_name = "Mallory"
        with pytest.raises(ReadOnlyUserError, match="select_for_update"):
            user.save()
        with pytest.raises(ReadOnlyUserError, match="select_for_update"):
            user.save(update_fields=["last_login"])
        with pytest.raises(ReadOnlyUserError, match="select_for_update"):
            user.delete()
        with pytest.raises(ReadOnlyUserError, match="select_for_update"):
            User.objects.bulk_update([user], ["first_name"])
        with pytest.raises(ReadOnlyUserError, match="select_for_update"):
            User.objects.bulk_create([user])
    assert User.objects.get(pk=alice.pk).first_name == "Alice"


def test_each_look_up_returns_its_own_instance(alice: User) -> None:
    """What one request does to its user, the next one's doesn't show."""
    first = get_user_by_id(alice.pk)
    assert first is not None
    first.first_name = "Mallory"
    second = get_user_by_id(alice.pk)
    assert second is not None
    assert second.first_name == "Alice"


@pytest.mark.parametrize(
    "user_id",
    [
        None,
        "",
        "abc",
        "1.5",
        1.0,
        True,
        -1,
        0,
        2**63,
        10**30,
        "9" * 5000,
        "\0",
        "1\0",
        "\ud800",
        [],
    ],
)
def test_what_cannot_be_an_id_is_nobody(alice: User, user_id: object) -> None:
    """Any object may be passed; what can't be a key is no user, and no error."""
    assert get_user_by_id(user_id) is None


@pytest.mark.parametrize(
    "value", ["", " ", "nobody", "a b", "\0", "a\0@example.com", "\ud800", "x" * 10_000, "İ@x.com"]
)
def test_what_cannot_be_an_identifier_is_nobody(alice: User, value: str) -> None:
    """Any string may be passed; what no row can hold is no user, and no error."""
    assert get_user_by_email(value) is None
    assert get_user_by_username(value) is None
    assert get_user_by_phone(value) is None


@pytest.mark.product
def test_identifiers_are_normalised_once(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """However an identifier is spelled, it is the same key."""
    warm(alice)
    with django_assert_num_queries(0):
        assert get_user_by_email(" ALICE@Example.COM ") == alice
        assert get_user_by_username("ALICE") == alice
        assert get_user_by_phone("(242) 555-0101") == alice


def test_identifier_that_tells_nobody_apart(
    alice: User, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """By a column that several users may have one value of, nobody is found; it is still cached."""
    monkeypatch.setitem(vars(User._meta.get_field("phone")), "unique", False)
    settings.USERCACHE_SIGNING_KEY = "another, for which nothing was found out before"
    with pytest.raises(ImproperlyConfigured, match="'phone'"):
        get_user_by_phone(str(alice.phone))
    for _ in range(2):
        found = get_user_by_email(alice.email)
        assert found is not None
        assert found.phone == alice.phone
    User.objects.filter(pk=alice.pk).update(phone=None)
    found = get_user_by_email(alice.email)
    assert found is not None
    assert found.phone is None


def test_absent_user_is_remembered(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A token of a deleted user doesn't ask the database each time."""
    pk = alice.pk
    alice.delete()
    assert get_user_by_id(pk) is None
    with django_assert_num_queries(0):
        assert get_user_by_id(pk) is None


@by_each
@pytest.mark.integer_key
def test_creation_is_seen_at_once(
    look_up: Callable[[User], User | None], alice: User, make_user: MakeUser
) -> None:
    """The answer "no such user" gives way when he registers."""
    future = User(pk=alice.pk + 1, email="new@example.com", username="new", phone="+12425550199")
    assert look_up(future) is None
    with transaction.atomic():
        created = make_user("new", phone="+12425550199")
    assert created.pk == future.pk
    assert look_up(created) == created


@by_each
def test_change_is_seen_at_once(look_up: Callable[[User], User | None], alice: User) -> None:
    """The look-up after a save has the new column, by every key."""
    warm(alice)
    alice.first_name = "Alicia"
    alice.save()
    user = look_up(alice)
    assert user is not None
    assert user.first_name == "Alicia"


@by_each
def test_deletion_is_seen_at_once(look_up: Callable[[User], User | None], alice: User) -> None:
    """A deleted user is nobody at once, by every key."""
    warm(alice)
    gone = User.objects.get(pk=alice.pk)
    alice.delete()
    assert look_up(gone) is None


def test_rename_is_right_by_every_key(alice: User) -> None:
    """After a rename the old identifiers are nobody's and the new ones are his."""
    warm(alice)
    alice.email, alice.username, alice.phone = "al@example.com", "al", "+12425550111"
    alice.save()
    assert get_user_by_email("alice@example.com") is None
    assert get_user_by_username("alice") is None
    assert get_user_by_phone("+12425550101") is None
    assert get_user_by_email("al@example.com") == alice
    assert get_user_by_username("al") == alice
    assert get_user_by_phone("+12425550111") == alice


@pytest.mark.redis
def test_rename_leaves_no_old_pointer(alice: User, redis_client: "Redis") -> None:
    """Old identifiers go from the cache with the write, even when set on another instance."""
    warm(alice)
    User(pk=alice.pk, email="al@example.com", username="al", password="!").save()
    keys = b" ".join(redis_client.scan_iter())
    assert b"alice" not in keys
    assert b"0101" not in keys


def test_email_moved_from_one_user_to_another(alice: User, bob: User) -> None:
    """An address that changes hands leads to its new owner, and the old one to his new address."""
    warm(alice, bob)
    with transaction.atomic():
        alice.email = "alice.old@example.com"
        alice.save()
        bob.email = "alice@example.com"
        bob.save()
    assert get_user_by_email("alice@example.com") == bob
    assert get_user_by_email("alice.old@example.com") == alice
    assert get_user_by_email("bob@example.com") is None


def test_swap_of_two_usernames(alice: User, bob: User) -> None:
    """Two users who swap names are each found by the name they have now."""
    warm(alice, bob)
    with transaction.atomic():
        User.objects.filter(pk=alice.pk).update(username="parked")
        User.objects.filter(pk=bob.pk).update(username="alice")
        User.objects.filter(pk=alice.pk).update(username="bob")
    assert get_user_by_username("alice") == bob
    assert get_user_by_username("bob") == alice


def test_stale_pointer_is_not_believed(alice: User, bob: User) -> None:
    """A pointer left over from before a rename is dropped and the database asked by the field."""
    get_store().set_pointer("user:email:bob@example.com", str(alice.pk))
    assert get_user_by_email("bob@example.com") == bob
    assert get_user_by_email("bob@example.com") == bob
    get_store().set_pointer("user:email:nobody@example.com", str(alice.pk))
    assert get_user_by_email("nobody@example.com") is None
    get_store().set_pointer("user:email:nobody@example.com", "not an id")
    assert get_user_by_email("nobody@example.com") is None


def test_nothing_is_filled_inside_a_transaction(alice: User) -> None:
    """A row read in a transaction may never be committed, so it isn't left for others."""
    with transaction.atomic():
        assert get_user_by_id(alice.pk) == alice
    assert inspect_user(alice.pk).state == "nothing"


def test_own_uncommitted_write_is_seen_inside(alice: User) -> None:
    """Within its transaction a writer sees what he wrote; rolled back, nobody ever did."""
    warm(alice)
    with pytest.raises(RuntimeError), transaction.atomic():
        alice.first_name = "Alicia"
        alice.save()
        inside = get_user_by_id(alice.pk)
        assert inside is not None
        assert inside.first_name == "Alicia"
        raise RuntimeError
    after = get_user_by_id(alice.pk)
    assert after is not None
    assert after.first_name == "Alice"


def test_savepoint_rolled_back(alice: User) -> None:
    """What a rolled-back savepoint wrote is never served, what the transaction wrote is."""
    warm(alice)
    with transaction.atomic():
        User.objects.filter(pk=alice.pk).update(last_name="Albury")
        with pytest.raises(RuntimeError), transaction.atomic():
            User.objects.filter(pk=alice.pk).update(first_name="Alicia")
            raise RuntimeError
    user = get_user_by_id(alice.pk)
    assert user is not None
    assert (user.first_name, user.last_name) == ("Alice", "Albury")


def test_save_of_uncached_columns_only_keeps_the_record(alice: User) -> None:
    """A log-in, which writes last_login, doesn't empty the cache."""
    warm(alice)
    alice.save(update_fields=["last_login"])
    User.objects.filter(pk=alice.pk).update(last_login=None)
    assert inspect_user(alice.pk).state == "record"


def test_invalidate_user_after_raw_sql(alice: User) -> None:
    """Who writes past the ORM says so, and the next look-up is fresh."""
    warm(alice)
    with connection.cursor() as cursor:
        cursor.execute(sql("UPDATE {users} SET {first_name} = 'Alicia'"))
    invalidate_user(alice.pk, email=alice.email, username=alice.username, phone=alice.phone)
    user = get_user_by_email(alice.email)
    assert user is not None
    assert user.first_name == "Alicia"


def test_invalidate_user_in_a_transaction_holds_until_commit(alice: User) -> None:
    """From the call to the commit nothing is filled, and afterwards everything may be."""
    warm(alice)
    with transaction.atomic():
        invalidate_user(alice.pk)
        assert inspect_user(alice.pk).state == "write marker"
    assert inspect_user(alice.pk).state == "nothing"


@pytest.mark.parametrize("user_id", [None, "abc", 2**70])
def test_invalidating_nobody_is_nothing(user_id: object) -> None:
    """What can't be an id isn't an error."""
    invalidate_user(user_id, email="nobody@example.com")


def test_invalidate_all_users(alice: User, bob: User) -> None:
    """Every user is loaded again."""
    warm(alice, bob)
    invalidate_all_users()
    assert inspect_user(alice.pk).state == inspect_user(bob.pk).state == "nothing"


def test_cache_user_takes_the_row_not_the_instance(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Warming with an outdated instance caches the current row, under all four keys."""
    outdated = User.objects.get(pk=alice.pk)
    User.objects.filter(pk=alice.pk).update(first_name="Alicia")
    cache_user(outdated)
    with django_assert_num_queries(0):
        for look_up in LOOK_UPS.values():
            user = look_up(alice)
            assert user is not None
            assert user.first_name == "Alicia"


def test_receiver_that_saves_again(make_user: MakeUser) -> None:
    """Another app's receiver may save the instance that is being saved, or deleted."""

    def save_again(instance: User, *, created: bool = True, **_kwargs: object) -> None:
        if created:
            instance.first_name = "Again"
            instance.save()

    post_save.connect(save_again, sender=User)
    post_save.receivers.insert(0, post_save.receivers.pop())  # before ours
    post_save.sender_receivers_cache.clear()
    pre_delete.connect(save_again, sender=User)
    try:
        user = make_user("again")
        found = get_user_by_id(user.pk)
        assert found is not None
        assert found.first_name == "Again"
        pk = user.pk
        user.delete()
        assert get_user_by_id(pk) is None
    finally:
        post_save.disconnect(save_again, sender=User)
        pre_delete.disconnect(save_again, sender=User)


def test_invalidate_all_users_in_a_transaction_waits_for_the_commit(alice: User) -> None:
    """Before the commit, others would only load the old rows again."""
    warm(alice)
    with transaction.atomic():
        invalidate_all_users()
        assert inspect_user(alice.pk).state == "record"
    assert inspect_user(alice.pk).state == "nothing"
