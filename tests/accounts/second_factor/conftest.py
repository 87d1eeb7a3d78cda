"""Fixtures of the second factor's tests: Alice's phone."""

import pytest
from pytest_django import Settings

from accounts.models import User
from tests.accounts.second_factor.phone import Phone, set_up_phone
from tests.accounts.second_factor.security_key import DOMAIN, ORIGIN
from tests.clocks import Clock


@pytest.fixture
def phone(alice: User, clock: Clock) -> Phone:
    """Alice's, switched on."""
    return set_up_phone(alice, clock)


@pytest.fixture
def at_testserver(settings: Settings) -> None:
    """Log in on the pages of one origin."""
    settings.AUTH_PASSKEY_ORIGINS, settings.AUTH_PASSKEY_DOMAIN = (ORIGIN,), DOMAIN
