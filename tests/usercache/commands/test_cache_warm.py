"""manage.py cache_warm: filled before anybody asks, and never with anything old."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from tests.usercache.conftest import MakeUser
from usercache.codec import get_codec
from usercache.keys import record_key
from usercache.process import get_store
from usercache.tiers import new_token
from usercache.users import get_user_by_id, inspect_user, invalidate_all_users
from usercache.warming import Warmer

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]


def warm(*arguments: str) -> str:
    out = io.StringIO()
    call_command("cache_warm", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.fixture
def users(make_user: MakeUser) -> list[User]:
    made = [make_user(f"user-{number}") for number in range(5)]
    invalidate_all_users()
    return made


def test_everybody_is_warm(
    users: list[User], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Afterwards nobody's look-up needs a query; who was warm before is left as he was."""
    get_user_by_id(users[0].pk)
    assert warm("--batch", "2").startswith("Warmed 4 of 5 users")
    with django_assert_num_queries(0):
        assert [get_user_by_id(user.pk) for user in users] == users


def test_writer_s_barrier_is_respected(users: list[User]) -> None:
    """Who is being written, in any order with the warming's load, isn't filled."""
    token, key = new_token(), record_key(users[1].pk)
    get_store().raise_barriers([key], token)
    assert warm().startswith("Warmed 4 of 5 users")
    assert inspect_user(users[1].pk).state == "barrier"


def test_write_during_the_load_wins(users: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is changed after it was loaded and before it is filled is not filled."""
    load = Warmer._load

    def load_and_write(warmer: Warmer, pks: list[int]) -> object:
        rows = load(warmer, pks)
        users[2].first_name = "Changed"
        users[2].save()
        return rows

    monkeypatch.setattr(Warmer, "_load", load_and_write)
    warm()
    found = get_user_by_id(users[2].pk)
    assert found is not None
    assert found.first_name == "Changed"


def test_interrupted_warming_goes_on(users: list[User]) -> None:
    """What was broken off is resumed after the last batch, once."""
    store = get_store()
    assert store.shared is not None
    warmer = Warmer(store.shared, get_codec(), store.stats, batch_size=2)
    next(warmer.run(warmer.plan(None, None)))
    assert warmer.load_progress() is not None
    assert warm("--resume").startswith("Warmed 5 of 5 users")
    with pytest.raises(CommandError, match="nothing to resume"):
        warm("--resume")


def test_only_those_who_were_active(users: list[User]) -> None:
    """By how long ago they logged in, or the last so many who did."""
    for user, days in zip(users, (1, 5, 40), strict=False):
        user.last_login = timezone.now() - timedelta(days=days)
        user.save(update_fields=["last_login"])
    assert warm("--limit", "1").startswith("Warmed 1 of 1 users")
    assert warm("--active-since", "30d").startswith("Warmed 1 of 2 users")
    assert warm("--limit", "9").startswith("Warmed 1 of 3 users")


def test_failing_redis_ends_it(users: list[User], settings: Settings) -> None:
    """With a word of what to do; and without any Redis there is nothing to warm."""
    shared = get_store().shared
    assert shared is not None
    shared.breaker.failed(at_once=True)
    with pytest.raises(CommandError, match="Redis failed"):
        warm()
    settings.USERCACHE_SHARED_ALIAS = ""
    with pytest.raises(CommandError, match="set REDIS_URL"):
        warm()
