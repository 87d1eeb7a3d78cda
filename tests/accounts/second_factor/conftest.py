"""Fixtures of the second factor's tests: Alice's phone."""

import pytest

from accounts.models import User
from tests.accounts.second_factor.phone import Phone, set_up_phone
from tests.clocks import Clock


@pytest.fixture
def phone(alice: User, clock: Clock) -> Phone:
    """Alice's, switched on."""
    return set_up_phone(alice, clock)
