"""Users as JSON: the same bytes as DRF's own fields and renderer make of them."""

import datetime
import random
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import get_default_timezone
from pytest_django import Settings
from rest_framework import renderers, serializers
from rest_framework.test import APIClient

from accounts.models import User
from accounts.serializers.requests import ProfileChangesSerializer
from accounts.serializers.responses import (
    ContactProfileSerializer,
    LoginSerializer,
    ProfilePageSerializer,
    PublicProfileSerializer,
    UserRepresentation,
    UserSerializer,
)
from hiremebahamas.rendering import JSONRenderer
from tests.cast import client_of

REPRESENTATIONS = (UserSerializer, PublicProfileSerializer, ContactProfileSerializer)
TEXTS = ("", "Zoë", '"\\/', "\x7f\t\n\r\x01", "\u2028\u2029", "🏝️", "<script>&amp;", "ß" * 100)
USERS = 500


def draw_user(number: int) -> User:
    """Return a user of a seed: any text, any moment since 1970, sometimes without identifiers."""
    drawn = random.Random(number)

    def draw_time() -> datetime.datetime:
        seconds, microseconds = drawn.randrange(2**31), drawn.choice((0, 1, 120_000, 999_999))
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
        zone = drawn.choice((datetime.UTC, get_default_timezone()))
        return moment.replace(microsecond=microseconds).astimezone(zone)

    names = ("email", "first_name", "last_name", "bio", "avatar_url", "occupation", "location")
    return User(
        id=drawn.choice((1, 7, 2**63 - 1)),
        username=drawn.choice((None, "alice", "a.b-c_d")),
        phone=drawn.choice((None, "+12425550101")),
        is_active=drawn.random() < 0.5,
        is_admin=drawn.random() < 0.5,
        created_at=draw_time(),
        updated_at=draw_time(),
        **{name: drawn.choice(TEXTS) for name in names},
    )


def describe_by_drf(representation: type[UserRepresentation], user: User) -> Any:
    """Return what DRF's own fields, built for this user alone, make of them."""

    class Plain(serializers.ModelSerializer[User]):
        class Meta(representation.Meta):  # type: ignore[name-defined,misc]  # a parameter
            pass

    return Plain(user).data


@pytest.mark.parametrize("representation", REPRESENTATIONS)
@pytest.mark.parametrize("time_zone", ["America/Nassau", "UTC"])
def test_users_are_the_same_bytes_as_by_drf(
    representation: type[UserRepresentation], time_zone: str, settings: Settings
) -> None:
    """Each column of many users, in any time zone of the project."""
    settings.TIME_ZONE = time_zone
    for user in map(draw_user, range(USERS)):
        by_drf = renderers.JSONRenderer().render(describe_by_drf(representation, user), None, {})
        described = representation.describe(user)
        assert JSONRenderer().render(described, JSONRenderer.media_type, {}) == by_drf


def test_users_within_another_answer_are_the_same() -> None:
    """On a page and in a log-in."""
    users = [draw_user(number) for number in range(20)]
    page = ProfilePageSerializer({"count": 20, "page": 1, "page_size": 20, "results": users}).data
    assert page["results"] == [describe_by_drf(PublicProfileSerializer, user) for user in users]
    tokens = {"access_token": "a", "refresh_token": "b", "token_type": "bearer"}
    login = LoginSerializer({**tokens, "user": users[0]}).data
    assert login == {**tokens, "user": describe_by_drf(UserSerializer, users[0])}


def test_fields_are_built_once() -> None:
    """For requests as for answers, and one class's are not another's."""
    for serializer in (UserSerializer, ProfileChangesSerializer):
        assert serializer().fields is serializer().fields
    assert set(UserSerializer().fields) != set(PublicProfileSerializer().fields)


@pytest.mark.django_db(transaction=True)
def test_answers_about_cached_users_need_no_query(alice: User, bob: User) -> None:
    """And are the same bytes as when they were loaded."""
    client = client_of(alice)
    paths = ("/auth/verify", "/auth/profile", f"/users/{bob.pk}", "/users/lookup?username=bob")
    cold = [client.get(path) for path in paths]
    with CaptureQueriesContext(connection) as queries:
        warm = [client.get(path) for path in paths]
    assert [response.status_code for response in warm] == [200] * len(paths)
    assert [response.content for response in warm] == [response.content for response in cold]
    assert [response.headers for response in warm] == [response.headers for response in cold]
    assert len(queries) == 0


@pytest.mark.django_db
def test_a_change_is_in_the_next_answer(as_alice: APIClient) -> None:
    """No shared field remembers a user."""
    before = as_alice.get("/auth/profile").json()
    changed = as_alice.patch("/auth/profile", {"occupation": "Diver"}).json()
    assert changed == as_alice.get("/auth/profile").json()
    assert changed == {**before, "occupation": "Diver", "updated_at": changed["updated_at"]}
