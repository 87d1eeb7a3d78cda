"""manage.py cache_warm: filled before anybody asks, and never with anything old."""

import io
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.contrib.auth.models import User as StockUser
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from tests.steering import keep_redis_away
from tests.usercache.conftest import MakeUser
from tests.users import User
from usercache.backends.base import new_token
from usercache.codec import get_codec
from usercache.keys import record_key
from usercache.management.inspection import inspect_user
from usercache.management.warming import WARMING, Warmer, find_activity_fields
from usercache.runtime import get_store
from usercache.users import get_user_by_id, invalidate_all_users

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


def test_writer_s_marker_is_respected(users: list[User]) -> None:
    """Who is being written, in any order with the warming's load, isn't filled."""
    token, key = new_token(), record_key(users[1].pk)
    get_store().set_markers([key], token)
    assert warm().startswith("Warmed 4 of 5 users")
    assert inspect_user(users[1].pk).state == "write marker"


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
    assert store.redis is not None
    warmer = Warmer(store, store.redis, get_codec(), batch_size=2)
    next(warmer.run(warmer.plan(None, None)))
    assert warmer.load_progress() is not None
    assert warm("--resume").startswith("Warmed 5 of 5 users")
    with pytest.raises(CommandError, match="nothing to resume"):
        warm("--resume")


def test_entries_of_other_columns_are_replaced(users: list[User]) -> None:
    """After a change of the cached columns, those who were cached are warmed again."""
    redis = get_store().redis
    assert redis is not None
    for user in users[:2]:
        redis.set_pointer(record_key(user.pk), "Rof other columns", 60_000)
    assert warm().startswith("Warmed 5 of 5 users")
    assert inspect_user(users[0].pk).state == "record"


def test_only_those_who_were_active(users: list[User]) -> None:
    """By how long ago they logged in or, if they never did, registered; or the last so many."""
    now = timezone.now()
    logged_in = {0: timedelta(days=1), 1: timedelta(days=5), 2: timedelta(days=40)}
    for number, user in enumerate(users):
        made_at = now - timedelta(days=3 if number == 3 else 60)
        login_at = now - logged_in[number] if number in logged_in else None
        User.objects.filter(pk=user.pk).update(created_at=made_at, last_login=login_at)
    invalidate_all_users()
    assert warm("--limit", "1").startswith("Warmed 1 of 1 users")
    assert inspect_user(users[0].pk).state == "record"
    assert warm("--limit", "2").startswith("Warmed 1 of 2 users")
    assert inspect_user(users[3].pk).state == "record"
    assert warm("--active-since", "30d").startswith("Warmed 1 of 3 users")
    assert inspect_user(users[1].pk).state == "record"
    assert warm("--limit", "9").startswith("Warmed 2 of 5 users")


def test_activity_is_told_by_any_user_model() -> None:
    """By the log-in and by the moment that a row was made, however that is called."""
    assert find_activity_fields(User) == ["last_login", "created_at"]
    assert find_activity_fields(StockUser) == ["last_login", "date_joined"]
    assert find_activity_fields(Permission) == []


def test_progress_that_is_not_ours_is_none(users: list[User]) -> None:
    """Whatever others left under its key, there is then nothing to resume."""
    store = get_store()
    assert store.redis is not None
    warmer = Warmer(store, store.redis, get_codec())
    for saved in ("", "7", "[" * 5000, '[null,5,0,0,"x"]', '["2026-11-26T00:00:00",5,0,0,""]'):
        store.redis.set_pointer(WARMING, saved, 60_000)
        assert warmer.load_progress() is None
    store.redis.set_pointer(WARMING, '[null,5,1,1,"7"]', 60_000)
    assert warmer.load_progress() is not None


def test_failing_redis_ends_it(users: list[User], settings: Settings) -> None:
    """With a word of what to do; and without any Redis there is nothing to warm."""
    keep_redis_away()
    with pytest.raises(CommandError, match="Redis failed"):
        warm()
    settings.USERCACHE_REDIS_ALIAS = ""
    with pytest.raises(CommandError, match="set REDIS_URL"):
        warm()
