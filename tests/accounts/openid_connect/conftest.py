"""Fixtures of the providers' tests: a provider that we know, and a browser that goes there."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from accounts.openid_connect.documents import DOCUMENTS
from tests.accounts.openid_connect.browser import Browser
from tests.accounts.openid_connect.provider import Provider, describe_to_us
from tests.accounts.second_factor.phone import Phone, set_up_phone
from tests.clocks import Clock


@pytest.fixture(scope="session")
def running_provider() -> Iterator[Provider]:
    """Start it once."""
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider(running_provider: Provider, settings: Settings) -> Iterator[Provider]:
    """Know the provider as `conch`, and nothing yet of what it publishes."""
    settings.AUTH_OPENID_PROVIDERS = describe_to_us(running_provider.issuer)
    settings.AUTH_OPENID_LOOPBACK = True
    settings.AUTH_OPENID_TIMEOUT_SECONDS = 10.0  # the machine may be busy
    running_provider.reset()
    DOCUMENTS.clear()
    yield running_provider
    running_provider.released.set()
    DOCUMENTS.clear()


@pytest.fixture
def browser(provider: Provider) -> Browser:
    """Somebody who isn't logged in."""
    return Browser(APIClient(), provider)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let a phone's time steps go by only where a test says so."""
    clock = Clock(now=60_000_000)
    monkeypatch.setattr("accounts.second_factor.codes.current_step", lambda: int(clock()))
    return clock


@pytest.fixture
def phone(alice: User, clock: Clock) -> Phone:
    """Alice's, switched on."""
    return set_up_phone(alice, clock)
