"""The app's settings are checked at start."""

import pytest
from pytest_django import Settings

from accounts.checks import (
    check_limits,
    check_mail,
    check_mail_is_sent,
    check_proxies,
    check_refresh_grace,
    check_session_lifetimes,
)


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


@pytest.mark.parametrize(
    "rate", [(0, 60), (5, 0), (5,), 5, "5/60", (5, 60, 7), (True, 60), (1.5, 60), None]
)
def test_impossible_limit(settings: Settings, rate: object) -> None:
    """Is said by its name: it would let everybody in, or be an error of each request."""
    assert check_limits() == []
    settings.AUTH_LIMITS = {"login": {"address": rate}}
    [message] = check_limits()
    assert message.id == "accounts.E003"
    assert "login_address" in message.msg


def test_unknown_scope(settings: Settings) -> None:
    """A misspelt one would never be counted."""
    settings.AUTH_LIMITS = {"login": {"adress": (5, 60)}}
    assert [message.id for message in check_limits()] == ["accounts.E003"]


@pytest.mark.parametrize("number", [0, -1, None, "2", True])
def test_impossible_number_of_slow_requests(settings: Settings, number: object) -> None:
    """None at all, or no number."""
    settings.AUTH_SLOW_REQUESTS_MAX = number
    assert [message.id for message in check_limits()] == ["accounts.E005"]


@pytest.mark.parametrize("proxies", [-1, None, "1", True])
def test_impossible_number_of_proxies(settings: Settings, proxies: object) -> None:
    """None would mean to believe every client."""
    assert check_proxies() == []
    settings.NUM_PROXIES = proxies
    assert [message.id for message in check_proxies()] == ["accounts.E004"]


def test_proxy_that_is_not_counted(settings: Settings) -> None:
    """Where one ends TLS, there is one at least: else all clients would share its address."""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert [message.id for message in check_proxies()] == ["accounts.E004"]
    settings.NUM_PROXIES = 1
    assert check_proxies() == []


@pytest.mark.parametrize(
    ("idle", "longest"),
    [(0, 10_000), (899, 10_000), (1000, 999), ("1000", 10_000), (1000, None), (1000.5, 10_000)],
)
def test_impossible_lifetimes(settings: Settings, idle: object, longest: object) -> None:
    """A session that its own access tokens would outlive, or that ends before it may."""
    assert check_session_lifetimes() == []
    settings.AUTH_SESSION_IDLE_SECONDS = idle
    settings.AUTH_SESSION_LONGEST_SECONDS = longest
    assert [message.id for message in check_session_lifetimes()] == ["accounts.E006"]


@pytest.mark.parametrize("url", ["www.example.com/{token}", "https://www.example.com/", 5])
def test_link_without_its_token(settings: Settings, url: object) -> None:
    """Would lead nowhere."""
    assert check_mail() == []
    settings.AUTH_CONFIRM_EMAIL_URL = url
    assert [message.id for message in check_mail()] == ["accounts.E007"]


def test_deployment_without_mail(settings: Settings) -> None:
    """Is warned of: a forgotten password would be the end of an account."""
    assert check_mail_is_sent() == []
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert [message.id for message in check_mail_is_sent()] == ["accounts.W001"]
