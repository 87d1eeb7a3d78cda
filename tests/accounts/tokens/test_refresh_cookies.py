"""Browser apps: the refresh token in a cookie alone, and no other page makes use of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.urls import resolve
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.checks import check_refresh_cookie
from accounts.models import LoginSession, User
from accounts.services.sessions import start_session
from accounts.tokens.refresh_cookies import NAME
from accounts.views.tokens import TokenView
from tests.accounts.browser_app import ASKED, COOKIE, log_in, token_in
from tests.accounts.endpoints import ENDPOINTS, REGISTRATION
from tests.cast import NEW_PASSWORD, PASSWORD
from tests.openapi import list_operations, make_schema

pytestmark = pytest.mark.django_db

REFRESH, LOGOUT = "/auth/cookie/refresh", "/auth/cookie/logout"
LONGER_THAN_THE_GRACE = timedelta(minutes=2)


@pytest.fixture(autouse=True)
def _production(settings: Settings) -> None:
    settings.AUTH_REFRESH_COOKIE_SECURE = True


def send(token: str, path: str = REFRESH, **headers: Any) -> Any:
    """Send the cookie, with the header unless it is told otherwise."""
    return APIClient().post(path, HTTP_COOKIE=f"{COOKIE}={token}", **ASKED | headers)


def code_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json().get("code", "")


def test_cookie_is_the_browsers_own(anybody: APIClient, alice: User, settings: Settings) -> None:
    """No script reads it, no clear connection, other site, other host or other path gets it."""
    response = log_in(anybody, alice)
    token_in(response)
    attributes = {name: value for name, value in response.cookies[COOKIE].items() if value}
    del attributes["expires"]
    assert attributes == {
        "httponly": True,
        "secure": True,
        "samesite": "Strict",
        "path": "/auth/cookie",
        "max-age": settings.AUTH_SESSION_IDLE_SECONDS,
    }
    assert response.headers["Cache-Control"] == "no-store"


def test_on_a_developers_machine(anybody: APIClient, alice: User, settings: Settings) -> None:
    """Without TLS the cookie has another name, which a browser takes; and one for other sites."""
    settings.AUTH_REFRESH_COOKIE_SECURE = False
    morsel = log_in(anybody, alice).cookies[NAME]
    assert not morsel["secure"]
    response = anybody.post(REFRESH, HTTP_COOKIE=f"{NAME}={morsel.value}", **ASKED)
    assert response.status_code == 200
    settings.AUTH_REFRESH_COOKIE_SECURE, settings.AUTH_REFRESH_COOKIE_SAMESITE = True, "None"
    assert log_in(anybody, alice).cookies[COOKIE]["samesite"] == "None"


def test_other_clients_get_what_they_got(anybody: APIClient, alice: User) -> None:
    """Both tokens in the body, and no cookie."""
    response = anybody.post("/auth/login", {"email": alice.email, "password": PASSWORD})
    assert set(response.json()) == {"access_token", "refresh_token", "token_type", "user"}
    assert not response.cookies


def test_whatever_gives_tokens_gives_a_cookie(
    anybody: APIClient, as_alice: APIClient, alice: User
) -> None:
    """Registration, a new password, and a refresh by body; `second_factor` has the other ways."""
    token_in(anybody.post("/auth/register", REGISTRATION, **ASKED))
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    token_in(as_alice.post("/auth/change-password", change, **ASKED))
    body = {"refresh_token": start_session(user=User.objects.get(pk=alice.pk)).refresh_token}
    token_in(anybody.post("/auth/refresh", body, **ASKED))


def test_no_view_is_forgotten() -> None:
    """Each operation that the schema shows to give a refresh token moves it."""
    components = make_schema()["components"]["schemas"]
    giving = {
        operation.path
        for operation in list_operations()
        for status, described in operation.description["responses"].items()
        if status < "400" and "content" in described
        if (reference := described["content"]["application/json"]["schema"].get("$ref"))
        if "refresh_token" in components[reference.rpartition("/")[2]].get("properties", {})
    }
    assert {"/auth/login", "/auth/login/second-factor/passkey", "/auth/change-password"} <= giving
    for path in giving:
        view: Any = resolve(path).func
        assert issubclass(view.cls, TokenView), path


def test_refresh_and_what_a_thief_of_an_old_cookie_gets(anybody: APIClient, alice: User) -> None:
    """Each cookie is good once; one that comes back later ends the session, as any token does."""
    first = token_in(log_in(anybody, alice))
    second = token_in(send(first))
    assert second != first
    assert token_in(send(first)) == second  # two tabs at once
    third = send(second)
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {third.json()['access_token']}")
    assert anybody.get("/auth/verify").status_code == 200
    LoginSession.objects.update(rotated_at=F("rotated_at") - LONGER_THAN_THE_GRACE)
    assert code_of(send(first)) == (401, "token_reused")
    assert code_of(send(token_in(third))) == (401, "session_ended")
    assert anybody.get("/auth/verify").json()["code"] == "session_ended"


def test_log_out_ends_the_session_and_deletes_the_cookie(anybody: APIClient, alice: User) -> None:
    """Its access token is refused, too; a second time, or with a useless cookie, it is no error."""
    login = log_in(anybody, alice)
    for token in (token_in(login), token_in(login), "x.y.z", ""):
        response = send(token, LOGOUT)
        assert response.status_code == 200
        morsel = response.cookies[COOKIE]
        assert (morsel.value, morsel["max-age"]) == ("", 0)
        assert (morsel["path"], morsel["secure"]) == ("/auth/cookie", True)
    assert not LoginSession.objects.exists()
    anybody.credentials(HTTP_AUTHORIZATION=f"Bearer {login.json()['access_token']}")
    assert anybody.get("/auth/verify").json()["code"] == "session_ended"


@pytest.mark.parametrize("path", [REFRESH, LOGOUT])
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_forms_of_other_pages_do_nothing(
    anybody: APIClient, alice: User, path: str, kind: str
) -> None:
    """What a browser sends for any page, with the cookie and without the header: a 403."""
    token = token_in(log_in(anybody, alice))
    for body in ("", "X-Refresh-Cookie=1", '{"X-Refresh-Cookie": "1"}', f"refresh_token={token}"):
        response = anybody.generic(
            "POST", f"{path}?X-Refresh-Cookie=1", body, kind, HTTP_COOKIE=f"{COOKIE}={token}"
        )
        assert code_of(response) == (403, "refresh_header_required")
        assert not response.cookies
    assert LoginSession.objects.count() == 1
    assert token_in(send(token))  # it wasn't used up


def test_cookie_opens_nothing_else(anybody: APIClient, alice: User) -> None:
    """Neither the endpoints for tokens in bodies, nor any that wants an access token."""
    token = token_in(log_in(anybody, alice))
    headers = {"HTTP_COOKIE": f"{COOKIE}={token}"} | ASKED
    for path in ("/auth/refresh", "/auth/logout"):
        response = anybody.post(path, {}, **headers)
        assert (response.status_code, set(response.json())) == (400, {"refresh_token"})
    for endpoint in ENDPOINTS:
        if not endpoint.is_open:
            response = anybody.generic(endpoint.method, endpoint.path, **headers)
            assert response.status_code == 401, endpoint
    assert LoginSession.objects.count() == 1


def test_other_page_logs_nobody_in(anybody: APIClient, alice: User, bob: User) -> None:
    """A log-in without the header leaves the cookie of the one who is there."""
    token = token_in(log_in(anybody, alice))
    body = {"email": bob.email, "password": PASSWORD}
    response = anybody.post("/auth/login", body, HTTP_COOKIE=f"{COOKIE}={token}")
    assert not response.cookies


def test_planted_cookie_does_not_count(anybody: APIClient, alice: User, bob: User) -> None:
    """A sibling host can add one of the same name; with two of them, it is nobody's session."""
    hers, his = token_in(log_in(anybody, alice)), token_in(log_in(anybody, bob))
    for planted in (f"{COOKIE}={his}; {COOKIE}={hers}", f"{COOKIE}={hers};{COOKIE} ={his}"):
        response = anybody.post(REFRESH, HTTP_COOKIE=planted, **ASKED)
        assert code_of(response) == (401, "token_not_valid")
    assert LoginSession.objects.count() == 2


@pytest.mark.parametrize(
    "cookie", ["", "x=y", f"{COOKIE}=", f"{COOKIE}=x.y.z", f"{NAME}=x", "\x00"]
)
def test_no_token(anybody: APIClient, cookie: str) -> None:
    """None, an empty one, another's name, and nonsense: log in again."""
    response = anybody.post(REFRESH, HTTP_COOKIE=cookie, **ASKED)
    assert code_of(response) == (401, "token_not_valid")
    assert not response.cookies


def test_refusals_set_no_cookie(anybody: APIClient, alice: User) -> None:
    """And name the field, as they did."""
    response = anybody.post("/auth/refresh", {}, **ASKED)
    assert response.json() == {"refresh_token": ["This field is required."]}
    wrong = anybody.post("/auth/login", {"email": alice.email, "password": "wrong"}, **ASKED)
    assert (wrong.status_code, response.status_code) == (401, 400)
    assert not wrong.cookies
    assert not response.cookies


@pytest.mark.parametrize(
    ("same_site", "secure"), [("None", False), ("none", True), ("Lax", True), (None, True), ("", 1)]
)
def test_impossible_cookie_is_an_error(
    settings: Settings, same_site: object, secure: object
) -> None:
    """What browsers drop, or what they would send for everybody."""
    assert check_refresh_cookie() == []
    settings.AUTH_REFRESH_COOKIE_SAMESITE = same_site
    settings.AUTH_REFRESH_COOKIE_SECURE = secure
    assert [message.id for message in check_refresh_cookie()] == ["accounts.E009"]
