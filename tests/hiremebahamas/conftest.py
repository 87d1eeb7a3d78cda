"""Fixtures of the project's tests."""

import pytest

from accounts.models import User
from tests.cast import Cast


@pytest.fixture
def dora() -> User:
    """Dora, the admin."""
    return Cast().make("dora", is_admin=True, is_superuser=True)
