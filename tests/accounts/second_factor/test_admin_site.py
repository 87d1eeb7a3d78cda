"""The admin site's log-in asks for the second factor, too, and its sessions are short."""

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from tests.accounts.second_factor.phone import Phone, set_up_phone
from tests.cast import PASSWORD
from tests.clocks import Clock

pytestmark = pytest.mark.django_db(transaction=True)

LOGIN = "/admin/login/?next=/admin/"
EIGHT_HOURS = 8 * 60 * 60


def log_in(user: User, code: str = "", password: str = PASSWORD) -> tuple[int, str]:
    """Return status and text of the answer to a log-in from a new browser."""
    browser = Client()
    form = {"username": user.email, "password": password, "code": code}
    response = browser.post(LOGIN, form)
    is_in = browser.get("/admin/").status_code == 200
    assert is_in is (response.status_code == 302)
    return response.status_code, response.content.decode()


@pytest.fixture
def phone(dora: User, clock: Clock) -> Phone:
    """Dora's."""
    return set_up_phone(dora, clock)


def test_the_page_asks_for_a_code() -> None:
    """In a field that phones and browsers fill in."""
    text = Client().get("/admin/login/").content.decode()
    assert 'name="code"' in text
    assert 'autocomplete="one-time-code"' in text
    assert 'name="next" value="/admin/"' in text


def test_without_a_factor_the_password_is_enough(dora: User) -> None:
    """Unless the settings say otherwise."""
    assert log_in(dora)[0] == 302


def test_password_alone_is_not_enough(dora: User, phone: Phone) -> None:
    """Nor with a wrong code, nor a code with a wrong password."""
    status, text = log_in(dora)
    assert status == 200
    assert "Enter a code of your authenticator app" in text
    status, text = log_in(dora, phone.code(-5))
    assert status == 200
    assert "This code is wrong" in text
    assert log_in(dora, phone.next_code(), password="wrong")[0] == 200


def test_code_or_recovery_code(dora: User, phone: Phone) -> None:
    """Each once."""
    code = phone.next_code()
    assert [log_in(dora, code)[0] for _ in range(2)] == [302, 200]
    assert [log_in(dora, phone.recovery_codes[0])[0] for _ in range(2)] == [302, 200]


def test_required_of_staff(dora: User, clock: Clock, settings: Settings) -> None:
    """The page says where to set it up; with one, the log-in is as ever."""
    settings.AUTH_SECOND_FACTOR_FOR_STAFF = True
    status, text = log_in(dora, "123456")
    assert status == 200
    assert "This account needs a second factor" in text
    phone = set_up_phone(dora, clock)
    assert log_in(dora, phone.next_code())[0] == 302


def test_others_are_told_nothing(alice: User, clock: Clock) -> None:
    """Somebody who isn't staff learns neither that the password was right nor of a factor."""
    phone = set_up_phone(alice, clock)
    code = phone.next_code()
    texts = [log_in(alice, code)[1], log_in(alice, code, password="wrong")[1]]
    for text in texts:
        assert "Please enter the correct email and password for a staff account" in text


def test_guesses_count_with_those_of_the_api(dora: User, phone: Phone, settings: Settings) -> None:
    """And beyond the limit a good code is refused, too."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"factor": {"account": (2, 3600)}}
    assert [log_in(dora, "0")[0] for _ in range(2)] == [200, 200]
    assert log_in(dora, phone.next_code())[0] == 429


def test_sessions_are_short(dora: User) -> None:
    """They end eight hours after the log-in, whatever is done in them."""
    browser = Client()
    browser.post(LOGIN, {"username": dora.email, "password": PASSWORD})
    session = Session.objects.get()
    assert 0 < (session.expire_date - timezone.now()).total_seconds() <= EIGHT_HOURS
    browser.get("/admin/")
    assert Session.objects.get().expire_date == session.expire_date
