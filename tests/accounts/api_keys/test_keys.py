"""API keys are made with the password, shown once, and good until they end."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.api_keys.checks import check_lifetime
from accounts.api_keys.keys import hash_key, make_key, read_id
from accounts.api_keys.known import KNOWN
from accounts.api_keys.models import ApiKey
from accounts.api_keys.services import MAX_KEYS, create_key, revoke_key
from accounts.errors import AccountGone
from accounts.leaving.closing import close_account
from accounts.models import User
from accounts.security_log.models import Event
from accounts.services.administration import (
    activate_user,
    deactivate_user,
    revoke_tokens,
    set_password,
)
from accounts.services.announcements import NOTICES
from tests.accounts.api_keys.program import Program, ask, make_program
from tests.cast import NEW_PASSWORD, PASSWORD, PROOF, client_of
from tests.concurrency import run_together

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = (200, None)
BAD = (401, "api_key_not_valid")
BODY = {"name": "Payroll", "scope": "read", "password": PASSWORD}


def test_key_is_shown_once(as_alice: APIClient, alice: User) -> None:
    """In the answer that makes it; the row has its hash, the list its name and use alone."""
    made = as_alice.post("/auth/api-keys", BODY | {"expires_in_days": 7})
    assert made.status_code == 201
    key = made.json()["key"]
    assert ask(f"Api-Key {key}") == GOOD
    row = ApiKey.objects.get()
    assert (row.pk, row.user_id, row.key_hash) == (read_id(key), alice.pk, hash_key(key))
    assert row.expires_at - row.created_at == timedelta(days=7)
    shown = as_alice.get("/auth/api-keys").json()["results"]
    assert [set(one) for one in shown] == [set(made.json()) - {"key"}]
    assert (shown[0]["id"], shown[0]["name"], shown[0]["scope"]) == (row.pk, "Payroll", "read")
    assert shown[0]["last_used_at"] is not None


def test_no_part_of_a_key_is_in_the_database(alice: User) -> None:
    """Its secret isn't in any column of any row, nor is the key."""
    program = make_program(alice)
    assert program.verify() == GOOD
    secret = program.key.rpartition(program.key_id)[2].strip("_")
    assert len(secret) >= 42
    with connection.cursor() as cursor:
        for table in ("api_keys", "users", "usercache_outbox", "login_sessions"):
            if table in connection.introspection.table_names():
                cursor.execute(f'SELECT * FROM "{table}"')
                assert secret not in str(cursor.fetchall())


def test_keys_are_random() -> None:
    """Of a thousand, no two share an id or a secret; each has 256 random bits."""
    keys = [make_key() for _ in range(1000)]
    assert len({key.id for key in keys}) == len({key.text[-43:] for key in keys}) == 1000
    assert all(read_id(key.text) == key.id for key in keys)


def test_maker_is_told_by_mail(alice: User) -> None:
    """Of each key that is made and revoked, with nothing of the key."""
    program = make_program(alice)
    assert revoke_key(user_id=alice.pk, key_id=program.key_id)
    assert [(one.to, one.subject) for one in mail.outbox] == [
        ([alice.email], NOTICES[Event.KEY_CREATED]),
        ([alice.email], NOTICES[Event.KEY_REVOKED]),
    ]
    assert not [one for one in mail.outbox if program.key_id in one.body]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": "wrong"}, "password"),
        ({"name": ""}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"scope": "admin"}, "scope"),
        ({"scope": ["write"]}, "scope"),
        ({"expires_in_days": 0}, "expires_in_days"),
        ({"expires_in_days": 366}, "expires_in_days"),
        ({"expires_in_days": None}, "expires_in_days"),
        ({"expires_in_days": "7"}, "expires_in_days"),
        ({"token_version": 9}, "token_version"),
        ({"user": 1}, "user"),
    ],
)
def test_what_is_wrong_is_named(as_alice: APIClient, change: dict[str, Any], field: str) -> None:
    """And makes no key."""
    response = as_alice.post("/auth/api-keys", BODY | change, format="json")
    assert (response.status_code, set(response.json())) == (400, {field})
    assert not ApiKey.objects.exists()


def test_longest_life_is_a_setting(as_alice: APIClient, settings: Settings) -> None:
    """A key without a wish lives no longer either."""
    settings.AUTH_API_KEY_LONGEST_DAYS = 10
    assert as_alice.post("/auth/api-keys", BODY).status_code == 201
    row = ApiKey.objects.get()
    assert row.expires_at - row.created_at == timedelta(days=10)
    longer = as_alice.post("/auth/api-keys", BODY | {"expires_in_days": 11})
    assert set(longer.json()) == {"expires_in_days"}
    for bad in (0, 3651, True, "9", 1.5):
        settings.AUTH_API_KEY_LONGEST_DAYS = bad
        assert [message.id for message in check_lifetime()] == ["api_keys.E001"]


def test_guesses_of_the_password_are_limited(as_alice: APIClient, settings: Settings) -> None:
    """With those at the other places that ask for it."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"password": {"account": (2, 300)}}
    wrong = BODY | {"password": "wrong"}
    codes = [as_alice.post("/auth/api-keys", wrong).status_code for _ in range(3)]
    assert codes == [400, 400, 429]


def revoke(user: User, program: Program) -> None:
    path = f"/auth/api-keys/{program.key_id}"
    assert client_of(user).delete(path).status_code == 204


def expire(_user: User, program: Program) -> None:
    # In a process that hasn't read it yet.
    ApiKey.objects.filter(pk=program.key_id).update(expires_at=timezone.now())
    KNOWN.clear()


def delete(user: User, _program: Program) -> None:
    User.objects.get(pk=user.pk).delete()


ENDINGS: dict[str, Callable[[User, Program], object]] = {
    "revoked": revoke,
    "expired": expire,
    "deactivated": lambda user, _: deactivate_user(user_id=user.pk),
    "closed": lambda user, _: close_account(user_id=user.pk, proof=PROOF),
    "deleted": delete,
    "logged out everywhere": lambda user, _: revoke_tokens(user_id=user.pk),
    "new password": lambda user, _: set_password(user_id=user.pk, new_password=NEW_PASSWORD),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_key_ends_at_once(alice: User, bob: User, name: str) -> None:
    """However it ends, warm or cold; another user's goes on, and nothing brings it back."""
    program, his = make_program(alice), make_program(bob)
    assert program.verify() == his.verify() == GOOD
    user_id = alice.pk
    ENDINGS[name](alice, program)
    assert program.verify() == BAD
    assert his.verify() == GOOD
    if User.objects.filter(pk=user_id).exists():
        activate_user(user_id=user_id)
        assert program.verify() == BAD
        shown = client_of(User.objects.get(pk=user_id)).get("/auth/api-keys").json()["results"]
        assert shown == []


def test_key_of_an_inactive_user_is_refused(alice: User) -> None:
    """Also if nothing but the switch was changed, as by an import."""
    program = make_program(alice)
    assert program.verify() == GOOD
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert program.verify() == BAD


def test_known_key_expires(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the second, without a look at the row."""
    program = make_program(alice, days=1)
    assert program.verify() == GOOD
    ends = ApiKey.objects.get().expires_at.timestamp()
    clock = "accounts.api_keys.authentication.time.time"
    monkeypatch.setattr(clock, lambda: ends - 1)
    assert program.verify() == GOOD
    monkeypatch.setattr(clock, lambda: ends)
    assert program.verify() == BAD


@pytest.mark.parametrize("other", ["his", "nobody", "mine"])
def test_only_ones_own_keys_can_be_revoked(alice: User, bob: User, other: str) -> None:
    """Another's is a 404 like one that never was, and goes on."""
    his, mine = make_program(bob), make_program(alice)
    revoke(alice, mine)
    key_id = {"his": his.key_id, "mine": mine.key_id, "nobody": "0" * 16}[other]
    response = client_of(alice).delete(f"/auth/api-keys/{key_id}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert his.verify() == GOOD
    assert client_of(alice).get("/auth/api-keys").json()["results"] == []


def test_revoking_one_leaves_the_others(alice: User) -> None:
    """Each has a life of its own."""
    programs = [make_program(alice) for _ in range(3)]
    revoke(alice, programs[1])
    assert [program.verify() for program in programs] == [GOOD, BAD, GOOD]


def test_number_of_keys_is_bounded(alice: User) -> None:
    """One that has ended makes room; the column in the record stays small."""
    programs = [make_program(alice) for _ in range(MAX_KEYS)]
    with pytest.raises(ValidationError, match="20 API keys"):
        make_program(alice)
    alice.refresh_from_db()
    assert len(alice.live_keys) < 350
    ApiKey.objects.filter(pk=programs[0].key_id).update(expires_at=timezone.now())
    assert make_program(alice).verify() == GOOD
    assert ApiKey.objects.count() == MAX_KEYS


def test_keys_from_before_a_new_password_are_swept(alice: User) -> None:
    """They count for nothing."""
    for _ in range(3):
        make_program(alice)
    revoke_tokens(user_id=alice.pk)
    new = make_program(alice)
    assert [key.pk for key in ApiKey.objects.all()] == [new.key_id]


def test_closed_account_gets_no_key(charlie: User) -> None:
    """As it gets no token."""
    with pytest.raises(AccountGone):
        make_program(charlie)


def test_nothing_is_kept_of_a_key_that_is_rolled_back(alice: User) -> None:
    """Neither a row nor a notice; the key opens nothing."""
    with pytest.raises(RuntimeError), transaction.atomic():
        program = make_program(alice)
        raise RuntimeError
    assert program.verify() == BAD
    assert not mail.outbox


def test_keys_made_and_revoked_at_once_are_all_named(alice: User) -> None:
    """No one's write undoes another's."""
    old = [make_program(alice) for _ in range(4)]
    make = partial(
        create_key,
        user_id=alice.pk,
        proof=PROOF,
        name="x",
        scope="read",
        expires_in_days=1,
    )
    calls: list[Any] = [make] * 4
    calls += [partial(revoke_key, user_id=alice.pk, key_id=program.key_id) for program in old]
    results = run_together(calls)
    new = [Program(result[1], result[0].pk) for result in results if isinstance(result, tuple)]
    assert len(new) == 4
    assert [program.verify() for program in new] == [GOOD] * 4
    assert [program.verify() for program in old] == [BAD] * 4
