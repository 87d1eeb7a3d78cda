"""Users are found by any unique column on the whitelist, as tokens may name them."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models
from pytest_django import DjangoAssertNumQueries, DjangoDbBlocker, Settings
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.test import APIRequestFactory
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from tests.users import User
from usercache.auth.jwt import CachedJWTAuthentication
from usercache.identifiers import find_unique_column
from usercache.orm import signals
from usercache.orm.querysets import CachedUserQuerySet
from usercache.users import get_user_by, get_user_by_id

pytestmark = pytest.mark.django_db(transaction=True)

UID = uuid.UUID("0f0e0d0c-0b0a-0908-0706-050403020100")
COLUMNS: dict[str, Any] = {"uid": UID, "number": 70, "settings": "blue", "pair": "one"}


class UniqueUser(AbstractBaseUser):
    """A user with unique columns of several types."""

    uid = models.UUIDField(unique=True)
    number = models.PositiveIntegerField(unique=True)
    settings = models.CharField(max_length=20, unique=True)
    pair = models.CharField(max_length=20)
    note = models.CharField(max_length=20)
    is_active = models.BooleanField(default=True)
    objects = CachedUserQuerySet.as_manager()
    USERNAME_FIELD = "settings"

    class Meta:
        app_label = "usercache"
        constraints = [
            models.UniqueConstraint(fields=["pair"], name="pair_is_unique"),
            models.UniqueConstraint(fields=["note", "number"], name="together_is_not_alone"),
        ]


@pytest.fixture(scope="session", autouse=True)
def _table(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        editor.create_model(UniqueUser)
    yield
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        editor.delete_model(UniqueUser)


@pytest.fixture
def ada(settings: Settings) -> Any:
    """Give Ada, and a user whose key is Ada's number."""
    settings.AUTH_USER_MODEL = UniqueUser._meta.label
    settings.USERCACHE_TOKEN_VERSION_FIELD = ""
    settings.USERCACHE_ENDED_SESSIONS_FIELD = ""
    settings.USERCACHE_FIELDS = ("id", "is_active", "note", *COLUMNS)
    signals.connect()
    UniqueUser.objects.create(
        pk=70, uid=uuid.UUID(int=1), number=71, settings="70", pair="two", note="other"
    )
    return UniqueUser.objects.create(**COLUMNS, note="Ada")


@pytest.mark.parametrize("column", COLUMNS)
def test_found_by_column(
    ada: Any, column: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Cold, two queries; warm, none. The pointer is believed only if the record agrees."""
    with django_assert_num_queries(2):
        assert get_user_by(column, COLUMNS[column]) == ada
    with django_assert_num_queries(0):
        assert get_user_by(column, COLUMNS[column]) == ada
    other: Any = {"uid": uuid.UUID(int=9), "number": 9}.get(column, "red")
    UniqueUser.objects.filter(pk=ada.pk).update(**{column: other})
    assert get_user_by(column, COLUMNS[column]) is None
    assert get_user_by(column, other) == ada
    UniqueUser.objects.filter(pk=70).update(**{column: COLUMNS[column]})
    found = get_user_by(column, COLUMNS[column])
    assert found is not None
    assert found.pk == 70


@pytest.mark.parametrize(
    ("column", "value", "is_found"),
    [
        ("uid", str(UID), True),
        ("uid", UID.hex.upper(), True),
        ("uid", "70", False),
        ("uid", [1], False),
        ("uid", None, False),
        ("number", "70", True),
        ("number", "070", True),
        ("number", True, False),
        ("number", 70.0, False),
        ("number", -1, False),
        ("number", 2**70, False),
        ("number", "\0", False),
        ("settings", "blue", True),
        ("settings", "Blue", False),
        ("settings", 70, False),
        ("settings", "", False),
    ],
)
def test_values(ada: Any, column: str, value: object, is_found: bool) -> None:
    """A value is what the column's field makes of it; what it can't hold is nobody's."""
    for _ in range(2):
        assert get_user_by(column, value) == (ada if is_found else None)


@pytest.mark.parametrize("column", ["id", "pk"])
def test_primary_key(ada: Any, column: str) -> None:
    """It is a unique column, too."""
    assert get_user_by(column, str(ada.pk)) == get_user_by_id(ada.pk) == ada


@pytest.mark.parametrize("column", ["note", "password", "shoe_size"])
def test_columns_that_tell_nobody_apart(ada: Any, column: str) -> None:
    """Are refused: two users have one value, or no record has it."""
    with pytest.raises(ImproperlyConfigured, match=f"'{column}'"):
        get_user_by(column, "x")


def test_only_cached_columns() -> None:
    """A unique column off the whitelist can't be compared with a record."""
    assert find_unique_column(User, ("id", "phone"), "phone") == "phone"
    assert find_unique_column(User, ("id",), "phone") is None
    assert find_unique_column(User, ("id",), "id") == "pk"


@pytest.mark.parametrize("column", COLUMNS)
def test_user_id_field(
    ada: Any,
    column: str,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """USER_ID_FIELD: a token that names its user by any of them costs no query once warm."""
    monkeypatch.setattr(api_settings, "USER_ID_FIELD", column)
    token = AccessToken.for_user(ada)
    request = APIRequestFactory().get("/", headers={"Authorization": f"Bearer {token}"})
    answer = CachedJWTAuthentication().authenticate(request)
    assert answer is not None
    assert answer[0] == ada
    with django_assert_num_queries(0):
        CachedJWTAuthentication().authenticate(request)
    UniqueUser.objects.filter(pk=ada.pk).update(is_active=False)
    with pytest.raises(AuthenticationFailed):
        CachedJWTAuthentication().authenticate(request)
