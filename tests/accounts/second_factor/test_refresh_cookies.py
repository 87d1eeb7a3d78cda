"""Who logs in with a second factor keeps the refresh token in a cookie, if they ask for it."""

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from tests.accounts.browser_app import ASKED, COOKIE, log_in, token_in
from tests.accounts.second_factor.phone import Phone, ask_for_challenge, finish
from tests.accounts.second_factor.security_key import DOMAIN, ORIGIN, SecurityKey
from tests.accounts.second_factor.test_passkeys import add, show

pytestmark = pytest.mark.django_db


def test_every_second_step(
    anybody: APIClient, as_alice: APIClient, alice: User, phone: Phone, settings: Settings
) -> None:
    """A code, a recovery code, a passkey; the first step alone gives none."""
    settings.AUTH_REFRESH_COOKIE_SECURE = True
    settings.AUTH_PASSKEY_ORIGINS, settings.AUTH_PASSKEY_DOMAIN = (ORIGIN,), DOMAIN
    key = SecurityKey()
    assert add(as_alice, phone, key).status_code == 201
    first = log_in(anybody, alice)
    assert first.json()["code"] == "second_factor_required"
    assert COOKIE not in first.cookies
    anybody.credentials(**ASKED)
    for code in (phone.next_code(), phone.recovery_codes[0]):
        token_in(finish(anybody, ask_for_challenge(anybody, alice), code))
    token_in(show(anybody, ask_for_challenge(anybody, alice), key))
