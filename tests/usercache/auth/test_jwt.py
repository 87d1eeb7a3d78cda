"""Who gets in with which token, and what it costs."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.test import APIRequestFactory
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import AccessToken, Token

from tests.counting import CountCommands
from tests.usercache.l1 import bring_l1
from tests.users import User
from usercache.auth.jwt import CachedJWTAuthentication
from usercache.instances.columns import is_cached

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
    assert is_cached(authenticate(token))


def test_token_is_verified_once(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature costs more than all the rest."""
    verified, verify = list[bytes](), JWTAuthentication.get_validated_token

    def note(self: JWTAuthentication, raw_token: bytes) -> Token:
        verified.append(raw_token)
        return verify(self, raw_token)

    monkeypatch.setattr(JWTAuthentication, "get_validated_token", note)
    token = mint(alice)
    for _ in range(2):
        assert authenticate(token) == alice
    assert verified == [token.encode()]


@pytest.mark.redis
def test_warm_request_is_one_cache_operation(alice: User, count_commands: CountCommands) -> None:
    """A warm request asks Redis exactly once."""
    token = mint(alice)
    authenticate(token)
    with count_commands() as commands:
        authenticate(token)
    assert commands == {"get": 1}


@pytest.mark.redis
def test_l1_request_asks_nobody(
    alice: User,
    settings: Settings,
    count_commands: CountCommands,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """A user who is near, with a token seen before, costs no query and no word with Redis."""
    settings.USERCACHE_L1_MAX_ENTRIES = 10
    token = mint(alice)
    bring_l1(alice.pk, lambda: authenticate(token))
    with count_commands() as commands, django_assert_num_queries(0):
        user = authenticate(token)
    assert set(commands) <= {"del"}  # the heartbeat's
    assert user == alice
    assert is_cached(user)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda token: token.payload.pop("user_id"), "token_not_valid"),
        (lambda token: token.payload.update(user_id=10**30), "user_not_found"),
        (lambda token: token.payload.update(user_id="abc"), "user_not_found"),
        (lambda token: token.payload.update(user_id=[1]), "user_not_found"),
        (lambda token: token.payload.update(user_id=None), "user_not_found"),
        (lambda token: token.payload.update(user_id=True), "user_not_found"),
        (lambda token: token.payload.update(user_id=1.0), "user_not_found"),
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


@pytest.mark.parametrize("warmth", ["cold", "warm", pytest.param("l1", marks=pytest.mark.redis)])
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
    """A user that was let in a moment ago is out at once, with a 401 that says why."""
    token = mint(alice)
    if warmth == "warm":
        authenticate(token)
    elif warmth == "l1":
        settings.USERCACHE_L1_MAX_ENTRIES = 10
        bring_l1(alice.pk, lambda: authenticate(token))
    change(alice)
    for _ in range(2):
        with pytest.raises(AuthenticationFailed) as raised:
            authenticate(token)
        assert code_of(raised.value) == code


def test_project_without_token_versions(alice: User, settings: Settings) -> None:
    """Where the setting is empty, tokens need no version."""
    settings.USERCACHE_TOKEN_VERSION_FIELD = ""
    assert authenticate(mint(alice, lambda token: token.payload.pop("token_version"))) == alice


@pytest.mark.parametrize("unclaimed", [0, 1, 2])
def test_tokens_from_before_token_versions(alice: User, settings: Settings, unclaimed: int) -> None:
    """A token without the claim is valid while the user has the version that it counts as."""
    settings.USERCACHE_TOKEN_VERSION_UNCLAIMED = unclaimed
    token = mint(alice, lambda token: token.payload.pop("token_version"))
    if unclaimed == alice.token_version:
        assert authenticate(token) == alice
        User.objects.filter(pk=alice.pk).update(token_version=2)
    with pytest.raises(AuthenticationFailed) as raised:
        authenticate(token)
    assert code_of(raised.value) == "token_revoked"


def test_null_is_not_an_absent_claim(alice: User, settings: Settings) -> None:
    """Nor is any other value that isn't a version."""
    settings.USERCACHE_TOKEN_VERSION_UNCLAIMED = 1
    token = mint(alice, lambda token: token.payload.update(token_version=None))
    with pytest.raises(AuthenticationFailed):
        authenticate(token)


@pytest.mark.parametrize("kind", [str, str.encode])
def test_token_as_text(alice: User, kind: Callable[[str], str | bytes]) -> None:
    """A subclass may pass text, as from a cookie; the token is what it was."""
    token: Any = kind(mint(alice))
    for _ in range(2):
        verified = CachedJWTAuthentication().get_validated_token(token)
        assert verified.token == token
        assert CachedJWTAuthentication().get_user(verified) == alice
    for bad in ("", "x", "\ud800", mint(alice)[:-1] + "?"):
        with pytest.raises(InvalidToken):
            CachedJWTAuthentication().get_validated_token(bad)


SESSION = "8a6e0804-2bd0-4672-b79d-d97027f9071a"
OTHER = "1f0c5d2a-b4e9-4c3f-8b6a-7d9e0c1f2a3b"


@pytest.mark.product
@pytest.mark.parametrize(
    ("ended", "claim", "is_refused"),
    [
        (f"{SESSION} 1", SESSION, True),
        (f"{OTHER} 1 {SESSION} 2", SESSION, True),
        (f"{OTHER} 1", SESSION, False),
        ("", SESSION, False),
        ("", "", False),
        (f"{SESSION} 1", "", False),
        (f"{SESSION} 1", SESSION[:8], False),
        (f"{SESSION} 1", None, False),
        (f"{SESSION} 1", [SESSION], False),
    ],
)
def test_token_of_an_ended_session(
    alice: User, ended: str, claim: object, is_refused: bool
) -> None:
    """Is refused at the next request; a part of its id is another, and no session never ends."""
    token = mint(alice, lambda token: token.payload.update(sid=claim))
    assert authenticate(token) == alice
    User.objects.filter(pk=alice.pk).update(ended_sessions=ended)
    if not is_refused:
        assert authenticate(token) == alice
        return
    with pytest.raises(AuthenticationFailed) as raised:
        authenticate(token)
    assert code_of(raised.value) == "session_ended"


@pytest.mark.product
def test_project_without_sessions(alice: User, settings: Settings) -> None:
    """Where the setting is empty, no column is asked."""
    settings.USERCACHE_ENDED_SESSIONS_FIELD = ""
    User.objects.filter(pk=alice.pk).update(ended_sessions=f"{SESSION} 1")
    assert authenticate(mint(alice, lambda token: token.payload.update(sid=SESSION))) == alice


def test_warm_request_that_is_a_transaction_makes_no_query(
    alice: User,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With ATOMIC_REQUESTS the first one fills after its commit."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    token = mint(alice)
    with transaction.atomic():
        assert authenticate(token) == alice
    with transaction.atomic(), django_assert_num_queries(0):
        assert authenticate(token) == alice
