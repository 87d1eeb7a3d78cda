"""Fixtures of the accounts' tests: the cast's HTTP clients, a clock, and a place for uploads."""

from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from tests.cast import Cast, client_of
from tests.clocks import Clock


@pytest.fixture
def anybody() -> APIClient:
    """Somebody without a token."""
    return APIClient()


@pytest.fixture
def as_alice(alice: User) -> APIClient:
    """Alice, logged in."""
    return client_of(alice)


@pytest.fixture
def as_dora(dora: User) -> APIClient:
    """Dora, logged in."""
    return client_of(dora)


@pytest.fixture
def admin(dora: User) -> Client:
    """Dora's browser."""
    client = Client()
    client.force_login(dora)
    return client


@pytest.fixture
def eve(cast: Cast) -> User:
    """Eve, who is staff and may view, add, change and delete users and groups; no superuser."""
    eve = cast.make("eve", is_admin=True)
    models = ("user", "group")
    eve.user_permissions.set(Permission.objects.filter(content_type__model__in=models))
    return eve


@pytest.fixture
def helper(eve: User) -> Client:
    """Eve's browser."""
    client = Client()
    client.force_login(eve)
    return client


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    """Store uploads in a directory of this test's own."""
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let time steps go by only where a test says so."""
    clock = Clock(now=60_000_000)
    monkeypatch.setattr("accounts.second_factor.codes.current_step", lambda: int(clock()))
    return clock
