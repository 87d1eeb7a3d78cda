"""Erasure leaves nothing of a person, at no moment half of it, and never comes too early."""

import errno
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.db.models.signals import post_delete
from django.test import Client
from django_redis import get_redis_connection
from rest_framework.test import APIClient

from accounts.api_keys.models import ApiKey
from accounts.leaving.closing import erase_account, erase_closed_accounts, reopen_account
from accounts.mail.tokens import make_reopen_token
from accounts.models import DiscardedPicture, LoginSession, User
from accounts.second_factor.models import AuthenticatorApp, Passkey, RecoveryCode
from accounts.security_log.models import Event, SecurityEvent
from accounts.services.account import set_avatar
from accounts.services.sessions import start_session
from tests.accounts.admin_site import run_action
from tests.accounts.api_keys.program import Program, make_program
from tests.accounts.leaving.test_closing import files
from tests.accounts.leaving.test_reopening import close
from tests.accounts.second_factor.phone import set_up_phone
from tests.accounts.services.test_locked_rows import meanwhile
from tests.cast import NEW_PASSWORD, PASSWORD, PROOF, client_of, token_of
from tests.clocks import Clock
from tests.concurrency import run_together
from tests.processes import python
from usercache import get_user_by_email, get_user_by_id, get_user_by_phone, get_user_by_username

pytestmark = pytest.mark.django_db(transaction=True)

GONE = {"email": "zoe.pinder@example.com", "username": "zoe-pinder", "phone": "+12425550177"}
NAMES = {"first_name": "Zoraida", "last_name": "Pinder", "bio": "Sponge diver."}
TRACES = (*GONE.values(), *NAMES.values())


@pytest.fixture
def zoe(db: None, media: Path) -> User:
    """Zoe, who has all that an account can have, but for a second factor."""
    zoe = User.objects.create_user(password=PASSWORD, **GONE, **NAMES)
    set_avatar(user_id=zoe.pk, content=b"a picture")
    start_session(user=zoe)
    return User.objects.get(pk=zoe.pk)


@pytest.fixture
def program(zoe: User) -> Program:
    """Her program, with a key."""
    return make_program(zoe)


def erase(user: User, **body: Any) -> Any:
    return client_of(user).delete("/auth/account", {"password": PASSWORD, "erase": True} | body)


def find_rows() -> Iterator[str]:
    """Yield every row of every table, as text; a model of another test may have none."""
    tables = connection.introspection.django_table_names(only_existing=True)
    for model in (model for model in apps.get_models() if model._meta.db_table in tables):
        for row in model._base_manager.values():
            yield f"{model._meta.label}: {row}"


def find_traces() -> list[str]:
    return [row for row in find_rows() if any(trace in row for trace in TRACES)]


def test_nothing_is_left(zoe: User, program: Program, admin: Client, clock: Clock) -> None:
    """In no table and not in Redis; the security log has an id that is nobody's any more."""
    run_action(admin, "revoke", zoe)  # the admin site's history names her
    phone = set_up_phone(zoe, clock)
    zoe.refresh_from_db()
    assert get_user_by_email(GONE["email"]) is not None
    assert any("admin.LogEntry" in trace for trace in find_traces())
    mail.outbox.clear()
    assert erase(zoe, code=phone.next_code()).status_code == 204
    assert find_traces() == []
    kept = {row.partition(":")[0] for row in find_rows()}
    assert kept.isdisjoint(
        model._meta.label
        for model in (LoginSession, ApiKey, AuthenticatorApp, RecoveryCode, Passkey)
    )
    assert SecurityEvent.objects.filter(user_id=zoe.pk, event=Event.ACCOUNT_ERASED).exists()
    assert LogEntry.objects.get().object_repr == f"user {zoe.pk}"
    [message] = mail.outbox
    assert (message.to, message.subject) == ([GONE["email"]], "Your account was erased")
    assert program.verify()[0] == 401


@pytest.mark.redis
def test_no_key_in_redis_names_them(zoe: User) -> None:
    """The pointers from email, username and phone go with the record."""
    for look_up, name in (
        (get_user_by_email, "email"),
        (get_user_by_username, "username"),
        (get_user_by_phone, "phone"),
    ):
        assert look_up(GONE[name]) is not None
    client = get_redis_connection("usercache")
    assert any(GONE["email"].encode() in key for key in client.scan_iter())
    erase(zoe)
    assert not [key for key in client.scan_iter() if any(v.encode() in key for v in TRACES)]


def test_cache_serves_the_erased_no_more(zoe: User, program: Program) -> None:
    """Warm under each identifier, and gone under each with the answer; so are token and key."""
    token = token_of(zoe)
    look_ups = {
        partial(get_user_by_id, zoe.pk),
        partial(get_user_by_email, GONE["email"]),
        partial(get_user_by_username, GONE["username"]),
        partial(get_user_by_phone, GONE["phone"]),
    }
    assert all(look_up() is not None for look_up in look_ups)
    assert program.verify()[0] == 200
    assert erase(zoe).status_code == 204
    assert all(look_up() is None for look_up in look_ups)
    assert program.verify() == (401, "api_key_not_valid")
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {token}")
    assert client.get("/auth/verify").json()["code"] == "user_not_found"


def test_email_is_free_again(zoe: User, anybody: APIClient) -> None:
    """For a new account, with another id and nothing of the old one's."""
    erase(zoe)
    body = {"email": GONE["email"], "password": NEW_PASSWORD, "first_name": "Z", "last_name": "P"}
    answer = anybody.post("/auth/register", body)
    assert answer.status_code == 201
    assert answer.json()["user"]["id"] > zoe.pk


@pytest.mark.parametrize(
    "body", [{"password": "wrong"}, {"password": None}, {"erase": "true"}, {"erase": 0}], ids=str
)
def test_erasure_wants_the_password(zoe: User, body: dict[str, object]) -> None:
    """And a plain yes."""
    assert erase(zoe, **body).status_code == 400
    assert User.objects.get(pk=zoe.pk).is_active


def test_erasure_wants_the_second_factor(zoe: User, clock: Clock) -> None:
    """A stolen access token and a known password close an account, and destroy none."""
    phone = set_up_phone(zoe, clock)
    for code in ("", "123456", phone.code()):  # none, a wrong one, one that was used
        answer = erase(zoe, code=code)
        assert (answer.status_code, set(answer.json())) == (400, {"code"})
    assert User.objects.get(pk=zoe.pk).is_active
    assert erase(zoe, code=phone.recovery_codes[0]).status_code == 204


@pytest.mark.parametrize("privilege", ["is_admin", "is_superuser"])
def test_admins_are_not_erased(zoe: User, privilege: str) -> None:
    """Neither at once nor later: what they did to others must not vanish at their own wish."""
    User.objects.filter(pk=zoe.pk).update(**{privilege: True})
    assert set(erase(zoe).json()) == {"erase"}
    close(zoe, days_ago=31)
    assert erase_closed_accounts() == 0
    assert User.objects.filter(pk=zoe.pk).exists()


@pytest.mark.usefixtures("charlie")  # an admin has deactivated this account
def test_command(
    zoe: User, alice: User, bob: User, dora: User, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is due goes; who came back, left lately, was deactivated or is staff stays."""
    close(zoe, days_ago=30.1)
    close(bob, days_ago=29.9)
    close(dora, days_ago=31)
    close(alice, days_ago=31)
    User.objects.filter(pk=alice.pk).update(is_active=True)
    call_command("erase_closed_accounts")
    assert capsys.readouterr().out == (
        "Erased 1 accounts.\nLeft 1 closed accounts of admins: take their privileges.\n"
    )
    left = set(User.objects.values_list("username", flat=True))
    assert left == {"alice", "bob", "charlie", "dora"}
    assert SecurityEvent.objects.get(event=Event.ACCOUNT_ERASED).user_id == zoe.pk


@pytest.mark.postgresql
def test_opening_under_way_wins(zoe: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The eraser waits for it, looks again, and leaves the account alone."""
    token = make_reopen_token(close(zoe))
    monkeypatch.setattr("accounts.leaving.closing._is_over", lambda: models.Q(is_active=False))
    assert meanwhile(partial(reopen_account, token=token), erase_closed_accounts) == 0
    assert User.objects.get(pk=zoe.pk).is_active


@pytest.mark.postgresql
def test_erasure_under_way_wins(zoe: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The opening waits for it, and finds nobody."""
    token = make_reopen_token(close(zoe))
    monkeypatch.setattr("accounts.leaving.closing._is_over", lambda: models.Q(is_active=False))
    result = meanwhile(erase_closed_accounts, partial(reopen_account, token=token))
    assert isinstance(result, ValidationError)
    assert not User.objects.filter(pk=zoe.pk).exists()


def test_four_erasers_at_once_erase_once(zoe: User, alice: User, bob: User) -> None:
    """By the command on four machines: each account is counted and recorded once."""
    for user in (zoe, alice, bob):
        close(user, days_ago=31)
    results = run_together([erase_closed_accounts] * 4)
    assert sum(result for result in results if isinstance(result, int)) == 3
    assert all(isinstance(result, int) for result in results)
    assert SecurityEvent.objects.filter(event=Event.ACCOUNT_ERASED).count() == 3


def test_two_erasures_at_once(zoe: User) -> None:
    """By its owner, twice: one is answered as by an account that is gone."""
    results = run_together([partial(erase_account, user_id=zoe.pk, proof=PROOF)] * 2)
    assert results.count(None) == 1
    assert not User.objects.filter(pk=zoe.pk).exists()


def test_failure_before_the_commit_leaves_everything(zoe: User, media: Path) -> None:
    """Row and file; the next run erases both."""
    close_file = files(media)

    def fail(**_kwargs: object) -> None:
        raise RuntimeError("killed")

    post_delete.connect(fail, sender=User)
    try:
        with pytest.raises(RuntimeError, match="killed"):
            erase_account(user_id=zoe.pk, proof=PROOF)
    finally:
        post_delete.disconnect(fail, sender=User)
    assert User.objects.get(pk=zoe.pk).is_active
    assert files(media) == close_file
    assert get_user_by_id(zoe.pk) is not None
    erase_account(user_id=zoe.pk, proof=PROOF)
    assert files(media) == []


def test_disk_error_is_made_up_for(
    zoe: User, media: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The account is erased all the same; the file goes with the next run that can delete it."""

    def fail(_name: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "delete", fail)
        assert erase(zoe).status_code == 204
        with pytest.raises(CommandError, match="1 pictures can't be deleted"):
            call_command("erase_closed_accounts")
    assert not User.objects.filter(pk=zoe.pk).exists()
    assert len(files(media)) == 1
    assert "A picture can't be deleted" in caplog.text
    call_command("erase_closed_accounts")
    assert files(media) == []
    assert not DiscardedPicture.objects.exists()


KILLED_BEFORE = """
from django.db.models.signals import post_delete
post_delete.connect(die, sender=User, weak=False)
"""
KILLED_AFTER = """
from django.core.files.storage import default_storage
default_storage.delete = die
"""
ERASE = """
import os, signal
from accounts.models import User
from accounts.leaving.closing import erase_closed_accounts
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
{}
erase_closed_accounts()
"""


@pytest.mark.long  # the two tests above are its short version
@pytest.mark.postgresql
@pytest.mark.parametrize("moment", [KILLED_BEFORE, KILLED_AFTER], ids=["before", "after"])
def test_eraser_killed_in_the_middle(zoe: User, media: Path, moment: str) -> None:
    """Before the commit or after it: the next run leaves neither row nor file."""
    url = User.objects.get(pk=zoe.pk).avatar_url
    close(zoe, days_ago=31)
    # As if the picture had been there still: of an account that was closed by an older version.
    (media / "avatars").mkdir(exist_ok=True)
    (media / url.removeprefix("/media/")).write_bytes(b"a picture")
    User.objects.filter(pk=zoe.pk).update(avatar_url=url)
    with python(ERASE.format(moment), MEDIA_ROOT=str(media)) as eraser:
        assert eraser.wait(120) == -signal.SIGKILL
    assert User.objects.filter(pk=zoe.pk).exists() is (moment == KILLED_BEFORE)
    assert len(files(media)) == 1
    call_command("erase_closed_accounts")
    assert not User.objects.filter(pk=zoe.pk).exists()
    assert files(media) == []


def test_all_that_refers_to_a_user_goes_with_them() -> None:
    """But the security log, without a constraint: a new model has to say what becomes of it."""
    ends = {
        relation.related_model._meta.label: relation.on_delete
        for relation in User._meta.get_fields(include_hidden=True)
        if isinstance(relation, models.ManyToOneRel)
    }
    assert ends.pop("security_log.SecurityEvent") is models.DO_NOTHING
    assert set(ends.values()) == {models.CASCADE}, ends


def test_id_is_never_used_again(zoe: User) -> None:
    """Else the log of the erased would be the next one's."""
    erase(zoe)
    assert User.objects.create_user("new@example.com", PASSWORD).pk > zoe.pk
