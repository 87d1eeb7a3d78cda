"""Logging in by a provider, with a real one: whose account it is, and whose it never is."""

from typing import Any

import pytest
from django.core import mail
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import LoginSession, User
from accounts.openid_connect.models import Identity
from accounts.security_log.models import Event, SecurityEvent
from accounts.services.administration import deactivate_user
from tests.accounts.openid_connect.browser import Browser, code_of, link
from tests.accounts.openid_connect.provider import SECOND_URI, Provider, describe_to_us, person
from tests.accounts.second_factor.phone import finish, set_up_phone
from tests.cast import NEW_PASSWORD, Cast
from tests.clocks import Clock

pytestmark = pytest.mark.django_db(transaction=True)


def events_of(user_id: int) -> list[str]:
    """Return what happened to the user, the first first."""
    events = SecurityEvent.objects.filter(user_id=user_id).order_by("pk")
    return list(events.values_list("event", flat=True))


def test_new_person_gets_an_account(browser: Browser) -> None:
    """With the verified email and the names, no username, and the tokens of any log-in."""
    response = browser.sign_in()
    assert response.status_code == 200, response.content
    body = response.json()
    user = User.objects.get()
    assert body["user"]["email"] == user.email == "ada@example.com"
    assert (user.first_name, user.last_name, user.username) == ("Ada", "Albury", None)
    assert user.is_email_verified
    assert not user.has_usable_password()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {body['access_token']}")
    assert client.get("/auth/verify").json() == {"valid": True, "user_id": user.pk}
    refreshed = client.post("/auth/refresh", {"refresh_token": body["refresh_token"]})
    assert refreshed.status_code == 200
    started = [Event.IDENTITY_LINKED, Event.ACCOUNT_CREATED, Event.SESSION_STARTED]
    assert events_of(user.pk) == started
    assert not mail.outbox


def test_they_come_back(browser: Browser) -> None:
    """Known by the subject alone, whatever their email has become at the provider."""
    first = browser.sign_in().json()["user"]
    browser.user |= {"email": "lovelace@example.com", "given_name": "Augusta"}
    again = browser.sign_in().json()["user"]
    assert again["id"] == first["id"]
    assert (again["email"], again["first_name"]) == ("ada@example.com", "Ada")
    assert Identity.objects.get().last_used_at is not None
    assert LoginSession.objects.count() == 2


@pytest.mark.parametrize("is_verified", [True, False])
def test_account_with_the_email_is_not_entered(
    browser: Browser, cast: Cast, is_verified: bool
) -> None:
    """Neither one whose email is verified, nor one that somebody may have registered before."""
    ada = cast.make("ada", is_email_verified=is_verified)
    assert code_of(browser.sign_in()) == (409, "account_exists")
    assert not Identity.objects.exists()
    assert not LoginSession.objects.exists()
    assert User.objects.get() == ada


@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "yes"},
        {"email_verified": 1.5},
        {"email": None},
        {"email": 7},
        {"email": "no address"},
        # Another mailbox, perhaps, which has the same normal form as ada's.
        {"email": "\uff41da@example.com"},
    ],
    ids=str,
)
def test_email_must_be_verified_by_the_provider(
    browser: Browser, claims: dict[str, object]
) -> None:
    """No account is made with another's email; with a string, as Apple writes it, one is."""
    browser.user |= claims
    assert code_of(browser.sign_in()) == (403, "email_not_verified")
    assert not User.objects.exists()
    browser.user = person("ada", email="ADA@example.com", email_verified="true")
    assert browser.sign_in().json()["user"]["email"] == "ada@example.com"


def test_names(browser: Browser) -> None:
    """The provider's, else the client's, of visible characters in either case."""
    browser.user |= {"given_name": "A\u202eda", "family_name": None}
    body = browser.go(browser.begin()) | {"first_name": "Augusta", "last_name": "King"}
    user = browser.complete(body).json()["user"]
    assert (user["first_name"], user["last_name"]) == ("Augusta", "King")
    body = browser.go(browser.begin()) | {"first_name": "A\u202eda"}
    assert set(browser.complete(body).json()) == {"first_name"}


def test_closed_account_is_refused(browser: Browser) -> None:
    """And it is in the security log."""
    user_id = browser.sign_in().json()["user"]["id"]
    deactivate_user(user_id=user_id)
    assert code_of(browser.sign_in()) == (401, "user_inactive")
    assert not LoginSession.objects.exists()
    assert events_of(user_id)[-1] == Event.LOGIN_FAILED


def test_second_factor_is_asked_for(
    browser: Browser, alice: User, clock: Clock, provider: Provider
) -> None:
    """As after a password; the same request finishes the log-in."""
    assert link(alice, provider).status_code == 201
    phone = set_up_phone(alice, clock)
    browser.user = person("alice")
    refused = browser.sign_in()
    assert code_of(refused) == (401, "second_factor_required")
    assert not LoginSession.objects.exists()
    done = finish(browser.client, refused.json()["challenge"], phone.next_code())
    assert done.json()["user"]["id"] == alice.pk


def test_refresh_token_in_a_cookie(browser: Browser) -> None:
    """For browser apps, as at every log-in."""
    body = browser.go(browser.begin())
    header: dict[str, Any] = {"HTTP_X_REFRESH_COOKIE": "1"}
    response = browser.client.post(f"{browser.path}/complete", body, **header)
    assert "refresh_token" not in response.json()
    refreshed = browser.client.post("/auth/cookie/refresh", **header)
    assert refreshed.status_code == 200


def test_erased_account_leaves_nothing(browser: Browser) -> None:
    """The same person is somebody new."""
    first = browser.sign_in().json()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {first['access_token']}")
    exported = client.post("/auth/export").json()
    assert [identity["subject"] for identity in exported["identities"]] == ["ada's number"]
    assert client.delete("/auth/account", {"erase": True}).status_code == 204
    assert not Identity.objects.exists()
    assert browser.sign_in().json()["user"]["id"] != first["user"]["id"]


def test_client_chooses_among_the_redirect_uris(browser: Browser) -> None:
    """Nobody is sent elsewhere."""
    assert browser.sign_in(redirect_uri=SECOND_URI).status_code == 200
    for uri in ("https://evil.example.com", f"{SECOND_URI}/..", f"{SECOND_URI}?x", ""):
        response = browser.client.post(browser.path, {"provider": "conch", "redirect_uri": uri})
        assert (response.status_code, set(response.json())) == (400, {"redirect_uri"})


def test_providers_are_listed(browser: Browser) -> None:
    """By what a button needs, and without secrets; another is refused."""
    [listed] = browser.client.get("/auth/openid-connect").json()["results"]
    assert listed.keys() == {"name", "title", "redirect_uris"}
    assert listed["title"] == "Conch Telecom"
    response = browser.client.post(browser.path, {"provider": "google"})
    assert (response.status_code, set(response.json())) == (400, {"provider"})


def test_secret_in_the_form(browser: Browser, provider: Provider) -> None:
    """Where the provider takes it there alone."""
    provider.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert browser.sign_in().status_code == 200
    assert "client_secret" in provider.forms[-1]


def test_wrong_secret(browser: Browser, provider: Provider, settings: Settings) -> None:
    """The provider refuses us, and we the user."""
    settings.AUTH_OPENID_PROVIDERS = describe_to_us(provider.issuer, client_secret="another")
    assert code_of(browser.sign_in()) == (401, "provider_refused")


def test_first_password_by_mail(browser: Browser) -> None:
    """A user without one can ask for it, and log in with it from then on."""
    browser.sign_in()
    browser.client.post("/auth/reset-password", {"email": "ada@example.com"})
    [message] = mail.outbox
    token = str(message.body).split("\n\n")[1]
    body = {"token": token, "new_password": NEW_PASSWORD}
    assert browser.client.post("/auth/reset-password/confirm", body).status_code == 200
    credentials = {"email": "ada@example.com", "password": NEW_PASSWORD}
    assert browser.client.post("/auth/login", credentials).status_code == 200
    assert browser.sign_in().status_code == 200


def test_requests_are_limited(browser: Browser, settings: Settings) -> None:
    """By address, as others that cost; a new account counts as a registration as well."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"register": {"address": (1, 3600)}}
    assert browser.sign_in().status_code == 200
    browser.user = person("bob")
    assert code_of(browser.sign_in()) == (429, "too_many_attempts")
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"provider": {"address": (2, 3600)}}
    body = browser.go(browser.begin())
    browser.complete(body)
    assert code_of(browser.complete(body)) == (429, "too_many_attempts")
