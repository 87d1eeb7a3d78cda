"""Users on the admin site: found, added, changed, deleted, and the cache learns of it."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.models import LoginSession, User
from accounts.services.sessions import start_session
from tests.accounts.admin_site import ADD, LIST, page, read_form
from tests.cast import NEW_PASSWORD, PASSWORD, client_of
from usercache.users import get_user_by_id

pytestmark = pytest.mark.django_db


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


def test_site_session_opens_no_api(admin: Client) -> None:
    """The API knows tokens only, so nobody's browser can be made to act on it."""
    assert admin.get("/auth/profile").status_code == 401
    assert APIClient().get(LIST).status_code == 302
