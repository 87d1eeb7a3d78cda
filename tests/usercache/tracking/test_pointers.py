"""Look-ups by email, username and phone from process memory."""

import asyncio
from functools import partial

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from pytest_django import Settings

from tests.counting import CountCommands
from tests.usercache.l1 import bring_l1
from tests.users import User
from tests.waiting import wait_until
from usercache.runtime import get_store
from usercache.users import (
    aget_user_by,
    aget_user_by_email,
    aget_user_by_id,
    aget_user_by_phone,
    get_user_by_email,
    get_user_by_id,
    get_user_by_phone,
    recall_user_by,
)

pytestmark = [pytest.mark.redis, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _client_cache_is_on(settings: Settings) -> None:
    settings.USERCACHE_L1_MAX_ENTRIES = 100


def bring(*users: User) -> None:
    """Look them up until process memory has each of them, and a pointer for their email."""
    for user in users:
        bring_l1(user.pk, partial(get_user_by_id, user.pk))
        assert get_user_by_email(user.email) == user


def test_a_warm_look_up_by_email_asks_nobody(alice: User, count_commands: CountCommands) -> None:
    """Neither Redis nor the database, however the email is cased."""
    bring(alice)
    with count_commands() as commands:
        assert get_user_by_email(alice.email) == alice
        assert get_user_by_email(alice.email.upper()) == alice
    assert commands == {}


def test_async_look_up_in_memory_needs_no_thread(
    alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the user is looked up by; what isn't there is left to a thread."""
    bring(alice)

    async def look_up() -> list[User | None]:
        return [
            await aget_user_by_id(alice.pk),
            await aget_user_by_email(alice.email.upper()),
            await aget_user_by("email", alice.email),
            await aget_user_by("pk", str(alice.pk)),
        ]

    def refuse(function: object) -> object:
        raise AssertionError(function)

    with monkeypatch.context() as patch:
        patch.setattr("usercache.users.sync_to_async", refuse)
        assert asyncio.run(look_up()) == [alice] * 4
        with pytest.raises(AssertionError):
            asyncio.run(aget_user_by_email(bob.email))
    for column, value in (("email", bob.email), ("email", 7), ("pk", "x"), ("bio", "x")):
        assert recall_user_by(column, value) is None
    User.objects.filter(pk=alice.pk).update(email="away@example.com")
    bring_l1(alice.pk, partial(get_user_by_id, alice.pk))
    assert recall_user_by("email", alice.email) is None
    assert recall_user_by("pk", alice.pk) == alice


def test_async_look_up_by_a_column_that_is_not_cached(alice: User, settings: Settings) -> None:
    """Memory can't tell whether it is theirs still: a thread asks the database."""
    settings.USERCACHE_FIELDS = tuple(f for f in settings.USERCACHE_FIELDS if f != "phone")
    bring(alice)
    assert get_user_by_phone("+12425550101") == alice

    async def look_up() -> tuple[User | None, User | None]:
        found = recall_user_by("phone", "+12425550101"), await aget_user_by_phone("+12425550101")
        await sync_to_async(connections.close_all)()
        return found

    assert asyncio.run(look_up()) == (None, alice)


def test_an_outdated_pointer_in_memory_misleads_nobody(alice: User, bob: User) -> None:
    """Another process gave the email to another user: the record of the first says so."""
    bring(alice, bob)
    given, _ = alice.email, User.objects.filter(pk=alice.pk).update(email="away@example.com")
    User.objects.filter(pk=bob.pk).update(email=given)
    l1 = get_store().l1
    assert l1 is not None
    l1.put_pointer(f"user:email:{given}", alice.pk, 300.0)
    assert get_user_by_email(given) == bob
    assert get_user_by_email("away@example.com") == alice


def test_an_outdated_pointer_to_nobody_misleads_nobody(
    alice: User, count_commands: CountCommands
) -> None:
    """Redis has another, and that one is kept from then on."""
    bring(alice)
    l1 = get_store().l1
    assert l1 is not None
    l1.put_pointer(f"user:email:{alice.email}", alice.pk + 1, 300.0)
    assert get_user_by_email(alice.email) == alice
    wait_until(lambda: l1.is_current, "what was filled for nobody is reported")
    with count_commands() as commands:
        assert get_user_by_email(alice.email) == alice
    assert commands == {}


def test_a_pointer_to_the_former_owner_is_dropped(alice: User) -> None:
    """So that the next look-up doesn't follow it again."""
    bring(alice)
    former = alice.email
    User.objects.filter(pk=alice.pk).update(email="away@example.com")
    store = get_store()
    store.keep_pointer(f"user:email:{former}", alice.pk)
    assert get_user_by_email(former) is None
    assert store.recall_pointer(f"user:email:{former}") is None


def test_a_pointer_of_another_process_is_found(alice: User) -> None:
    """Where memory has none, Redis is asked, and what it says is kept."""
    bring(alice)
    store = get_store()
    assert store.l1 is not None
    store.l1.invalidate([], [f"user:email:{alice.email}"])
    assert store.recall_pointer(f"user:email:{alice.email}") is None
    assert get_user_by_email(alice.email) == alice
    assert store.recall_pointer(f"user:email:{alice.email}") == alice.pk
