"""The page at the root, for people who come without a path."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from pytest_django import Settings

from hiremebahamas.content_security import HEADER, STRICT_POLICY
from tests.hiremebahamas.test_api_docs import UNHASHED

pytestmark = pytest.mark.django_db

LINKS = re.compile(r'href="([^"]+)"')


def test_it_leads_to_everything(settings: Settings) -> None:
    """Each of its links and files is there; nothing is inline, and the strict policy stands."""
    settings.STORAGES = settings.STORAGES | {"staticfiles": UNHASHED}
    response = Client().get("/")
    assert response.status_code == 200
    assert response.headers[HEADER] == STRICT_POLICY
    text = response.content.decode()
    assert not re.search(r"<style| style=|<script", text)
    links = LINKS.findall(text)
    assert {"/api/docs", "/api/redoc", "/api/schema", "/admin/", "/health/ready"} < set(links)
    for link in links:
        if link.startswith("/static/"):
            assert finders.find(link.removeprefix("/static/")), link
        else:
            assert Client().get(link).status_code in (200, 302), link


def test_it_is_to_be_read_only() -> None:
    """Another method is a 405 in JSON, without a CSRF token, too."""
    response = Client(enforce_csrf_checks=True).post("/")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
