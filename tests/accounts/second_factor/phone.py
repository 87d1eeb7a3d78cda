"""What a user holds in their hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyotp
from rest_framework.test import APIClient

from accounts.models import User
from accounts.second_factor.challenges import make_challenge
from accounts.second_factor.services import begin_set_up_at_login, confirm_set_up
from tests.cast import PASSWORD
from tests.clocks import Clock


@dataclass
class Phone:
    """An authenticator app, and the recovery codes that were noted down."""

    secret: str
    clock: Clock
    recovery_codes: Sequence[str] = field(default_factory=list)

    def code(self, ahead: int = 0) -> str:
        """Return the code that it shows; by a clock that is so many steps ahead of ours."""
        return pyotp.TOTP(self.secret).generate_otp(int(self.clock()) + ahead)

    def next_code(self) -> str:
        """Wait for the next step, and return its code."""
        self.clock.now += 1
        return self.code()


def set_up_phone(user: User, clock: Clock) -> Phone:
    """Switch a second factor on."""
    # As at a log-in that must have one: without a password to hash.
    set_up = begin_set_up_at_login(challenge=make_challenge(User.objects.get(pk=user.pk), None))
    phone = Phone(set_up.secret, clock)
    phone.recovery_codes = confirm_set_up(user_id=user.pk, code=phone.code())
    return phone


def ask_for_challenge(client: APIClient, user: User) -> str:
    """Return what the right password is answered with."""
    response = client.post("/auth/login", {"email": user.email, "password": PASSWORD})
    assert response.status_code == 401, response.content
    challenge: str = response.json()["challenge"]
    return challenge


def finish(client: APIClient, challenge: str, code: str) -> Any:
    """Return the answer to the second step."""
    return client.post("/auth/login/second-factor", {"challenge": challenge, "code": code})
