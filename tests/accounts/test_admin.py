"""Users on the admin site: found, changed, locked out, and the cache learns of it."""

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.administration import deactivate_user, revoke_tokens
from accounts.models import LoginSession, User
from accounts.sessions import start_session
from tests.cast import NEW_PASSWORD, PASSWORD, Cast, client_of
from usercache.users import get_user_by_id

pytestmark = pytest.mark.django_db

LIST = reverse("admin:accounts_user_changelist")
ADD = reverse("admin:accounts_user_add")


def page(user: User, name: str = "change") -> str:
    return reverse(f"admin:accounts_user_{name}", args=[user.pk])


def password_page(user: User) -> str:
    return reverse("admin:auth_user_password_change", args=[user.pk])


def read_form(client: Client, path: str) -> dict[str, str]:
    """Return what a browser would send if one opened the page and pressed Save."""
    text = client.get(path).content.decode()
    fields = {}
    for tag in re.findall(r"<input [^>]+>", text):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        is_off = attributes.get("type") in ("checkbox", "radio") and " checked" not in tag
        if "name" in attributes and attributes.get("type") != "submit" and not is_off:
            fields[attributes["name"]] = html.unescape(attributes.get("value", "on"))
    for name, value in re.findall(r'<textarea name="(\w+)"[^>]*>\s?([^<]*)</textarea>', text):
        fields[name] = html.unescape(value)
    return fields


def run_action(client: Client, action: str, *users: User) -> str:
    form = {"action": action, "_selected_action": [user.pk for user in users]}
    response = client.post(LIST, form, follow=True)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def admin(dora: User) -> Client:
    """Dora's browser."""
    client = Client()
    client.force_login(dora)
    return client


@pytest.fixture
def helper(cast: Cast) -> Client:
    """Grant Eve, an admin but no superuser, leave to change and delete users."""
    eve = cast.make("eve", is_admin=True)
    names = ("view_user", "change_user", "delete_user", "add_user")
    eve.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(eve)
    return client


def test_admins_log_in_with_email_and_password(dora: User, alice: User) -> None:
    """And nobody else."""
    client = Client()
    for user, may_enter in ((alice, False), (dora, True)):
        login = {"username": user.email.upper(), "password": PASSWORD, "next": LIST}
        response = client.post(reverse("admin:login"), login)
        assert (response.status_code == 302) is may_enter
    assert client.get(LIST).status_code == 200


def test_users_are_listed_found_and_filtered(
    admin: Client, alice: User, bob: User, charlie: User
) -> None:
    """By every identifier and both names, by status; with the status in the list."""
    for search in ("alice@ex", "alic", "5550101", "Alice Rolle"):
        text = admin.get(LIST, {"q": search}).content.decode()
        assert alice.email in text
        assert bob.email not in text
    inactive = admin.get(LIST, {"is_active__exact": "0"}).content.decode()
    assert charlie.email in inactive
    assert alice.email not in inactive
    assert "icon-no" in inactive


def test_user_can_be_added(admin: Client) -> None:
    """With a password that works."""
    form = {
        "email": "Eve@Example.com",
        "first_name": "Eve",
        "last_name": "Moss",
        "username": "",
        "phone": "242-555-0105",
        "password1": NEW_PASSWORD,
        "password2": NEW_PASSWORD,
    }
    response = admin.post(ADD, form, follow=True)
    assert response.status_code == 200
    eve = User.objects.get(email="eve@example.com")
    assert (eve.username, eve.phone) == (None, "+12425550105")
    assert eve.check_password(NEW_PASSWORD)


def test_duplicate_in_another_spelling_is_a_form_error(admin: Client, alice: User) -> None:
    """Not a database error."""
    form = read_form(admin, page(alice)) | {"email": "DORA@example.com", "phone": "555-0104"}
    response = admin.post(page(alice), form)
    assert response.status_code == 200
    text = response.content.decode()
    assert "User with this Email already exists." in text
    assert "User with this Phone already exists." in text


def test_profile_can_be_changed(admin: Client, alice: User) -> None:
    """And what the form doesn't show stays as it is."""
    start_session(user=alice)
    form = read_form(admin, page(alice)) | {"bio": "Cooks.", "phone": "242-555-7777"}
    assert admin.post(page(alice), form).status_code == 302
    before, password = alice.token_version, alice.password
    alice.refresh_from_db()
    assert (alice.bio, alice.phone) == ("Cooks.", "+12425557777")
    assert (alice.token_version, alice.password, alice.is_active) == (before, password, True)
    assert LoginSession.objects.filter(user=alice).exists()


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
    assert "open the page anew" in response.content.decode()
    before = (alice.bio, act is revoke_tokens, alice.token_version + 1)
    alice.refresh_from_db()
    assert (alice.bio, alice.is_active, alice.token_version) == before


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


@pytest.mark.django_db(transaction=True)
def test_page_shows_what_the_cache_holds(admin: Client, alice: User) -> None:
    """Without filling it."""
    for _ in range(2):
        assert "nothing in " in admin.get(page(alice)).content.decode()
    get_user_by_id(alice.pk)
    assert re.search(r"record in \w+, \d+ s old", admin.get(page(alice)).content.decode())


def test_password_hash_is_not_shown(admin: Client, alice: User) -> None:
    """Django's summary of it is masked."""
    hash_value = alice.password.rsplit("$", 1)[1]
    assert hash_value not in admin.get(page(alice)).content.decode()


@pytest.mark.django_db(transaction=True)
def test_deleting_is_seen_at_once(admin: Client, alice: User, bob: User) -> None:
    """By the page's button and by the action."""
    clients = [client_of(alice), client_of(bob)]
    for client in clients:
        assert client.get("/auth/verify").status_code == 200
    assert admin.post(page(alice, "delete"), {"post": "yes"}).status_code == 302
    form: dict[str, Any] = {"action": "delete_selected", "_selected_action": [bob.pk]}
    assert admin.post(LIST, form | {"post": "yes"}).status_code == 302
    for client in clients:
        assert client.get("/auth/verify").json()["code"] == "user_not_found"


def test_superusers_are_changed_by_superusers_only(helper: Client, dora: User, alice: User) -> None:
    """Whoever sets their password could become one."""
    start_session(user=dora)
    form = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert helper.post(password_page(dora), form).status_code == 403
    assert helper.post(page(dora), {"email": "x@example.com"}).status_code == 403
    assert helper.post(page(dora, "delete"), {"post": "yes"}).status_code == 403
    for action in ("deactivate", "revoke", "delete_selected"):
        run_action(helper, action, dora)
    before = (dora.password, dora.token_version, dora.is_active)
    dora.refresh_from_db()
    assert (dora.password, dora.token_version, dora.is_active) == before
    assert helper.post(password_page(alice), form).status_code == 302


def test_only_superusers_give_privileges(helper: Client, alice: User) -> None:
    """The others see them, and what they send is ignored."""
    form = read_form(helper, page(alice))
    assert not {"is_admin", "is_superuser"} & set(form)
    form |= {"is_admin": "on", "is_superuser": "on", "bio": "Cooks."}
    assert helper.post(page(alice), form).status_code == 302
    alice.refresh_from_db()
    assert (alice.is_admin, alice.is_superuser, alice.bio) == (False, False, "Cooks.")


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


def test_site_session_opens_no_api(admin: Client) -> None:
    """The API knows tokens only, so nobody's browser can be made to act on it."""
    assert admin.get("/auth/profile").status_code == 401
    assert APIClient().get(LIST).status_code == 302
