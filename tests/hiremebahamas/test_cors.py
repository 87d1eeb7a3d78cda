"""Pages of other origins: those that are named may call the API, and no others anything."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from hiremebahamas.cors import MIDDLEWARE, check_cors, check_origins
from tests.cast import token_of
from tests.hiremebahamas.test_environment import PRODUCTION, run, show_settings

APP = "https://app.example.com"
SECURITY = "django.middleware.security.SecurityMiddleware"
PREFLIGHT: dict[str, Any] = {
    "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST",
    "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": "content-type, x-refresh-cookie",
}
ALLOWED = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")
STRANGERS = [
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://evil-app.example.com",
    "https://sub.app.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://APP.example.com",
    "https://user@app.example.com",
    "null",
    "*",
    "",
    "https://[",
]


@pytest.fixture
def client(settings: Settings) -> Client:
    """Come to a server that names one origin."""
    settings.CORS_ALLOWED_ORIGINS = [APP]
    at = settings.MIDDLEWARE.index(SECURITY)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:at], MIDDLEWARE, *settings.MIDDLEWARE[at:]]
    return Client()


def allowed(response: Any) -> list[str]:
    return [str(response.headers[name]) for name in ALLOWED if name in response.headers]


@pytest.mark.django_db
def test_named_origin_calls_the_api(client: Client, alice: User) -> None:
    """Its preflight is answered without the view, and its scripts read answers and refusals."""
    response = client.options("/auth/cookie/refresh", HTTP_ORIGIN=APP, **PREFLIGHT)
    assert (response.status_code, allowed(response)) == (200, [APP, "true"])
    assert "x-refresh-cookie" in response.headers["Access-Control-Allow-Headers"]
    assert response.headers["Cache-Control"] == "no-store"
    bearer: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {token_of(alice)}"}
    nothing: dict[str, Any] = {}
    for headers, status in ((bearer, 200), (nothing, 401)):
        response = client.get("/auth/verify", HTTP_ORIGIN=APP, **headers)
        assert (response.status_code, allowed(response)) == (status, [APP, "true"])
        assert response.headers["Vary"] == "origin"
        assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.django_db
@pytest.mark.parametrize("origin", STRANGERS)
def test_others_read_and_send_nothing(client: Client, origin: str) -> None:
    """A stranger's, one that looks like it, one without TLS, and that of sandboxed frames."""
    for method in (client.options, client.get, client.post):
        for path in ("/auth/cookie/refresh", "/auth/login", "/users"):
            assert allowed(method(path, HTTP_ORIGIN=origin, **PREFLIGHT)) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    ["/admin/", "/admin/login/", "/health/cache", "/metrics", "/authority", "/", "/api/docs"],
)
def test_rest_of_the_site_is_for_its_own_pages(client: Client, path: str) -> None:
    """Above all the admin site, which knows its users by a cookie."""
    for method in (client.options, client.get):
        assert allowed(method(path, HTTP_ORIGIN=APP, **PREFLIGHT)) == []


@pytest.mark.parametrize(
    "origin",
    [
        *("*", "null", "app.example.com", "//app.example.com", "https://", "https:app.example.com"),
        *("https://app.example.com/", "https://app.example.com/x", "https://app.example.com?x"),
        *("https://*.example.com", "https://APP.example.com", "https://u:p@app.example.com"),
        *("http://app.example.com", "http://localhost.evil.example", "http://127.0.0.1@evil.com"),
        *("https://app.example.com:0", "https://app.example.com:x", "https://[", "file://", ""),
        *("https://bücher.example", "https://app.example.com #x", "ftp://app.example.com"),
    ],
)
def test_what_is_no_origin_is_refused(settings: Settings, origin: str) -> None:
    """By its name, at the start as by the check."""
    with pytest.raises(ImproperlyConfigured, match="CORS_ALLOWED_ORIGINS has"):
        check_origins([APP, origin])
    assert check_cors() == []
    settings.CORS_ALLOWED_ORIGINS = [origin]
    assert [message.id for message in check_cors()] == ["hiremebahamas.E002"]


def test_what_is_one_is_taken() -> None:
    """With a port; and without TLS on this machine, for developers."""
    origins = [APP, f"{APP}:8443", "http://localhost:5173", "http://127.0.0.1:3000"]
    origins += ["http://[::1]:3000", "https://xn--bcher-kva.example"]
    assert check_origins(origins) == origins


@pytest.mark.parametrize(
    ("name", "value"),
    [("CORS_ALLOW_ALL_ORIGINS", True), ("CORS_ALLOWED_ORIGIN_REGEXES", [r"^https://.*"])],
)
def test_everybody_is_an_error(settings: Settings, name: str, value: object) -> None:
    """The cookie of refresh tokens is sent along, so a page of a named origin acts for the user."""
    setattr(settings, name, value)
    [message] = check_cors()
    assert (message.id, name in message.msg) == ("hiremebahamas.E002", True)


def test_middleware_is_there_for_origins_alone(settings: Settings) -> None:
    """Without them none of it is installed; with them it stands before what answers by itself."""
    none = show_settings(**PRODUCTION)
    some = show_settings(**PRODUCTION, CORS_ALLOWED_ORIGINS=f"{APP},https://www.example.com")
    assert MIDDLEWARE not in str(none["MIDDLEWARE"])
    assert "corsheaders" not in str(none["INSTALLED_APPS"])
    middleware: Any = some["MIDDLEWARE"]
    for answers_by_itself in ("hiremebahamas.https_only.https_only_middleware", SECURITY):
        assert middleware.index(MIDDLEWARE) < middleware.index(answers_by_itself)
    assert some["CORS_ALLOWED_ORIGINS"] == [APP, "https://www.example.com"]
    settings.CORS_ALLOWED_ORIGINS = [APP]
    assert [message.id for message in check_cors()] == ["hiremebahamas.E002"]


def test_checks_pass_with_an_origin() -> None:
    """Those of django-cors-headers, too; and a bad one ends the start."""
    good = {"CORS_ALLOWED_ORIGINS": APP}
    assert run("manage.py", "check", **PRODUCTION, **good).returncode == 0
    refused = run("manage.py", "check", **PRODUCTION, CORS_ALLOWED_ORIGINS="*")
    assert refused.returncode != 0
    assert "CORS_ALLOWED_ORIGINS has '*'" in refused.stderr
