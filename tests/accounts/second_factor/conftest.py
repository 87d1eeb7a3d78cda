"""Fixtures of the second factor's tests: a clock that stands still, and Alice's phone."""

import pytest

from accounts.models import User
from tests.accounts.second_factor.phone import Phone, set_up_phone
from tests.clocks import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let time steps go by only where a test says so."""
    clock = Clock(now=60_000_000)
    monkeypatch.setattr("accounts.second_factor.codes.current_step", lambda: int(clock()))
    return clock


@pytest.fixture
def phone(alice: User, clock: Clock) -> Phone:
    """Alice's, switched on."""
    return set_up_phone(alice, clock)
