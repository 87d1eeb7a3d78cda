"""A list that shows a user in each row costs no more than its own query."""

import datetime
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.paginator import Paginator
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from redis.connection import AbstractConnection
from rest_framework import serializers

from accounts.models import LoginSession
from tests.counting import CountCommands
from tests.usercache.conftest import MakeUser
from tests.users import User
from usercache.rest_framework.fields import CachedUserField
from usercache.users import get_users_by_ids

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 50
NOBODY = 987_654
CARD = ("id", "username")

CountRoundTrips = Callable[[], AbstractContextManager[list[str]]]


class SessionSerializer(serializers.ModelSerializer[LoginSession]):
    """Rows with a foreign key."""

    user = CachedUserField(fields=CARD)

    class Meta:
        model = LoginSession
        fields = ("token_hash", "user")


class NoteSerializer(serializers.Serializer[Any]):
    """Rows of any kind, which hold a key."""

    author = CachedUserField(fields=CARD)
    editor = CachedUserField(fields=CARD, source="edited_by")


class ThreadSerializer(serializers.Serializer[Any]):
    """Rows with rows below them."""

    starter = CachedUserField(fields=CARD)
    notes = NoteSerializer(many=True)


# The stubs know neither `many=True` nor rows of other kinds.
sessions_of: Any = SessionSerializer
notes_of: Any = NoteSerializer


@pytest.fixture
def users(make_user: MakeUser) -> list[User]:
    return [make_user(f"user{number}") for number in range(ROWS)]


@pytest.fixture
def sessions(users: list[User]) -> list[LoginSession]:
    end = timezone.now() + datetime.timedelta(days=1)
    return LoginSession.objects.bulk_create(
        LoginSession(user=user, token_hash=user.username, rotated_at=end, expires_at=end)
        for user in users
    )


@pytest.fixture
def count_round_trips(monkeypatch: pytest.MonkeyPatch) -> CountRoundTrips:
    """Count what this thread sends to Redis and waits for."""

    @contextmanager
    def count() -> Iterator[list[str]]:
        sent, own, send = list[str](), threading.get_ident(), AbstractConnection.send_packed_command

        def note(self: Any, command: Any, *arguments: Any, **options: Any) -> Any:
            if threading.get_ident() == own:
                sent.append(repr(command))
            return cast(Any, send)(self, command, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(AbstractConnection, "send_packed_command", note)
            yield sent

    return count


def card(user: User) -> dict[str, Any]:
    return {"id": user.pk, "username": user.username}


# -- what a list costs


@pytest.mark.redis
def test_a_list_costs_its_own_query_and_one_round_trip(
    users: list[User],
    sessions: list[LoginSession],
    count_commands: CountCommands,
    count_round_trips: CountRoundTrips,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """Fifty rows, fifty users: one query, and one command for each user, sent at once."""
    get_users_by_ids(user.pk for user in users)
    serializer = sessions_of(LoginSession.objects.order_by("user"), many=True)
    with django_assert_num_queries(1), count_round_trips() as sent, count_commands() as counts:
        shown = serializer.data
    assert [row["user"] for row in shown] == [card(user) for user in users]
    # Each command makes Redis read the key.
    assert {name: calls for name, calls in counts.items() if calls} == {"eval": ROWS, "get": ROWS}
    assert len(sent) == 1 + 2  # two are the counting's own


@pytest.mark.redis
def test_several_fields_and_nested_rows_share_the_round_trip(
    users: list[User], count_round_trips: CountRoundTrips
) -> None:
    """Whichever field shows a user, and however deep."""
    get_users_by_ids(user.pk for user in users)
    a, b, c, *_ = users
    notes = [{"author": b.pk, "edited_by": a.pk}, {"author": a.pk, "edited_by": c.pk}]
    threads = [{"starter": a.pk, "notes": notes}, {"starter": c.pk, "notes": []}]
    with count_round_trips() as sent:
        shown: Any = ThreadSerializer(threads, many=True).data
    assert len(sent) == 1
    assert shown == [
        {
            "starter": card(a),
            "notes": [
                {"author": card(b), "editor": card(a)},
                {"author": card(a), "editor": card(c)},
            ],
        },
        {"starter": card(c), "notes": []},
    ]


def test_cold_users_cost_one_query_more(
    users: list[User],
    sessions: list[LoginSession],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """All that aren't cached are loaded together."""
    with django_assert_num_queries(2):
        shown = sessions_of(LoginSession.objects.order_by("user"), many=True).data
    assert [row["user"] for row in shown] == [card(user) for user in users]


@pytest.mark.redis
@pytest.mark.parametrize("depth", ["page", "list", "prefetched", "one row"])
def test_rows_in_memory(
    depth: str,
    users: list[User],
    sessions: list[LoginSession],
    count_round_trips: CountRoundTrips,
) -> None:
    """A page of a paginator, a list, prefetched rows and a single row are batches, too."""
    get_users_by_ids(user.pk for user in users)
    ordered = LoginSession.objects.order_by("user")
    nested = type(
        "UserSerializer",
        (serializers.Serializer,),
        {"login_sessions": SessionSerializer(many=True)},
    )
    shown: Any
    with count_round_trips() as sent:
        if depth == "page":
            shown = sessions_of(Paginator(ordered, ROWS).page(1), many=True).data
        elif depth == "list":
            shown = sessions_of(list(ordered), many=True).data
        elif depth == "one row":
            shown = [sessions_of(session).data for session in ordered[:1]]
        else:
            rows = User.objects.order_by("pk").prefetch_related("login_sessions")
            shown = [s for row in nested(rows, many=True).data for s in row["login_sessions"]]
    assert [row["user"] for row in shown] == [card(user) for user in users][: len(shown)]
    assert len(sent) == 1


# -- what is shown


def test_rows_that_are_not_in_memory(users: list[User], sessions: list[LoginSession]) -> None:
    """Without a prefetch, from a generator, or of a serializer without rows: right all the same."""
    nested = type(
        "UserSerializer",
        (serializers.Serializer,),
        {"login_sessions": SessionSerializer(many=True)},
    )
    rows = nested(User.objects.order_by("pk")[:3], many=True).data
    assert [row["login_sessions"][0]["user"] for row in rows] == [card(u) for u in users[:3]]
    generated = sessions_of((s for s in sessions), many=True).data
    assert [row["user"] for row in generated] == [card(user) for user in users]
    bare = sessions_of(many=True).to_representation(sessions)
    assert [row["user"] for row in bare] == [card(user) for user in users]


def test_nobody(users: list[User]) -> None:
    """No key, the key of nobody, and what can't be a key are null."""
    rows = [{"author": value, "edited_by": users[0].pk} for value in (None, NOBODY, "x", True, -1)]
    shown = notes_of(rows, many=True).data
    assert [row["author"] for row in shown] == [None] * len(rows)
    assert [row["editor"] for row in shown] == [card(users[0])] * len(rows)


def test_inactive_users(users: list[User]) -> None:
    """An inactive user is null, unless the field shows them."""

    class Serializer(serializers.Serializer[Any]):
        hidden = CachedUserField(fields=CARD, source="*")
        shown = CachedUserField(fields=(*CARD, "is_active"), source="*", show_inactive=True)

    gone, there, *_ = users
    gone.is_active = False
    gone.save()
    rows: Any = [gone.pk, str(there.pk), there]
    shown: Any = Serializer(rows, many=True).data
    assert shown == [
        {"hidden": None, "shown": {**card(gone), "is_active": False}},
        *2 * [{"hidden": card(there), "shown": {**card(there), "is_active": True}}],
    ]


def test_columns_look_as_in_a_model_serializer(users: list[User]) -> None:
    """A date has the project's format, as in every other answer of the framework."""

    class Ours(serializers.Serializer[Any]):
        author = CachedUserField(fields=("created_at", "avatar_url"))

    class Theirs(serializers.ModelSerializer[User]):
        class Meta:
            model = User
            fields = ("created_at", "avatar_url")

    assert Ours(SimpleNamespace(author=users[0].pk)).data["author"] == Theirs(users[0]).data


def test_a_write_shows_in_the_next_response(users: list[User]) -> None:
    """Also of the same serializer, whose users were shown before the write."""
    rows = [{"author": user.pk, "edited_by": None} for user in users[:2]]
    serializer = notes_of(rows, many=True)
    assert serializer.to_representation(rows)[1]["author"] == card(users[1])
    users[1].username = "renamed"
    users[1].save()
    assert serializer.to_representation(rows)[1]["author"]["username"] == "renamed"


def test_a_field_is_never_written(users: list[User]) -> None:
    """Input for it is ignored."""
    serializer = notes_of(data={"author": users[0].pk, "edited_by": users[0].pk})
    assert serializer.is_valid()
    assert serializer.validated_data == {}


# -- wrong use


@pytest.mark.parametrize("fields", ["id", (), []])
def test_columns_must_be_named(fields: Any) -> None:
    """A text would be taken for the names of its letters."""
    with pytest.raises(ImproperlyConfigured, match="needs the columns"):
        CachedUserField(fields=fields)


def test_only_cached_columns(users: list[User]) -> None:
    """A column that isn't cached would cost a query for each row; a secret is never cached."""

    class Serializer(serializers.Serializer[Any]):
        author = CachedUserField(fields=("id", "password"))

    with pytest.raises(ImproperlyConfigured, match=r"'author' of Serializer shows password"):
        _ = Serializer({"author": users[0].pk}).data


def test_a_row_without_the_attribute() -> None:
    """The field is left out, as the framework leaves out any that is only read."""
    assert sessions_of(SimpleNamespace(token_hash="")).data == {"token_hash": ""}
