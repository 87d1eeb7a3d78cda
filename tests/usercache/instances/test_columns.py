"""The columns of a cached user: what is read, loaded, refreshed and copied with it."""

import asyncio
import copy
import pickle

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group
from django.core.exceptions import SynchronousOnlyOperation
from django.db import models
from django.db.models import F
from pytest_django import DjangoAssertNumQueries, Settings

from tests.concurrency import run_together
from tests.usercache.instances.ways_to_save import OTHER, cached, change_elsewhere, row_of, save
from tests.users import User, off_the_whitelist
from usercache.codec import get_codec
from usercache.conf import conf
from usercache.instances.columns import is_cached
from usercache.users import aget_user_by_id, get_user_by_id, get_users_by_ids

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _writable(settings: Settings) -> None:
    """Let cached users be written, as is the default."""
    settings.USERCACHE_READ_ONLY_USERS = False


def test_columns_off_the_whitelist_are_loaded_together(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The first one that is read costs a query, the others nothing; none is written back."""
    user = cached(alice)
    deferred = user.get_deferred_fields()
    assert deferred == off_the_whitelist()
    with django_assert_num_queries(1):
        values = {name: getattr(user, name) for name in deferred}
    assert values == {name: getattr(alice, name) for name in deferred}
    assert user.get_deferred_fields() == set()
    change_elsewhere(alice.pk, password=OTHER)
    save(user)
    assert row_of(alice)["password"] == OTHER


def test_assigned_column_off_the_whitelist_is_kept(alice: User) -> None:
    """Loading the others doesn't replace it."""
    user = cached(alice)
    user.last_login = alice.created_at
    assert user.password == alice.password
    user.save()
    assert row_of(alice)["last_login"] == alice.created_at


def test_refreshing_makes_it_ordinary(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """One query loads every column over whatever was assigned."""
    user = cached(alice)
    save(user)
    user.first_name = user.password = "Mallory"
    change_elsewhere(alice.pk, location=OTHER)
    with django_assert_num_queries(1):
        user.refresh_from_db()
    assert not is_cached(user)
    assert not [name for name in vars(user._state) if name.startswith("usercache")]
    row = User._base_manager.get(pk=alice.pk)
    assert vars(user) | {"_state": 0} == vars(row) | {"_state": 0, "_prefetched_objects_cache": {}}
    assert (user._state.adding, user._state.db) == (False, "default")


def test_refreshing_a_deleted_user(alice: User) -> None:
    """Django's error, and the instance is what it was."""
    user = cached(alice)
    user.first_name = "Alicia"
    models.QuerySet(User).filter(pk=alice.pk)._raw_delete("default")
    with pytest.raises(User.DoesNotExist):
        user.refresh_from_db()
    assert is_cached(user)
    assert user.get_deferred_fields() == off_the_whitelist()
    assert (user.first_name, user.email) == ("Alicia", alice.email)


def test_refreshing_some_columns(alice: User) -> None:
    """They are the row's from then on, and not assigned."""
    user = cached(alice)
    user.first_name, user.location = "Alicia", "Nassau"
    change_elsewhere(alice.pk, location="Freeport")
    user.refresh_from_db(fields=["location"])
    assert user.location == "Freeport"
    change_elsewhere(alice.pk, location=OTHER)
    user.save()
    assert (row_of(alice)["first_name"], row_of(alice)["location"]) == ("Alicia", OTHER)


@pytest.mark.parametrize("is_assigned", [True, False])
def test_deleted_attribute_is_loaded_again(
    alice: User, is_assigned: bool, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """As Django documents it; what was assigned to it before is gone."""
    user = cached(alice)
    if is_assigned:
        user.location = "Nassau"
    change_elsewhere(alice.pk, location=OTHER)
    del user.location
    assert "location" in user.get_deferred_fields()
    with django_assert_num_queries(1):
        assert user.location == OTHER
    change_elsewhere(alice.pk, location="Freeport")
    save(user)
    assert row_of(alice)["location"] == "Freeport"
    with pytest.raises(AttributeError):
        del user.shoe_size


def test_reading_on_a_loop_says_what_to_do(alice: User) -> None:
    """A column that isn't cached can't be loaded on an event loop; the error names the way."""
    get_user_by_id(alice.pk)

    async def read() -> tuple[str, str]:
        user = await aget_user_by_id(alice.pk)
        assert user is not None
        with pytest.raises(SynchronousOnlyOperation) as raised:
            _ = user.password
        [hint] = raised.value.__notes__
        await user.arefresh_from_db()
        return hint, user.password

    hint, password = async_to_sync(read)()
    assert "await user.arefresh_from_db()" in hint
    assert password == alice.password


def test_it_is_a_user_like_any_other(alice: User) -> None:
    """Equal, with the same hash, usable as a foreign key, in sets, in queries, in checks."""
    user, row = cached(alice), User._base_manager.get(pk=alice.pk)
    assert user == row
    assert hash(user) == hash(row)
    assert len({user, row}) == 1
    group = Group.objects.create(name="divers")
    user.groups.add(group)
    assert list(User._base_manager.filter(groups=group, pk=user.pk)) == [row]
    user.full_clean(
        exclude=["last_name", "bio", "avatar_url", "occupation", "location", "last_login"]
    )
    assert pickle.loads(pickle.dumps(user)) == row  # ours
    assert is_cached(copy.deepcopy(user))


def test_batch_look_ups_return_users_to_be_written(alice: User, bob: User) -> None:
    """So do the others."""
    users = get_users_by_ids([alice.pk, bob.pk])
    for user in users.values():
        user.location = "Nassau"
        user.save()
    assert {user.location for user in User._base_manager.all()} == {"Nassau"}


def test_row_is_loaded_from_the_columns_of_the_settings(alice: User, settings: Settings) -> None:
    """A narrower whitelist only defers more."""
    settings.USERCACHE_FIELDS = tuple(
        name
        for name in conf.USERCACHE_FIELDS
        if name in (get_codec().model._meta.pk.attname, "is_active", "token_version")
    )
    user = cached(alice)
    change_elsewhere(alice.pk, location=OTHER)
    user.first_name = F("last_name")
    user.save()
    assert (row_of(alice)["first_name"], row_of(alice)["location"]) == (alice.last_name, OTHER)


def test_users_of_two_requests_at_once(alice: User) -> None:
    """Two requests that change different columns of one user both succeed."""
    one, other = cached(alice), cached(alice)
    one.first_name, other.location = "Alicia", "Nassau"
    assert run_together([one.save, other.save]) == [None, None]
    assert (row_of(alice)["first_name"], row_of(alice)["location"]) == ("Alicia", "Nassau")


def test_async_deletion(alice: User) -> None:
    """`adelete()` is `delete()` in a thread."""
    assert asyncio.iscoroutinefunction(User.adelete)
    assert async_to_sync(cached(alice).adelete)()[0] == 1
