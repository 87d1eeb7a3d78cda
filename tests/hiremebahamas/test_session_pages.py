"""Sessions, CSRF and messages are for the admin site alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from accounts.models import User
from hiremebahamas.session_pages import session_pages_middleware
from tests.cast import PASSWORD, client_of

HERE = "hiremebahamas.session_pages.session_pages_middleware"
SESSIONS = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.security_log.origin.OriginMiddleware",
]
ADDED = {"session", "_messages"}


@pytest.fixture
def requests(settings: Settings) -> Iterator[list[HttpRequest]]:
    """Keep every request as it comes out of the middlewares."""
    kept: list[HttpRequest] = []

    def keep(get_response: Any) -> Any:
        def pass_on(request: HttpRequest) -> HttpResponse:
            response: HttpResponse = get_response(request)
            kept.append(request)
            return response

        return pass_on

    keep_path = f"{__name__}.keep_request"
    globals()["keep_request"] = keep
    settings.MIDDLEWARE = [keep_path, *settings.MIDDLEWARE]
    yield kept
    del globals()["keep_request"]


def test_what_pages_with_sessions_need_comes_last() -> None:
    """Nothing else is skipped."""
    at = settings.MIDDLEWARE.index(HERE)
    assert settings.MIDDLEWARE[at + 1 :] == SESSIONS


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/auth/verify", "/users", "/", "/api/docs", "/metrics", "/admin"])
def test_other_paths_have_no_session(path: str, dora: User, requests: list[HttpRequest]) -> None:
    """Even with the cookie of one."""
    client = Client()
    client.force_login(dora)
    client.get(path)
    assert ADDED & vars(requests[0]).keys() == set()
    assert "Vary" not in client.get(path).headers


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/nope", "/health/cache"])
def test_pages_with_sessions_have_all_of_it(
    path: str, dora: User, requests: list[HttpRequest]
) -> None:
    """The session's user, and messages."""
    client = Client()
    client.force_login(dora)
    client.get(path)
    assert vars(requests[0]).keys() >= ADDED
    assert requests[0].user == dora


@pytest.mark.django_db
def test_a_session_reads_health(dora: User) -> None:
    """Staff are known by their session there, and by nothing on the API."""
    User.objects.filter(pk=dora.pk).update(is_superuser=True)
    client = Client()
    client.force_login(dora)
    assert client.get("/health/cache").status_code == 200
    assert client.get("/auth/profile").status_code == 401


@pytest.mark.django_db
def test_forms_of_the_admin_site_want_their_token(dora: User) -> None:
    """And accept it; the API wants none."""
    client = Client(enforce_csrf_checks=True)
    form = {"username": dora.email, "password": PASSWORD}
    assert client.post("/admin/login/", form).status_code == 403
    token = client.get("/admin/login/").context["csrf_token"]
    login = client.post("/admin/login/?next=/admin/", form | {"csrfmiddlewaretoken": str(token)})
    assert (login.status_code, login.headers["Location"]) == (302, "/admin/")
    api = client_of(dora)
    api.handler.enforce_csrf_checks = True
    assert api.patch("/auth/profile", {"bio": "x"}, format="json").status_code == 200


def test_only_what_follows_is_skipped(settings: Settings) -> None:
    """Every middleware before it, and the view, see each request."""
    settings.MIDDLEWARE = [settings.MIDDLEWARE[0], HERE, *SESSIONS]
    handler = BaseHandler()
    handler.load_middleware()
    response = handler.get_response(RequestFactory().get("/nope"))
    assert (response.status_code, response.headers["Cache-Control"]) == (404, "no-store")


def test_a_handler_that_is_no_django_s_is_refused() -> None:
    """At start-up, rather than skip the wrong things."""
    with pytest.raises(AttributeError):
        session_pages_middleware(lambda _: HttpResponse())


@pytest.mark.django_db
def test_cookies_of_the_admin_site_are_this_host_s(dora: User) -> None:
    """A page on a sibling host can plant none: browsers take `__Host-` by HTTPS, from the host."""
    client = Client()
    client.get("/admin/login/", secure=True)
    client.post("/admin/login/", {"username": dora.email, "password": PASSWORD}, secure=True)
    assert set(client.cookies) == {"__Host-sessionid", "__Host-csrftoken"}
    for cookie in client.cookies.values():
        assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", "")
