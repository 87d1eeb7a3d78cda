"""The security log tells what happens to a second factor."""

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from accounts.second_factor.services import remove_factors, renew_recovery_codes
from accounts.security_log.models import Event, SecurityEvent
from tests.accounts.second_factor.phone import Phone, ask_for_challenge, finish
from tests.cast import PASSWORD, PROOF

pytestmark = pytest.mark.django_db(transaction=True)


def events_of(user: User) -> list[str]:
    """Return what happened to the user, the first first."""
    events = SecurityEvent.objects.filter(user_id=user.pk).order_by("pk")
    return list(events.values_list("event", flat=True))


def test_life_of_a_factor(anybody: APIClient, alice: User, phone: Phone) -> None:
    """A wrong code outlives the rollback of its log-in; a right one is a session."""
    challenge = ask_for_challenge(anybody, alice)
    finish(anybody, challenge, "000000")
    finish(anybody, challenge, phone.next_code())
    finish(anybody, ask_for_challenge(anybody, alice), phone.recovery_codes[0])
    renew_recovery_codes(user_id=alice.pk, proof=PROOF._replace(code=phone.next_code()))
    remove_factors(user_id=alice.pk)
    assert events_of(alice) == [
        Event.FACTOR_ON,
        Event.CODE_FAILED,
        Event.SESSION_STARTED,
        Event.CODE_USED,
        Event.SESSION_STARTED,
        Event.CODES_REPLACED,
        Event.FACTOR_OFF,
    ]


def test_wrong_code_on_the_admin_site(alice: User, phone: Phone) -> None:
    """It is told from a wrong password."""
    User.objects.filter(pk=alice.pk).update(is_admin=True)
    login = {"username": alice.email, "password": PASSWORD, "code": "000000"}
    Client().post("/admin/login/", login)
    Client().post("/admin/login/", login | {"code": phone.next_code()})
    assert events_of(alice) == [Event.FACTOR_ON, Event.CODE_FAILED, Event.ADMIN_LOGIN]
