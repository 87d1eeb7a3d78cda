"""The schema and its two pages: what is served, and from where."""

import re
from typing import Any

import pytest
import yaml
from django.contrib.staticfiles import finders
from django.test import Client
from pytest_django import Settings

from tests.openapi import make_schema

PAGES = ("/api/docs", "/api/redoc")
UNHASHED = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
ATTRIBUTES = re.compile(r'<(\w+)[^>]*? (?:src|href|data-schema)="([^"]+)"')


def get(path: str, accept: str = "*/*") -> Any:
    return Client(enforce_csrf_checks=True).get(path, headers={"accept": accept})


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, */*;q=0.8"])
def test_the_schema_is_served_in_json(accept: str) -> None:
    """To everybody, a browser among them."""
    response = get("/api/schema", accept)
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == make_schema()


def test_the_schema_is_served_in_yaml() -> None:
    """To those who ask for it, and it is the same."""
    response = get("/api/schema", "application/yaml")
    assert response.headers["Content-Type"] == "application/yaml"
    assert yaml.safe_load(response.content) == make_schema()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_made_of_our_own_files(settings: Settings, path: str) -> None:
    """Each of which is there; nothing is inline, so that the policy need not allow it."""
    settings.STORAGES = settings.STORAGES | {"staticfiles": UNHASHED}
    response = get(path)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    text = response.content.decode()
    assert not re.search(r"<style| style=|<script>|<script[^>]*>[^<]| on\w+=", text)
    references = dict(reversed(pair) for pair in ATTRIBUTES.findall(text))
    assert references.pop("/api/schema") == "div"
    assert set(references.values()) == {"link", "script"}
    for url in references:
        assert url.startswith("/static/")
        assert finders.find(url.removeprefix("/static/")), url


@pytest.mark.parametrize("path", [*PAGES, "/api/schema"])
def test_another_method_is_a_405_in_json(path: str) -> None:
    """With those that would do; also for a POST without a CSRF token."""
    response = Client(enforce_csrf_checks=True).post(path)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in response.headers["Allow"]


def test_another_format_is_a_406_in_json() -> None:
    """The schema comes in no other."""
    response = get("/api/schema", "text/html")
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
