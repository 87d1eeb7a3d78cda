"""Nobody on the admin site gets at more than they hold: not by others' accounts, nor by groups."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.openid_connect.models import Identity
from accounts.services.sessions import start_session
from tests.accounts.admin_site import ADD, LIST, page, password_page, read_form, run_action
from tests.cast import NEW_PASSWORD, Cast

pytestmark = pytest.mark.django_db

PASSWORDS = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
ALL_ON = {"is_admin": "on", "is_superuser": "on"}


@pytest.fixture(params=["is_admin", "is_superuser"])
def above(request: pytest.FixtureRequest, cast: Cast) -> User:
    """Fred, who has a privilege: staff, or a superuser who isn't staff at the moment."""
    return cast.make("fred", **{request.param: True})


def row(user: User) -> Mapping[str, object]:
    return User.objects.values().get(pk=user.pk)


def test_account_of_staff_is_changed_on_no_page(helper: Client, above: User) -> None:
    """Neither password, email and name, nor its being there: staff with all permissions get 403."""
    start_session(user=above)
    before = row(above)
    assert helper.post(password_page(above), PASSWORDS).status_code == 403
    assert helper.post(page(above), {"email": "mine@example.com"} | ALL_ON).status_code == 403
    assert helper.post(page(above, "delete"), {"post": "yes"}).status_code == 403
    assert row(above) == before
    assert above.login_sessions.exists()


@pytest.mark.parametrize("action", ["activate", "deactivate", "revoke", "delete_selected"])
def test_account_of_staff_is_changed_by_no_action(
    helper: Client, above: User, alice: User, action: str
) -> None:
    """Alone or in the middle of a selection, confirmed or not."""
    before = row(above)
    text = run_action(helper, action, above, alice)
    form = {"action": action, "_selected_action": [alice.pk, above.pk], "post": "yes"}
    helper.post(LIST, form)
    assert row(above) == before
    if action != "delete_selected":
        assert "Left 1 as they were" in text


def test_account_of_staff_is_changed_by_no_list(helper: Client, above: User) -> None:
    """What a changed list would send is ignored."""
    before = row(above)
    form = {
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(above.pk),
        "form-0-email": "mine@example.com",
        "form-0-is_active": "",
        "_save": "Save",
    }
    helper.post(LIST, form)
    assert row(above) == before


def test_account_of_staff_can_be_seen(helper: Client, above: User) -> None:
    """Page and history open for reading, without a Save button or a byte of the hash."""
    text = helper.get(page(above)).content.decode()
    assert above.email in text
    assert 'name="_save"' not in text
    assert above.password.rsplit("$", 1)[1] not in text
    assert helper.get(page(above, "history")).status_code == 200


def test_account_of_staff_is_changed_by_superusers(admin: Client, above: User) -> None:
    """Who holds everything may."""
    assert admin.post(page(above), read_form(admin, page(above)) | {"bio": "x"}).status_code == 302
    assert admin.post(password_page(above), PASSWORDS).status_code == 302
    assert admin.post(page(above, "delete"), {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=above.pk).exists()


def test_others_are_changed_by_staff(helper: Client, alice: User, bob: User) -> None:
    """People without privileges are what the permission is for."""
    form = read_form(helper, page(alice)) | {"bio": "Cooks."}
    assert helper.post(page(alice), form).status_code == 302
    assert helper.post(password_page(alice), PASSWORDS).status_code == 302
    assert helper.post(page(bob, "delete"), {"post": "yes"}).status_code == 302
    alice.refresh_from_db()
    assert alice.bio == "Cooks."
    assert alice.check_password(NEW_PASSWORD)
    assert not User.objects.filter(pk=bob.pk).exists()


def test_only_superusers_give_privileges(helper: Client, eve: User, alice: User) -> None:
    """Staff see them, of others and of themselves, and what they send is ignored."""
    permission = Permission.objects.get(codename="view_logentry")
    group = Group.objects.create(name="all")
    for user in (alice, eve):
        form = read_form(helper, page(user))
        assert not {*ALL_ON, "groups", "user_permissions"} & set(form)
        sent: dict[str, Any] = {"groups": [group.pk], "user_permissions": [permission.pk]}
        assert helper.post(page(user), form | ALL_ON | sent | {"bio": "x"}).status_code == 302
        before = (user.is_admin, user.is_superuser)
        user.refresh_from_db()
        assert (user.bio, user.is_admin, user.is_superuser) == ("x", *before)
        assert not user.groups.exists()
        assert permission not in user.user_permissions.all()


def test_added_user_has_no_privileges(helper: Client) -> None:
    """Staff add people like everybody else."""
    person = {"email": "zoe@example.com", "first_name": "Zoe", "last_name": "Rolle"}
    assert helper.post(ADD, person | PASSWORDS | ALL_ON).status_code == 302
    zoe = User.objects.get(email="zoe@example.com")
    assert (zoe.is_admin, zoe.is_superuser) == (False, False)


def test_groups_are_for_superusers(helper: Client, admin: Client, eve: User) -> None:
    """A member of a group who could change it would give themselves its new permissions."""
    group = Group.objects.create(name="helpers")
    group.user_set.add(eve)
    permission = Permission.objects.get(codename="view_logentry")
    form = {"name": "helpers", "permissions": [permission.pk]}
    paths = [
        reverse("admin:auth_group_change", args=[group.pk]),
        reverse("admin:auth_group_add"),
        reverse("admin:auth_group_delete", args=[group.pk]),
    ]
    for path in paths:
        assert helper.post(path, form | {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [group.pk], "post": "yes"}
    helper.post(reverse("admin:auth_group_changelist"), action)
    assert not Group.objects.get(pk=group.pk).permissions.exists()
    assert admin.post(paths[0], form).status_code == 302
    assert group.permissions.get() == permission


def test_nobody_deletes_themselves_as_staff(helper: Client, eve: User) -> None:
    """Their own account they may change, in the form."""
    assert helper.post(page(eve, "delete"), {"post": "yes"}).status_code == 403
    assert helper.post(page(eve), read_form(helper, page(eve)) | {"bio": "x"}).status_code == 302
    eve.refresh_from_db()
    assert eve.bio == "x"


def test_open_browser_is_no_way_to_the_account(helper: Client, admin: Client, eve: User) -> None:
    """One's own password and email are changed where the present password is asked for.

    Superusers have others change them, or do the same.
    """
    for client, user in ((helper, eve), (admin, User.objects.get(is_superuser=True))):
        before = row(user)
        response = client.post(password_page(user), PASSWORDS)
        assert response.headers["Location"] == reverse("admin:password_change")
        form = read_form(client, page(user))
        assert "email" not in form
        assert client.post(page(user), form | {"email": "mine@example.com"}).status_code == 302
        assert row(user)["password"] == before["password"]
        assert row(user)["email"] == before["email"]


def test_ways_in_of_staff_are_taken_by_superusers(
    helper: Client, admin: Client, eve: User, above: User, alice: User
) -> None:
    """An identity is one: without it, who has no password is locked out."""
    eve.user_permissions.add(*Permission.objects.filter(codename__endswith="_identity"))
    paths = {}
    for user in (above, alice):
        identity = Identity.objects.create(
            user=user, issuer="https://op.example", subject=str(user.pk), created_at=timezone.now()
        )
        paths[user.pk] = reverse("admin:openid_connect_identity_delete", args=[identity.pk])
    assert helper.post(paths[above.pk], {"post": "yes"}).status_code == 403
    everyone = {"action": "delete_selected", "post": "yes"}
    selected = {"_selected_action": list(Identity.objects.values_list("pk", flat=True))}
    helper.post(reverse("admin:openid_connect_identity_changelist"), everyone | selected)
    assert Identity.objects.count() == 2
    assert helper.post(paths[alice.pk], {"post": "yes"}).status_code == 302
    assert admin.post(paths[above.pk], {"post": "yes"}).status_code == 302
    assert not Identity.objects.exists()
