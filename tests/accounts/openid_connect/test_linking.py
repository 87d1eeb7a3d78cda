"""Linking a provider to an account, and unlinking it."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db.models import F
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import LoginSession, User
from accounts.openid_connect.models import Identity
from accounts.security_log.models import Event, SecurityEvent
from accounts.services.administration import deactivate_user
from tests.accounts.openid_connect.browser import Browser, code_of, link, linking
from tests.accounts.openid_connect.provider import Provider, person
from tests.accounts.second_factor.phone import set_up_phone
from tests.cast import NEW_PASSWORD, PASSWORD, client_of
from tests.clocks import Clock

pytestmark = pytest.mark.django_db(transaction=True)

IDENTITIES = "/auth/identities"


def unlink(client: APIClient, **body: str) -> tuple[int, str]:
    """Unlink the only identity; return the status, and the code."""
    identity = Identity.objects.get()
    response = client.delete(f"{IDENTITIES}/{identity.pk}", body)
    return (204, "") if response.status_code == 204 else code_of(response)


def sign_up(browser: Browser) -> APIClient:
    """Make an account by the provider; return its client."""
    client = APIClient()
    token = browser.sign_in().json()["access_token"]
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def test_linked_account_is_entered(browser: Browser, alice: User, provider: Provider) -> None:
    """By the provider as by the password; its user is told, and the security log."""
    assert link(alice, provider, email="other@example.com").json()["provider"] == "conch"
    browser.user = person("alice", email_verified=False)
    assert browser.sign_in().json()["user"]["id"] == alice.pk
    assert [message.to for message in mail.outbox] == [[alice.email]]
    assert "linked" in mail.outbox[0].subject
    events = SecurityEvent.objects.filter(user_id=alice.pk).values_list("event", flat=True)
    assert Event.IDENTITY_LINKED in events


def test_link_needs_the_password(alice: User, provider: Provider) -> None:
    """A stolen access token is not enough."""
    User.objects.update(is_email_verified=True)
    client = linking(alice, provider).client
    for body in ({}, {"password": "wrong"}):
        response = client.post(IDENTITIES, {"provider": "conch", **body})
        assert (response.status_code, set(response.json())) == (400, {"password"})
    assert not provider.asked


def test_link_needs_a_recent_log_in(browser: Browser, provider: Provider) -> None:
    """Where there is no password."""
    client = sign_up(browser)
    Identity.objects.all().delete()
    LoginSession.objects.update(created_at=F("created_at") - timedelta(hours=1))
    assert code_of(client.post(IDENTITIES, {"provider": "conch"})) == (403, "recent_login_required")
    LoginSession.objects.update(created_at=F("created_at") + timedelta(hours=1))
    again = Browser(client, provider, IDENTITIES, person("ada"))
    assert again.sign_in().status_code == 201


def test_link_needs_a_verified_email(alice: User, provider: Provider) -> None:
    """So that nobody waits inside an account that was made with another's email."""
    mallory = linking(alice, provider)
    User.objects.update(is_email_verified=True)
    body = mallory.go(mallory.begin(password=PASSWORD))
    User.objects.update(is_email_verified=False)
    refused = (403, "own_email_not_verified")
    assert code_of(mallory.complete(body)) == refused
    begun = mallory.client.post(IDENTITIES, {"provider": "conch", "password": PASSWORD})
    assert code_of(begun) == refused
    assert not Identity.objects.exists()


def test_identity_is_one_accounts_alone(alice: User, bob: User, provider: Provider) -> None:
    """And an account has one of each provider."""
    assert link(alice, provider).status_code == 201
    taken = person("alice")["sub"]
    assert code_of(link(bob, provider, sub=taken)) == (409, "identity_taken")
    assert code_of(link(alice, provider, sub="another")) == (409, "provider_linked")
    assert Identity.objects.get().user == alice


def test_closed_account_links_nothing(alice: User, provider: Provider) -> None:
    """Though the flow began before."""
    User.objects.update(is_email_verified=True)
    by_alice = linking(alice, provider)
    body = by_alice.go(by_alice.begin(password=PASSWORD))
    deactivate_user(user_id=alice.pk)
    assert by_alice.complete(body).status_code == 401
    assert not Identity.objects.exists()


def test_unlinking(browser: Browser, alice: User, provider: Provider) -> None:
    """With the password; the provider's user is then somebody new. Told by mail."""
    link(alice, provider)
    client = linking(alice, provider).client
    assert [row["provider"] for row in client.get(IDENTITIES).json()["results"]] == ["conch"]
    assert client.delete(f"{IDENTITIES}/{Identity.objects.get().pk}", {}).status_code == 400
    assert unlink(client, password=PASSWORD) == (204, "")
    assert client.get(IDENTITIES).json() == {"results": []}
    assert "unlinked" in mail.outbox[-1].subject
    browser.user = person("alice")
    assert code_of(browser.sign_in()) == (409, "account_exists")


def test_second_factor_is_asked_for(alice: User, provider: Provider, clock: Clock) -> None:
    """To link as to unlink: a stolen token and the password do neither."""
    link(alice, provider)
    phone, client = set_up_phone(alice, clock), client_of(alice)
    path = f"{IDENTITIES}/{Identity.objects.get().pk}"
    body = {"provider": "conch", "password": PASSWORD}
    for extra in ({}, {"code": phone.code()}):  # that was used
        assert set(client.post(IDENTITIES, body | extra).json()) == {"code"}
        assert set(client.delete(path, {"password": PASSWORD} | extra).json()) == {"code"}
    assert client.post(IDENTITIES, body | {"code": phone.next_code()}).status_code == 200
    proof = {"password": PASSWORD, "code": phone.next_code()}
    assert client.delete(path, proof).status_code == 204


def test_nobody_unlinks_anothers(alice: User, bob: User, provider: Provider) -> None:
    """Nor sees it."""
    link(alice, provider)
    client = linking(bob, provider).client
    assert client.get(IDENTITIES).json() == {"results": []}
    assert unlink(client, password=PASSWORD) == (404, "not_found")


def test_last_way_in_stays(browser: Browser, provider: Provider, settings: Settings) -> None:
    """Until there is a password, or another identity of a provider that there still is."""
    client = sign_up(browser)
    assert unlink(client) == (409, "last_way_in")
    user = User.objects.get()
    Identity.objects.create(user=user, issuer="x", subject="x", created_at=user.created_at)
    identity = Identity.objects.get(issuer=provider.issuer)
    path = f"{IDENTITIES}/{identity.pk}"
    assert code_of(client.delete(path)) == (409, "last_way_in")
    [conch] = settings.AUTH_OPENID_PROVIDERS.values()
    settings.AUTH_OPENID_PROVIDERS |= {"other": conch | {"issuer": "x"}}
    assert client.delete(path).status_code == 204


def test_first_password_lets_it_go(browser: Browser) -> None:
    """The account then is as any other."""
    client = sign_up(browser)
    tokens = client.post("/auth/change-password", {"new_password": NEW_PASSWORD}).json()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access_token']}")
    assert unlink(client, password=NEW_PASSWORD) == (204, "")
    credentials = {"email": "ada@example.com", "password": NEW_PASSWORD}
    assert client.post("/auth/login", credentials).status_code == 200


def test_admin_removes_identities(admin: Client, alice: User, provider: Provider) -> None:
    """Finds them by email, and tells their user; adds and changes none."""
    link(alice, provider)
    url = "/admin/openid_connect/identity/"
    assert b"alice&#x27;s number" in admin.get(url, {"q": alice.email}).content
    identity = Identity.objects.get()
    assert admin.get(f"{url}add/").status_code == 403
    admin.post(f"{url}{identity.pk}/change/", {"subject": "x"})
    assert Identity.objects.get().subject == "alice's number"
    chosen = {"action": "delete_selected", "_selected_action": [identity.pk], "post": "yes"}
    assert admin.post(url, chosen).status_code == 302
    assert not Identity.objects.exists()
    assert "unlinked" in mail.outbox[-1].subject
