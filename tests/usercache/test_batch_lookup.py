"""Several users at once, and look-ups that let the event loop go on."""

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from tests.backends import acquire_fill_lock
from tests.caches import lead_shared_alias
from tests.counting import CountCommands, counts
from tests.servers.redis_server import RedisServer
from tests.steering import get_guard, steer_recovery
from tests.usercache.conftest import MakeUser
from tests.usercache.l1 import is_l1
from tests.users import User
from tests.waiting import WAIT_SECONDS, wait_until
from usercache.backends.base import new_fill_lock, new_token
from usercache.codec import Codec, Values, get_codec
from usercache.keys import record_key
from usercache.management.inspection import inspect_record
from usercache.orm.loading import load
from usercache.runtime import get_store
from usercache.users import (
    LOOKUPS_AT_ONCE,
    aget_user_by_email,
    aget_user_by_id,
    aget_user_by_phone,
    aget_user_by_username,
    aget_users_by_ids,
    get_user_by_id,
    get_users_by_ids,
)

if TYPE_CHECKING:
    from redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = 987_654


@pytest.fixture
def some(make_user: MakeUser) -> list[User]:
    return [make_user(f"user{number}") for number in range(5)]


def test_users_by_key_in_the_order_asked(some: list[User]) -> None:
    """Each once, under his primary key; who isn't there, or can't be, is left out."""
    pks = [user.pk for user in some]
    asked: list[object] = [pks[3], NOBODY, "x", None, True, 2**70, str(pks[0]), pks[3], -1]
    for _ in range(2):
        found = get_users_by_ids(asked)
        assert list(found) == [pks[3], pks[0]]
        assert found[pks[0]].email == some[0].email
    assert get_users_by_ids([]) == {}


def test_cold_is_one_query_and_warm_is_none(
    some: list[User], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """One query fills all that were missed, absent ones included."""
    pks = [*(user.pk for user in some), NOBODY]
    with django_assert_num_queries(1):
        assert len(get_users_by_ids(pks)) == len(some)
    with django_assert_num_queries(0):
        assert len(get_users_by_ids(pks)) == len(some)
        assert get_user_by_id(some[0].pk) == some[0]
        assert get_user_by_id(NOBODY) is None


@pytest.mark.redis
def test_round_trips(some: list[User], count_commands: CountCommands) -> None:
    """Warm, one command for each user, all in one pipeline; partly cold, one fill more each."""
    pks = [user.pk for user in some]
    get_users_by_ids(pks[:3])
    with count_commands() as counts:
        get_users_by_ids(pks)
    assert counts["eval"] == len(pks) + 2
    with count_commands() as counts:
        get_users_by_ids(pks)
    assert counts["eval"] == len(pks)


@pytest.mark.redis
def test_many_are_looked_up_in_batches(some: list[User], count_commands: CountCommands) -> None:
    """A list of any length is asked for in pieces."""
    ids = [*range(10**9, 10**9 + LOOKUPS_AT_ONCE), some[0].pk]
    assert list(get_users_by_ids(ids)) == [some[0].pk]


def test_marker_and_fill_lock_are_respected(
    some: list[User], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A user that another is writing or loading is loaded and not filled; nobody is waited for."""
    pks, store = [user.pk for user in some], get_store()
    store.set_markers([record_key(pks[0])], new_token())
    backend = store.redis or store.memory
    acquire_fill_lock(backend, record_key(pks[1]), new_fill_lock())
    for queries in (1, 1):
        with django_assert_num_queries(queries):
            assert list(get_users_by_ids(pks)) == pks
    assert inspect_record(store, record_key(pks[0]), get_codec()).state == "write marker"
    assert inspect_record(store, record_key(pks[1]), get_codec()).state == "fill lock"
    assert inspect_record(store, record_key(pks[2]), get_codec()).state == "record"


def test_nothing_is_filled_in_a_transaction(some: list[User]) -> None:
    """What may never be committed is returned to its writer and kept from others."""
    pk = some[0].pk
    with transaction.atomic():
        User.objects.filter(pk=pk).update(first_name="Uncommitted")
        assert get_users_by_ids([pk, some[1].pk])[pk].first_name == "Uncommitted"
        transaction.set_rollback(True)
    store = get_store()
    assert inspect_record(store, record_key(some[1].pk), get_codec()).state == "nothing"
    assert get_users_by_ids([pk])[pk].first_name == ""


@pytest.mark.redis
def test_foreign_type_and_garbage_are_misses(some: list[User], redis_client: "Redis") -> None:
    """A list under a record's key, or nonsense, costs a query and harms no other."""
    pks = [user.pk for user in some]
    redis_client.lpush(f"hmb:1:user:id:{pks[0]}", "x")
    redis_client.set(f"hmb:1:user:id:{pks[1]}", b"nonsense")
    assert list(get_users_by_ids(pks)) == pks
    with transaction.atomic():
        redis_client.delete(f"hmb:1:user:id:{pks[0]}")
        redis_client.lpush(f"hmb:1:user:id:{pks[0]}", "x")
        assert list(get_users_by_ids(pks)) == pks
    assert counts().get("breaker_openings", 0) == 0


def test_unreadable_entries_are_replaced(
    some: list[User], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """After a change of the cached columns, a batch loads the users once, and others find them."""
    pks = [user.pk for user in some]
    get_users_by_ids(pks[:3])
    store = get_store()
    backend = store.redis or store.memory
    for pk in pks[:2]:
        key, fill_lock = record_key(pk), new_fill_lock()
        backend.invalidate([key])
        acquire_fill_lock(backend, key, fill_lock)
        backend.fill({key: (b"Rof other columns", 60_000)}, fill_lock)
    with django_assert_num_queries(1):
        assert list(get_users_by_ids(pks)) == pks
    with django_assert_num_queries(0):
        assert list(get_users_by_ids(pks)) == pks
        assert get_user_by_id(pks[0]) == some[0]


@pytest.mark.redis
def test_dead_redis(some: list[User], redis_server: RedisServer, settings: Settings) -> None:
    """Without Redis, process memory and one query answer."""
    lead_shared_alias(settings, redis_server.url)
    steer_recovery()
    pks = [user.pk for user in some]
    get_users_by_ids(pks)
    redis_server.kill()
    for _ in range(5):
        assert list(get_users_by_ids(pks)) == pks
        get_guard().attend()
    assert counts()["hits_memory"] >= len(pks)


@pytest.mark.product
@pytest.mark.redis
def test_l1_users_cost_no_round_trip(
    some: list[User], settings: Settings, count_commands: CountCommands
) -> None:
    """Who is in process memory isn't asked for again."""
    settings.USERCACHE_L1_MAX_ENTRIES = 100
    pks = [user.pk for user in some]
    wait_until(lambda: get_users_by_ids(pks) and all(map(is_l1, pks)), "all are near")
    with count_commands() as counts:
        assert list(get_users_by_ids(pks)) == pks
    assert "eval" not in counts


def test_async_twins(some: list[User]) -> None:
    """Each returns what its twin does."""
    user = some[0]
    User.objects.filter(pk=user.pk).update(phone="+12425550199")

    async def look_up() -> list[object]:
        found: list[object] = [
            await aget_user_by_id(user.pk),
            await aget_user_by_id("nonsense"),
            await aget_user_by_email(user.email),
            await aget_user_by_username("user0"),
            await aget_user_by_phone("+12425550199"),
            await aget_users_by_ids([user.pk]),
        ]
        await sync_to_async(connections.close_all)()
        return found

    assert asyncio.run(look_up()) == [user, None, user, user, user, {user.pk: user}]


def test_loop_goes_on_while_a_user_is_loaded(
    some: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others' coroutines run while the database is asked, on another thread."""
    loaded_on: list[int] = []
    went_on = threading.Event()

    def load_slowly(codec: Codec, by: dict[str, int]) -> Values | None:
        loaded_on.append(threading.get_ident())
        assert went_on.wait(WAIT_SECONDS), "the loop stands still"
        return load(codec, by)

    async def go_on() -> None:
        while not loaded_on:
            await asyncio.sleep(0)
        went_on.set()

    async def look_up() -> User | None:
        found, _ = await asyncio.gather(aget_user_by_id(some[0].pk), go_on())
        await sync_to_async(connections.close_all)()
        return found

    monkeypatch.setattr("usercache.orm.loading.load", load_slowly)
    assert asyncio.run(look_up()) == some[0]
    assert loaded_on != [threading.get_ident()]
