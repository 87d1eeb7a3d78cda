"""Fixtures of the accounts' tests: the cast's HTTP clients, and a place for uploads."""

from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from tests.cast import client_of


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
def media(settings: Settings, tmp_path: Path) -> Path:
    """Store uploads in a directory of this test's own."""
    settings.MEDIA_ROOT = tmp_path
    return tmp_path
