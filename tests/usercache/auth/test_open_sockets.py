"""Open sockets: what looking at them costs, who is told, and what can't be found out."""

import math
import threading
from collections import Counter
from contextlib import ExitStack
from functools import partial
from typing import Final, cast

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from tests.cast import Cast
from tests.counting import counts
from usercache.auth import open_sockets
from usercache.auth.open_sockets import Admission, OpenSockets
from usercache.events import ERRORS_PREFIX, UNEXPECTED_PREFIX
from usercache.users import get_user_by_id

pytestmark = pytest.mark.django_db(transaction=True)

USERS: Final = 30
NOW: Final = 1000.0


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> OpenSockets:
    """Look at them where the test says so, and never in a thread."""
    sockets = OpenSockets(clock=lambda: NOW)
    monkeypatch.setattr(sockets._worker, "start", lambda: None)
    return sockets


def is_active(user: "User") -> bool:
    return user.is_active


def fail(*_arguments: object) -> bool:
    raise OperationalError


def test_cached_users_cost_no_query(
    sockets: OpenSockets, cast: Cast, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """However many sockets there are; those that expired from the cache cost one query."""
    refused = list[object]()
    with ExitStack() as stack:
        for number in range(USERS):
            admission = Admission(cast.make(f"user{number}"), is_active)
            for _ in range(2):
                stack.enter_context(sockets.watch(admission, lambda: refused.append(1)))
        with django_assert_num_queries(1):
            sockets.sweep()
        with django_assert_num_queries(0):
            sockets.sweep()
        assert len(sockets) == 2 * USERS
    assert len(sockets) == 0
    assert not refused


def test_deactivated_user(sockets: OpenSockets, alice: User, bob: User) -> None:
    """Each socket of theirs is told, and nobody else's; a deleted user's likewise."""
    refused = list[str]()
    with (
        sockets.watch(Admission(alice, is_active), lambda: refused.append("alice")),
        sockets.watch(Admission(bob, is_active), lambda: refused.append("bob")),
    ):
        sockets.sweep()
        assert refused == []
        alice.is_active = False
        alice.save()
        sockets.sweep()
        assert refused == ["alice"]
        bob.delete()
        sockets.sweep()
        assert refused[1:].count("bob") == 1
    del refused[:]
    sockets.sweep()
    assert refused == []


@pytest.mark.parametrize(("expires_at", "is_refused"), [(NOW, True), (NOW + 1, False)])
def test_expired_credentials(
    sockets: OpenSockets, alice: User, expires_at: float, is_refused: bool
) -> None:
    """End their socket."""
    refused = list[object]()
    with sockets.watch(Admission(alice, is_active, expires_at), lambda: refused.append(1)):
        sockets.sweep()
    assert bool(refused) is is_refused


@pytest.mark.parametrize("is_rule", [False, True], ids=["look-up", "rule"])
def test_database_away(
    sockets: OpenSockets, alice: User, monkeypatch: pytest.MonkeyPatch, is_rule: bool
) -> None:
    """Sockets stay open until their credentials expire; each failure is counted."""
    if not is_rule:
        monkeypatch.setattr(open_sockets, "get_users_by_ids", fail)
    rule = fail if is_rule else is_active
    name = f"{ERRORS_PREFIX}OperationalError"
    for expires_at, is_refused in ((math.inf, False), (NOW, True)):
        refused, before = list[object](), counts().get(name, 0)
        with sockets.watch(Admission(alice, rule, expires_at), partial(refused.append, 1)):
            sockets.sweep()
        assert bool(refused) is is_refused
        if not is_refused:
            assert counts()[name] == before + 1


def test_rule_that_fails(sockets: OpenSockets, alice: User, bob: User) -> None:
    """Lets nobody in, is counted each time, and keeps no other socket from being looked at."""
    refused = list[User]()

    def broken(_user: object) -> bool:
        raise ZeroDivisionError

    bob.is_active = False
    bob.save()
    name = f"{UNEXPECTED_PREFIX}ZeroDivisionError"
    before = counts().get(name, 0)
    with ExitStack() as stack:
        for number in range(USERS):
            user, rule = (alice, broken) if number % 2 else (bob, is_active)
            stack.enter_context(sockets.watch(Admission(user, rule), partial(refused.append, user)))
        with pytest.raises(ZeroDivisionError):  # which the thread logs and counts
            sockets.sweep()
    assert Counter(refused) == {alice: USERS // 2, bob: USERS // 2}
    assert counts()[name] == before + USERS // 2 - 1


def test_user_of_another_model(sockets: OpenSockets) -> None:
    """Would be looked up as the cached user with the same key."""
    admission = Admission(cast("User", Group(pk=1)), is_active)
    with (
        pytest.raises(ImproperlyConfigured, match="Group isn't AUTH_USER_MODEL"),
        sockets.watch(admission, lambda: None),
    ):
        pass


@pytest.mark.redis
def test_thread_tells_by_itself(alice: User) -> None:
    """The first socket starts it."""
    told = threading.Event()
    sockets = OpenSockets()
    try:
        with sockets.watch(Admission(alice, is_active), told.set):
            assert get_user_by_id(alice.pk)
            User.objects.filter(pk=alice.pk).update(is_active=False)
            assert told.wait(60)
    finally:
        sockets.end()
