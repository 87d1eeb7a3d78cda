"""The app's settings are checked at start."""

import pytest
from pytest_django import Settings

from accounts.checks import check_refresh_grace


@pytest.mark.parametrize("grace", [0, 5, 5.0, 60])
def test_possible_grace(settings: Settings, grace: float) -> None:
    """From none to a minute."""
    settings.AUTH_REFRESH_GRACE_SECONDS = grace
    assert check_refresh_grace() == []


@pytest.mark.parametrize("grace", [-1, 61, float("nan"), float("inf"), "5", None, True])
def test_impossible_grace(settings: Settings, grace: object) -> None:
    """What would let a stolen token live, or end every session, is said by id."""
    settings.AUTH_REFRESH_GRACE_SECONDS = grace
    assert [message.id for message in check_refresh_grace()] == ["accounts.E001"]
