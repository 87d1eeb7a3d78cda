"""The switch: how many users are served from the cache, in every process."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries, Settings

from tests.counting import CountCommands
from tests.processes import python
from tests.usercache.conftest import MakeUser
from tests.users import User
from usercache.backends.choice import is_served
from usercache.backends.redis import RedisBackend
from usercache.backends.resilient import HEARTBEAT_SECONDS
from usercache.keys import record_key
from usercache.management.switch import SERVING, follow_switch, read_switch, set_switch
from usercache.runtime import get_store
from usercache.users import (
    get_user_by_email,
    get_user_by_id,
    get_users_by_ids,
)

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = [record_key(number) for number in range(10_000)]


def test_shares() -> None:
    """Each percent is a hundredth of the keys, and holds those of each lower one."""
    before = set[str]()
    for percent in range(101):
        served = {key for key in KEYS if is_served(key, percent)}
        assert before <= served
        assert abs(len(served) - percent * 100) < 250
        before = served
    assert before == set(KEYS)
    assert not any(is_served(key, 0) for key in KEYS)


def by_batch(user: User) -> User | None:
    return get_users_by_ids([user.pk]).get(user.pk)


LOOK_UPS: list[Callable[[User], Any]] = [
    lambda user: get_user_by_id(user.pk),
    lambda user: get_user_by_email(user.email),
    by_batch,
]


@pytest.mark.parametrize("look_up", LOOK_UPS, ids=["id", "email", "batch"])
def test_off(
    alice: User, look_up: Callable[[User], Any], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Every look-up loads, and writes invalidate: on again, nothing old is served."""
    assert look_up(alice) == alice
    store = get_store()
    store.served_percent = 0
    for name in ("Alicia", "Ally"):
        User.objects.filter(pk=alice.pk).update(first_name=name)
        for _ in range(2):
            assert look_up(alice).first_name == name
    store.served_percent = 100
    assert look_up(alice).first_name == "Ally"
    with django_assert_num_queries(0):
        assert look_up(alice).first_name == "Ally"


@pytest.mark.redis
def test_off_asks_redis_for_nothing(alice: User, count_commands: CountCommands) -> None:
    """It is as if there were no Redis, for look-ups."""
    for look_up in LOOK_UPS:
        look_up(alice)
    get_store().served_percent = 0
    with count_commands() as commands:
        for look_up in LOOK_UPS:
            look_up(alice)
    assert set(commands) <= {"del"}  # the heartbeat's


def test_ramp(make_user: MakeUser, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """The same users are served by each kind of look-up; a batch loads the others together."""
    users = [make_user(f"user{number}") for number in range(20)]
    served = [user for user in users if is_served(record_key(user.pk), 50)]
    assert 0 < len(served) < len(users)
    get_store().served_percent = 50
    pks = [user.pk for user in users]
    assert list(get_users_by_ids(pks)) == pks
    with django_assert_num_queries(1):
        assert list(get_users_by_ids(pks)) == pks
    with django_assert_num_queries(0):
        assert [get_user_by_id(user.pk) for user in served] == served
        assert len(get_users_by_ids([user.pk for user in served])) == len(served)
    with django_assert_num_queries(len(users) - len(served)):
        assert [get_user_by_id(user.pk) for user in users] == users


@pytest.mark.redis
def test_process_follows(redis_backend: RedisBackend) -> None:
    """It serves what Redis says, and what it said last once Redis has lost it."""
    store = get_store()
    follow_switch(store, redis_backend)
    assert store.served_percent == 100
    assert redis_backend.get(SERVING) is None
    set_switch(redis_backend, 25)
    follow_switch(store, redis_backend)
    assert store.served_percent == 25
    redis_backend.client.flushall()
    follow_switch(store, redis_backend)
    assert store.served_percent == 25
    assert read_switch(redis_backend) == 25
    set_switch(redis_backend, 100)
    follow_switch(store, redis_backend)
    assert store.served_percent == 100


@pytest.mark.redis
def test_process_overrules_no_operator(
    redis_backend: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said after a process found nothing stays."""
    store = get_store()
    store.served_percent = 25
    with monkeypatch.context() as patch:
        patch.setattr(redis_backend, "get", lambda _: set_switch(redis_backend, 100))
        follow_switch(store, redis_backend)
    assert read_switch(redis_backend) == 100


@pytest.mark.redis
@pytest.mark.parametrize("said", [b"", b"x", b"101", b"-1", b"5.5", "٣".encode(), b"9" * 30])
def test_what_is_no_percentage_says_nothing(redis_backend: RedisBackend, said: bytes) -> None:
    """Another client's value changes nothing."""
    redis_backend.client.set(redis_backend.prefix + SERVING, said)
    assert read_switch(redis_backend) is None


OTHER_PROCESS = """
from threading import Event
from time import monotonic
from usercache.runtime import await_verdict, get_store
store, never = get_store(), Event()
await_verdict(30)
print(store.served_percent, flush=True)
for line in iter(input, ""):
    began = monotonic()
    while store.served_percent != int(line) and monotonic() < began + 60:
        never.wait(0.01)
    print(store.served_percent, flush=True)
"""


def say(*words: str) -> str:
    out = StringIO()
    call_command("usercache", *words, stdout=out)
    return out.getvalue()


@pytest.mark.redis
def test_every_process_follows_within_two_seconds() -> None:
    """A process that runs hears of it by its heartbeat; one that starts, before it uses Redis."""
    assert HEARTBEAT_SECONDS <= 1  # so two seconds are enough, unless the machine is slower
    try:
        with python(OTHER_PROCESS) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "100\n"
            for words in (["off"], ["ramp", "25"], ["on"], ["off"]):
                assert say(*words) == say("status")
                percent = {"off": 0, "ramp": 25, "on": 100}[words[0]]
                print(percent, file=process.stdin, flush=True)
                assert process.stdout.readline() == f"{percent}\n", words
        assert say("status").startswith("Off:")
        with python(OTHER_PROCESS) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "0\n"
    finally:
        say("on")


@pytest.mark.redis
@pytest.mark.parametrize("percent", ["-1", "101"])
def test_ramp_to_no_percentage(percent: str) -> None:
    """Is refused."""
    with pytest.raises(CommandError):
        call_command("usercache", "ramp", "--", percent)


def test_without_redis(settings: Settings) -> None:
    """There is nobody to tell, and the command says what to do."""
    settings.USERCACHE_REDIS_ALIAS = ""
    with pytest.raises(CommandError, match="USERCACHE_ENABLED"):
        call_command("usercache", "off")
