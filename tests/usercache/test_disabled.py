"""With USERCACHE_ENABLED off, as in other people's tests, users are as without this package."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from tests.users import User
from usercache.instances.columns import is_cached
from usercache.runtime import RUNTIME, get_store
from usercache.users import (
    aget_user_by_id,
    cache_user,
    get_user_by,
    get_user_by_email,
    get_user_by_id,
    get_users_by_ids,
    invalidate_all_users,
    invalidate_user,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _disabled(settings: Settings, alice: User) -> None:
    """Switch it off, with a record from before."""
    get_user_by_id(alice.pk)
    settings.USERCACHE_ENABLED = False


LOOK_UPS: dict[str, Callable[[User], Any]] = {
    "id": lambda user: get_user_by_id(user.pk),
    "async": lambda user: async_to_sync(aget_user_by_id)(user.pk),
    "email": lambda user: get_user_by_email(user.email),
    "column": lambda user: get_user_by("username", user.username),
    "batch": lambda user: get_users_by_ids([user.pk, 0]).get(user.pk),
}


@pytest.mark.parametrize("look_up", LOOK_UPS.values(), ids=LOOK_UPS.keys())
def test_look_ups(alice: User, look_up: Callable[[User], Any]) -> None:
    """Each is one query, and returns an ordinary instance, or None."""
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            user = look_up(alice)
        assert len(queries) == 1
        assert user == alice
        assert not is_cached(user)
        assert user.get_deferred_fields() == set()
    User._base_manager.all().delete()
    assert look_up(alice) is None


def save(users: Any, user: User) -> None:
    user.first_name = "Alicia"
    user.save()


def delete(users: Any, user: User) -> None:
    user.delete()


def update(users: Any, user: User) -> None:
    users.filter(pk=user.pk).update(first_name="Alicia")


def bulk_update(users: Any, user: User) -> None:
    user.first_name = "Alicia"
    users.bulk_update([user], ["first_name"])


def bulk_create(users: Any, user: User) -> None:
    users.bulk_create([User(email="new@example.com", username="new", password="!")])


WRITES = [save, delete, update, bulk_update, bulk_create]


def statements_of(write: Callable[..., None], users: Any, user: User) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        write(users, user)
    # Without what differs from run to run: Django's names of savepoints, and values.
    return [query["sql"].split()[0] for query in queries]


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
def test_writes_cost_what_django_s_do(
    alice: User, bob: User, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No statement is added, nor is one labelled."""
    ours = statements_of(write, User.objects.all(), alice)
    if write is bulk_create:
        User._base_manager.filter(username="new").delete()
    with monkeypatch.context() as patch:
        for name in ("save", "delete"):
            patch.setattr(User, name, getattr(_Plain, name))
        theirs = statements_of(write, models.QuerySet(User), bob)
    inner = [sql for sql in ours if sql not in ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")]
    assert inner == [
        sql for sql in theirs if sql not in ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    ]


class _Plain(AbstractBaseUser):
    """Django's own methods."""

    class Meta:
        abstract = True


def test_nothing_is_asked_or_told(alice: User) -> None:
    """No thread, no Redis, and no statement for what others are told to call."""
    with CaptureQueriesContext(connection) as queries:
        cache_user(alice)
        invalidate_user(alice.pk)
        invalidate_all_users()
    assert len(queries) == 0
    assert get_store().redis is None
    assert RUNTIME.services == []


def test_on_again(alice: User, settings: Settings) -> None:
    """What was changed while it was off must be invalidated before it is enabled again."""
    User.objects.filter(pk=alice.pk).update(first_name="Alicia")
    settings.USERCACHE_ENABLED = True
    invalidate_all_users()
    found = get_user_by_id(alice.pk)
    assert found is not None
    assert found.first_name == "Alicia"
