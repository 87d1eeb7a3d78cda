"""What a process remembers of keys, and when it notes their use."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.api_keys import services
from accounts.api_keys.known import KNOWN, REREAD_SECONDS, Key, KnownKeys
from accounts.api_keys.models import ApiKey
from accounts.models import User
from tests.accounts.api_keys.program import make_program
from tests.clocks import Clock

pytestmark = pytest.mark.django_db(transaction=True)

KEY = Key("a" * 16, 7, 1, "read", 2e9)


def test_keys_used_longest_ago_go_first() -> None:
    """The number is bounded."""
    known = KnownKeys(max_known=2)
    known.remember(b"first", KEY)
    known.remember(b"second", KEY)
    assert known.recall(b"first") is not None
    known.remember(b"third", KEY)
    found = [known.recall(text) for text in (b"first", b"second", b"third")]
    assert [one and one.key for one in found] == [KEY, None, KEY]
    assert len(known) == 2


def test_digest_differs_in_each_process() -> None:
    """What one process holds says nothing to another."""
    one, other = KnownKeys(), KnownKeys()
    one.remember(b"key", KEY)
    other.remember(b"key", KEY)
    assert not set(one._known) & set(other._known)


def test_use_is_due_once_in_five_minutes() -> None:
    """At first at once, and for one caller alone."""
    clock = Clock()
    known = KnownKeys(clock)
    key = known.remember(b"key", KEY)
    assert [known.is_due(key) for _ in range(3)] == [True, False, False]
    clock.now += REREAD_SECONDS - 1
    assert not known.is_due(key)
    clock.now += 1
    assert [known.is_due(key) for _ in range(2)] == [True, False]


def test_use_is_noted_after_the_answer(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of the background does it; the request itself writes nothing."""
    tasks = list[partial[object]]()
    monkeypatch.setattr(services.USES, "submit", tasks.append)
    program = make_program(alice)
    for _ in range(3):
        assert program.verify() == (200, None)
    assert ApiKey.objects.get().last_used_at is None
    [task] = tasks
    task()
    noted = ApiKey.objects.get().last_used_at
    assert noted is not None
    task()  # of another process, a moment later
    assert ApiKey.objects.get().last_used_at == noted
    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(minutes=6))
    task()
    later = ApiKey.objects.get().last_used_at
    assert later is not None
    assert later >= noted


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM api_keys", (401, "api_key_not_valid")),
        ("UPDATE api_keys SET expires_at = created_at", (401, "api_key_not_valid")),
        ("UPDATE api_keys SET scope = 'write'", (200, None)),
    ],
)
def test_change_past_this_app_is_noticed(
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
    statement: str,
    expected: tuple[int, str | None],
) -> None:
    """After five minutes of use, by the task that notes it."""
    clock = Clock()
    monkeypatch.setattr(KNOWN, "_clock", clock)
    program = make_program(alice)
    assert program.verify() == (200, None)
    with connection.cursor() as cursor:
        cursor.execute(statement)
    with django_assert_num_queries(0):
        assert program.verify() == (200, None)
    clock.now += REREAD_SECONDS
    assert program.verify() == (200, None)  # the answer came before the task
    assert program.verify() == expected
    assert program.client.put("/auth/profile", {}).status_code in (200, 401)
