"""Locking users out on the admin site: at once, everywhere, and by those who may."""

import threading
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.test import Client

from accounts.models import LoginSession, User
from accounts.services.administration import deactivate_user, revoke_tokens
from accounts.services.sessions import start_session
from tests.accounts.admin_site import LIST, page, password_page, read_form, run_action
from tests.cast import NEW_PASSWORD, Cast, client_of
from tests.concurrency import WAIT_SECONDS, run_together, wait_for_lock_waiters

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_deactivating_in_the_form_kills_tokens_at_once(admin: Client, alice: User) -> None:
    """With the user warm in the cache, and through the service: sessions end too."""
    as_alice = client_of(alice)
    start_session(user=alice)
    assert as_alice.get("/auth/verify").status_code == 200
    form = read_form(admin, page(alice))
    del form["is_active"]
    assert admin.post(page(alice), form | {"bio": "Gone."}).status_code == 302
    assert as_alice.get("/auth/verify").json()["code"] == "user_inactive"
    alice.refresh_from_db()
    assert (alice.is_active, alice.token_version, alice.bio) == (False, 2, "Gone.")
    assert not LoginSession.objects.exists()
    form = read_form(admin, page(alice)) | {"is_active": "on"}
    assert admin.post(page(alice), form).status_code == 302
    alice.refresh_from_db()
    assert (alice.is_active, alice.token_version) == (True, 2)


@pytest.mark.parametrize("act", [deactivate_user, revoke_tokens])
def test_stale_page_undoes_nothing(admin: Client, alice: User, act: Callable[..., User]) -> None:
    """A page opened before a lockout and sent after it is refused, and says why."""
    form = read_form(admin, page(alice)) | {"bio": "Cooks."}
    act(user_id=alice.pk)
    response = admin.post(page(alice), form)
    assert response.status_code == 200
    assert "load the page again" in response.content.decode()
    before = (alice.bio, act is revoke_tokens, alice.token_version + 1)
    alice.refresh_from_db()
    assert (alice.bio, alice.is_active, alice.token_version) == before


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_page_sent_during_a_lockout_waits_for_it(admin: Client, alice: User) -> None:
    """Nor does a page undo what was about to be committed when it was sent."""
    form = read_form(admin, page(alice)) | {"bio": "Cooks."}
    is_revoked = threading.Event()

    def revoke_slowly() -> None:
        with transaction.atomic():
            revoke_tokens(user_id=alice.pk)
            is_revoked.set()
            wait_for_lock_waiters(1)

    def send() -> str:
        assert is_revoked.wait(WAIT_SECONDS)
        return admin.post(page(alice), form).content.decode()

    held, answer = run_together([revoke_slowly, send])
    assert held is None
    assert "load the page again" in str(answer)
    alice.refresh_from_db()
    assert (alice.bio, alice.token_version) == ("", 2)


@pytest.mark.django_db(transaction=True)
def test_actions_go_through_the_services(admin: Client, alice: User, bob: User) -> None:
    """Deactivate, activate, revoke: at once, for all selected, and noted in the log."""
    as_alice, as_bob = client_of(alice), client_of(bob)
    for client in (as_alice, as_bob):
        assert client.get("/auth/verify").status_code == 200
    assert "Deactivated 2 users." in run_action(admin, "deactivate", alice, bob)
    for client in (as_alice, as_bob):
        assert client.get("/auth/verify").json()["code"] == "user_inactive"
    assert "Activated 1 users." in run_action(admin, "activate", alice)
    assert as_alice.get("/auth/verify").json()["code"] == "token_revoked"
    alice.refresh_from_db()
    as_alice = client_of(alice)
    assert as_alice.get("/auth/verify").status_code == 200
    assert "Revoked the tokens of 1 users." in run_action(admin, "revoke", alice)
    assert as_alice.get("/auth/verify").json()["code"] == "token_revoked"
    assert LogEntry.objects.filter(object_id=str(alice.pk)).count() == 3


def test_nobody_locks_themselves_out(admin: Client, dora: User, alice: User) -> None:
    """Neither by the action nor by the form."""
    text = run_action(admin, "deactivate", dora, alice)
    assert "Deactivated 1 users." in text
    assert "Left 1 as they were" in text
    assert 'name="is_active"' not in admin.get(page(dora)).content.decode()
    dora.refresh_from_db()
    assert dora.is_active


def test_revoking_ones_own_tokens_ends_ones_session_here(admin: Client, dora: User) -> None:
    """Everywhere means everywhere."""
    run_action(admin, "revoke", dora)
    assert admin.get(LIST).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_password_can_be_set(admin: Client, alice: User) -> None:
    """Which ends all tokens and sessions of the user."""
    as_alice = client_of(alice)
    start_session(user=alice)
    assert as_alice.get("/auth/verify").status_code == 200
    assert 'name="usable_password"' not in admin.get(password_page(alice)).content.decode()
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert admin.post(password_page(alice), form).status_code == 302
    assert as_alice.get("/auth/verify").json()["code"] == "token_revoked"
    alice.refresh_from_db()
    assert alice.check_password(NEW_PASSWORD)
    assert not LoginSession.objects.exists()


def test_own_password_can_be_set_without_logging_in_anew(admin: Client, dora: User) -> None:
    """As everywhere in Django."""
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert admin.post(password_page(dora), form).status_code == 302
    assert admin.get(LIST).status_code == 200


@pytest.mark.parametrize("form", [{}, {"password1": "x", "password2": "x"}])
def test_bad_password_is_a_form_error(admin: Client, alice: User, form: dict[str, str]) -> None:
    """Missing or weak."""
    assert admin.post(password_page(alice), form).status_code == 200
    alice.refresh_from_db()
    assert alice.token_version == 1


def test_admin_without_permissions_changes_nothing(cast: Cast, alice: User) -> None:
    """Being let in is not being let do."""
    client = Client()
    client.force_login(cast.make("eve", is_admin=True))
    assert client.get(page(alice)).status_code == 403
    assert client.post(password_page(alice), {}).status_code == 403
    form = {"action": "deactivate", "_selected_action": [alice.pk]}
    assert client.post(LIST, form).status_code == 403
    alice.refresh_from_db()
    assert alice.is_active
