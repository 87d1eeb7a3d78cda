"""Clearing users on the dashboard: asked first, done as a write would, and in the admin's log."""

import pytest
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.models import UserManager
from tests.steering import keep_redis_away
from tests.usercache.observability.dashboard.conftest import browser_of, grant
from tests.users import User
from usercache.management.inspection import inspect_user
from usercache.observability.admin import find_user
from usercache.users import get_user_by_email, get_user_by_id

pytestmark = pytest.mark.django_db
TRANSACTIONS = pytest.mark.django_db(transaction=True)

DASHBOARD = reverse("admin:usercache_observability_dashboard_changelist")
CLEAR = reverse("admin:usercache_observability_dashboard_clear")
CLEAR_ALL = reverse("admin:usercache_observability_dashboard_clear_all")


def is_cached(user: User) -> bool:
    return inspect_user(user.pk).state == "record"


def send(client: Client, path: str, user: str = "") -> str:
    response = client.post(path, {"user": user}, follow=True)
    assert response.redirect_chain == [(DASHBOARD, 302)]
    return response.content.decode()


def test_user_can_be_named_by_any_identifier(admin: Client, alice: User) -> None:
    """By id, email, username or phone."""
    for named in (f"id:{alice.pk}", alice.email, f" {alice.username} ", alice.phone):
        question = admin.get(CLEAR, {"user": named}).content.decode()
        assert f"<strong>user:id:{alice.pk}</strong>" in question


@TRANSACTIONS
def test_one_user_is_cleared_after_a_question(admin: Client, alice: User, bob: User) -> None:
    """The question changes nothing, and shows what is cached; the answer is in the log."""
    for user in (alice, bob):
        get_user_by_email(user.email)
    question = admin.get(CLEAR, {"user": alice.email}).content.decode()
    assert f"leads to {alice.pk}" in question
    assert is_cached(alice)
    send(admin, CLEAR, f"id:{alice.pk}")
    assert (is_cached(alice), is_cached(bob)) == (False, True)
    [entry] = LogEntry.objects.all()
    assert entry.object_id == str(alice.pk)
    assert entry.change_message == "Cleared from the user cache."


@TRANSACTIONS
def test_all_users_are_cleared_after_a_question(admin: Client, alice: User, bob: User) -> None:
    """The log has the operator."""
    for user in (alice, bob):
        get_user_by_id(user.pk)
    assert "choose a quiet hour" in admin.get(CLEAR_ALL).content.decode()
    assert is_cached(alice)
    send(admin, CLEAR_ALL)
    assert not is_cached(alice)
    assert not is_cached(bob)
    [entry] = LogEntry.objects.all()
    assert entry.user.email == "dora@example.com"
    assert (entry.object_repr, entry.change_message) == ("user cache", "Cleared all users.")


@TRANSACTIONS
def test_deleted_user_can_be_cleared(admin: Client) -> None:
    """The cache may remember that there is no such user."""
    get_user_by_id(4711)
    assert "no row in the database" in admin.get(CLEAR, {"user": "id:4711"}).content.decode()
    send(admin, CLEAR, "id:4711")
    assert inspect_user(4711).state == "nothing"
    assert LogEntry.objects.get().change_message == "Cleared user:id:4711."


@pytest.mark.parametrize("named", ["", "   ", "nobody@example.com", "id:x", "\x00"])
def test_no_user_of_that_name(admin: Client, named: str) -> None:
    """It says how users are named."""
    for answer in (admin.get(CLEAR, {"user": named}, follow=True), None):
        page = send(admin, CLEAR, named) if answer is None else answer.content.decode()
        assert "There is no such user. Give an id, an email" in page
    assert not LogEntry.objects.exists()


def test_clearing_needs_a_permission_of_its_own(eve: User, alice: User) -> None:
    """Seeing is not clearing."""
    grant(eve, "view_dashboard")
    as_eve = browser_of(eve)
    for path in (CLEAR, CLEAR_ALL):
        for method in (as_eve.get, as_eve.post):
            assert method(path, {"user": alice.email}).status_code == 403
    grant(eve, "view_dashboard", "clear_cache")
    send(as_eve, CLEAR, alice.email)


def test_other_sites_cannot_make_a_browser_clear(dora: User) -> None:
    """A POST without the form's token is refused."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(dora)
    assert client.post(CLEAR_ALL).status_code == 403
    assert not LogEntry.objects.exists()


@pytest.mark.redis
def test_redis_away_is_said(admin: Client, alice: User) -> None:
    """What was asked for is noted, and done once Redis is back."""
    keep_redis_away()
    assert "is noted in the outbox" in send(admin, CLEAR, alice.email)


class ReplicaRouter:
    """Send what reads users to a replica, which is not there: to read from it is an error."""

    def db_for_read(self, model: type[Model], **_hints: object) -> str | None:
        """Name it."""
        return "replica" if model is User else None


def test_user_is_read_from_where_writes_go(alice: User, settings: Settings) -> None:
    """By name and by row: a replica may not have heard of what an operator looks for."""
    settings.DATABASE_ROUTERS = [ReplicaRouter()]
    person = find_user(alice.email)
    assert person is not None
    assert person.user == alice


def test_hidden_user_is_found(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may still be cached from before."""
    shown = User.objects.exclude(pk=alice.pk)
    monkeypatch.setattr(UserManager, "get_queryset", lambda _manager: shown.all())
    assert not User.objects.filter(pk=alice.pk).exists()
    person = find_user(alice.email)
    assert person is not None
    assert person.user == alice
