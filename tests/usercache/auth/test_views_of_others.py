"""What views of others do with `request.user` works on a cached one, and ends in the row."""

from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth import alogin, login
from django.http import HttpRequest
from pytest_django import Settings
from rest_framework import serializers

from tests.concurrency import run_together
from tests.users import User
from usercache.instances.columns import is_cached
from usercache.users import aget_user_by_id, get_user_by_id

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "conch-salad-at-noon"  # of nobody
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def cached(alice: User, settings: Settings) -> Any:
    """Give Alice as a request has her."""
    settings.USERCACHE_READ_ONLY_USERS = False
    get_user_by_id(alice.pk)
    user = get_user_by_id(alice.pk)
    assert is_cached(user)
    return user


@pytest.fixture
def request_() -> HttpRequest:
    """Give a request with a session."""
    request = HttpRequest()
    request.session = import_module(django_settings.SESSION_ENGINE).SessionStore()
    return request


def stored(user: User) -> User:
    return User._base_manager.get(pk=user.pk)


@pytest.mark.parametrize("named", [True, False])
def test_changing_the_password(cached: Any, named: bool) -> None:
    """The new one is valid, tokens made before are not, and nothing else was written."""

    def deactivate() -> int:
        return User.objects.filter(pk=cached.pk).update(is_active=False)

    before = stored(cached)
    assert run_together([deactivate]) == [1]
    cached.set_password(PASSWORD)
    cached.save(update_fields=["password"] if named else None)
    row = stored(cached)
    assert row.check_password(PASSWORD)
    assert row.is_active is False
    assert row.token_version == before.token_version + 1


def test_logging_in(cached: Any, request_: HttpRequest) -> None:
    """`login()` stores the log-in and its session, which knows the user."""
    login(request_, cached, backend=BACKEND)
    row = stored(cached)
    assert row.last_login is not None
    assert request_.session["_auth_user_hash"] == row.get_session_auth_hash()


def test_logging_in_on_a_loop(cached: Any, request_: HttpRequest) -> None:
    """`alogin()` does once the row was loaded."""

    async def log_in() -> None:
        user = await aget_user_by_id(cached.pk)
        assert user is not None
        await user.arefresh_from_db()
        await alogin(request_, user, backend=BACKEND)

    async_to_sync(log_in)()
    assert stored(cached).last_login is not None


class UserSerializer(serializers.ModelSerializer[User]):
    """As in a view that edits the user who asks."""

    class Meta:
        model = User
        fields = ("first_name", "location", "email")


def test_serializer(cached: Any) -> None:
    """A serializer reads, checks, changes and saves it."""
    data = {"first_name": "Alicia", "email": cached.email}
    serializer = UserSerializer(cached, data=data, partial=True)
    serializer.is_valid(raise_exception=True)
    serializer.save()
    assert serializer.data == data | {"location": ""}
    assert stored(cached).first_name == "Alicia"
    found = get_user_by_id(cached.pk)
    assert found is not None
    assert found.first_name == "Alicia"
