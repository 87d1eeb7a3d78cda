"""Who gets in with which token, and what it costs."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.test import APIRequestFactory
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from tests.usercache.conftest import CountCommands
from tests.usercache.nearness import bring_near
from usercache.authentication import CachedJWTAuthentication
from usercache.users import is_read_only

pytestmark = pytest.mark.django_db(transaction=True)

Spoil = Callable[[AccessToken], object]


def mint(user: User, spoil: Spoil | None = None) -> str:
    token = AccessToken()
    token["user_id"] = user.pk
    token["token_version"] = user.token_version
    if spoil is not None:
        spoil(token)
    return str(token)


def code_of(error: AuthenticationFailed) -> object:
    assert isinstance(error.detail, dict)
    return error.detail["code"]


def authenticate(token: str) -> User | AnonymousUser:
    request = APIRequestFactory().get("/", headers={"Authorization": f"Bearer {token}"})
    answer = CachedJWTAuthentication().authenticate(request)
    assert answer is not None
    user, _ = answer
    assert isinstance(user, User)
    return user


def test_warm_request_makes_no_query(
    alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The first request of a user makes one query, the others none."""
    token = mint(alice)
    with django_assert_num_queries(1):
        assert authenticate(token) == alice
    with django_assert_num_queries(0):
        assert authenticate(token) == alice
    assert is_read_only(authenticate(token))


@pytest.mark.redis
def test_warm_request_is_one_cache_operation(alice: User, count_commands: CountCommands) -> None:
    """A warm request asks Redis exactly once."""
    token = mint(alice)
    authenticate(token)
    with count_commands() as commands:
        authenticate(token)
    assert commands == {"get": 1}


@pytest.mark.redis
def test_near_request_asks_nobody(
    alice: User,
    settings: Settings,
    count_commands: CountCommands,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """A user who is near, with a token seen before, costs no query and no word with Redis."""
    settings.USERCACHE_NEAR_MAX_ENTRIES = 10
    token = mint(alice)
    bring_near(alice.pk, lambda: authenticate(token))
    with count_commands() as commands, django_assert_num_queries(0):
        user = authenticate(token)
    assert set(commands) <= {"del"}  # the heartbeat's
    assert user == alice
    assert is_read_only(user)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda token: token.payload.pop("user_id"), "token_not_valid"),
        (lambda token: token.payload.update(user_id=10**30), "user_not_found"),
        (lambda token: token.payload.update(user_id="abc"), "user_not_found"),
        (lambda token: token.payload.update(user_id=[1]), "user_not_found"),
        (lambda token: token.payload.update(user_id=None), "user_not_found"),
        (lambda token: token.payload.update(token_version=0), "token_revoked"),
        (lambda token: token.payload.update(token_version=2), "token_revoked"),
        (lambda token: token.payload.update(token_version="1"), "token_revoked"),
        (lambda token: token.payload.pop("token_version"), "token_revoked"),
    ],
)
def test_signed_token_that_is_not_believed(alice: User, spoil: Spoil, code: str) -> None:
    """A token with our signature still has to name a user, and his present token_version."""
    with pytest.raises(AuthenticationFailed) as raised:
        authenticate(mint(alice, spoil))
    assert raised.value.status_code == 401
    assert code_of(raised.value) == code


@pytest.mark.parametrize("warmth", ["cold", "warm", pytest.param("near", marks=pytest.mark.redis)])
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda user: User.objects.filter(pk=user.pk).update(is_active=False), "user_inactive"),
        (lambda user: User.objects.filter(pk=user.pk).update(token_version=2), "token_revoked"),
        (lambda user: user.delete(), "user_not_found"),
    ],
    ids=["deactivated", "revoked", "deleted"],
)
def test_refused_on_the_next_request(
    alice: User, settings: Settings, change: Callable[[User], object], code: str, warmth: str
) -> None:
    """Whoever was let in a moment ago is out at once, with a 401 that says why."""
    token = mint(alice)
    if warmth == "warm":
        authenticate(token)
    elif warmth == "near":
        settings.USERCACHE_NEAR_MAX_ENTRIES = 10
        bring_near(alice.pk, lambda: authenticate(token))
    change(alice)
    for _ in range(2):
        with pytest.raises(AuthenticationFailed) as raised:
            authenticate(token)
        assert code_of(raised.value) == code


def test_project_without_token_versions(alice: User, settings: Settings) -> None:
    """Where the setting is empty, tokens need no version."""
    settings.USERCACHE_TOKEN_VERSION_FIELD = ""
    assert authenticate(mint(alice, lambda token: token.payload.pop("token_version"))) == alice
