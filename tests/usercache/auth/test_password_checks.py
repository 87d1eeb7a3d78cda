"""Checking the password of a cached user does what it does to a user loaded from the database."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.hashers import MD5PasswordHasher, PBKDF2PasswordHasher, make_password
from django.core.exceptions import SynchronousOnlyOperation
from pytest_django import Settings

from tests.usercache.key_types import KEY_TYPES
from tests.users import User
from usercache.instances.columns import is_cached
from usercache.instances.saving import ReadOnlyUserError
from usercache.users import get_user_by_id

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "conch-salad-at-noon"  # of nobody


class Hasher(PBKDF2PasswordHasher):
    """Django's own, made quick."""

    iterations = 1


class Outcome(NamedTuple):
    """What a check says, and how the password is hashed after it."""

    answer: bool
    algorithm: str
    still_matches: bool


@pytest.fixture(params=["a user model of one's own", "Django's own check_password()"])
def row(request: pytest.FixtureRequest, settings: Settings) -> Any:
    """Return a user from the database."""
    settings.PASSWORD_HASHERS = [
        f"{Hasher.__module__}.{Hasher.__qualname__}",
        f"{MD5PasswordHasher.__module__}.{MD5PasswordHasher.__qualname__}",
    ]
    if request.param.startswith("a user"):
        return User.objects.create(email="ada@example.com", password="!")
    request.getfixturevalue("key_type_tables")
    model = KEY_TYPES["AutoField"].use(settings).model
    return model._base_manager.create(name="ada", password="!")


def check(user: Any, password: str) -> bool:
    answer: bool = user.check_password(password)
    return answer


def check_on_a_loop(user: Any, password: str) -> bool:
    # Django's own reads the password on the loop, where no deferred column can be loaded.
    async_to_sync(user.arefresh_from_db)(fields=["password"])
    answer: bool = async_to_sync(user.acheck_password)(password)
    return answer


@pytest.mark.parametrize("way", [check, check_on_a_loop], ids=lambda way: way.__name__)
@pytest.mark.parametrize("hasher", ["md5", "default"])
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_same_answer_and_same_upgrade(
    row: Any, way: Callable[[Any, str], bool], hasher: str, password: str
) -> None:
    """A hash that wants upgrading is upgraded, with the same password and nothing else changed."""

    def run(load: Callable[[], Any]) -> Outcome:
        rows = type(row)._base_manager.filter(pk=row.pk)
        rows.update(password=make_password(PASSWORD, hasher=hasher))
        before = rows.values().get()
        answer = way(load(), password)
        after = rows.values().get()
        stored = after.pop("password")
        before.pop("password")
        assert after == before
        return Outcome(answer, stored.split("$")[0], rows.get().check_password(PASSWORD))

    def load_cached() -> Any:
        user = get_user_by_id(row.pk)
        assert is_cached(user)
        return user

    stock = run(lambda: type(row)._base_manager.get(pk=row.pk))
    assert run(load_cached) == stock
    assert stock.answer == (password == PASSWORD)
    assert stock.still_matches


def test_changing_the_password_is_refused(row: Any) -> None:
    """What isn't an upgrade needs a row that was loaded."""
    user: Any = get_user_by_id(row.pk)
    user.set_password("another-password")
    for update_fields in (["password"], ["password", "is_active"], None):
        with pytest.raises(ReadOnlyUserError, match="select_for_update"):
            user.save(update_fields=update_fields)
    assert type(row)._base_manager.get(pk=row.pk).password == "!"


@pytest.mark.product
def test_own_model_needs_no_refresh_on_a_loop(settings: Settings) -> None:
    """Accounts load the password in a thread; Django's own can't."""
    user = User.objects.create(email="ada@example.com", password=make_password(PASSWORD))
    cached: Any = get_user_by_id(user.pk)
    assert async_to_sync(cached.acheck_password)(PASSWORD)
    cached = get_user_by_id(user.pk)
    with pytest.raises(SynchronousOnlyOperation):
        async_to_sync(super(User, cached).acheck_password)(PASSWORD)
