"""No answer may be stored by browsers and proxies, whatever its path, status and method."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import SlugConverter, UUIDConverter
from django.urls.resolvers import RoutePattern
from rest_framework.test import APIClient

from accounts.models import User
from hiremebahamas.no_store import no_store_middleware
from tests.accounts.endpoints import ENDPOINTS, KEY_ID, SESSION_ID
from tests.cast import client_of

VALUES: dict[type, str] = {UUIDConverter: SESSION_ID, SlugConverter: KEY_ID}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def list_paths(patterns: Iterable[Any], start: str = "/") -> Iterator[str]:
    """Yield a path for each route of the project, with 1, a key or a UUID for every parameter."""
    for entry in patterns:
        pattern = entry.pattern
        path = start
        if isinstance(pattern, RoutePattern):
            route = str(pattern)
            path += route
            for name, converter in pattern.converters.items():
                value = VALUES.get(type(converter), "1")
                path = path.replace(_parameter(route, name), value)
        if isinstance(entry, URLResolver):
            yield from list_paths(entry.url_patterns, path)
        elif isinstance(entry, URLPattern):
            yield path


def _parameter(route: str, name: str) -> str:
    start = route[: route.index(f"{name}>")].rindex("<")
    return route[start : route.index(">", start) + 1]


PUBLIC_PATHS = {"/.well-known/jwks.json"}
PATHS = sorted(set(list_paths(get_resolver().url_patterns)) - PUBLIC_PATHS)


def test_all_routes_are_walked() -> None:
    """Those of the API, the admin site, and usercache."""
    assert {endpoint.path for endpoint in ENDPOINTS} <= set(PATHS)
    assert {"/admin/", "/admin/accounts/user/1/change/", "/metrics", "/health/cache"} <= set(PATHS)


@pytest.mark.django_db
@pytest.mark.parametrize("path", [*PATHS, "/nope", "/admin/nope"])
def test_no_answer_is_stored(path: str, alice: User, dora: User) -> None:
    """For nobody, a user, an admin, and staff in a browser."""
    browser = Client(raise_request_exception=False)
    browser.force_login(dora)
    for client in (APIClient(), client_of(alice), client_of(dora), browser):
        client.raise_request_exception = False
        for method in METHODS:
            response = client.generic(method, path, "", "application/json")
            stored = response.headers.get("Cache-Control", "")
            assert "no-store" in stored.split(", "), (method, response.status_code)


def test_requests_that_django_refuses_are_not_stored() -> None:
    """Before any view."""
    response = Client().get("/auth/verify", headers={"host": "evil.example"})
    assert response.headers["Cache-Control"] == "no-store"
    assert settings.MIDDLEWARE[0].endswith("no_store_middleware")


def test_a_view_may_say_otherwise() -> None:
    """As WhiteNoise does of static files."""

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"Cache-Control": "public"})

    answer = no_store_middleware(view)(HttpRequest())
    assert answer.headers["Cache-Control"] == "public"
