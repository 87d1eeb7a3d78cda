"""With AUTH_REGISTRATION_BY_MAIL nobody learns who has an account: not by words, work or time."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import LoginSession, User
from accounts.registrations import checks
from accounts.registrations.models import PendingRegistration
from accounts.registrations.services import finish_registration
from tests.accounts.views.test_login import work  # noqa: F401  # a fixture
from tests.accounts.views.test_recovery import sent, token_of_last
from tests.cast import PASSWORD
from tests.concurrency import run_together

pytestmark = pytest.mark.django_db(transaction=True)

FREE = "zoe@example.com"
NAMES = {"first_name": "Zoe", "last_name": "Knowles"}
CONFIRM = (FREE, "Confirm your new account")


@pytest.fixture(autouse=True)
def _by_mail(settings: Settings) -> None:
    settings.AUTH_REGISTRATION_BY_MAIL = True


def register(client: APIClient, email: str = FREE, **fields: Any) -> tuple[int, Any]:
    response = client.post(
        "/auth/register", NAMES | {"email": email, "password": PASSWORD} | fields
    )
    return response.status_code, response.json()


def confirm(client: APIClient, token: str, password: str | None = PASSWORD) -> int:
    body = {"token": token, "password": password}
    return client.post("/auth/confirm-email", body).status_code


def log_in(client: APIClient, email: str = FREE, password: str = PASSWORD) -> int:
    return client.post("/auth/login", {"email": email, "password": password}).status_code


def test_account_is_made_by_its_token(anybody: APIClient) -> None:
    """Not before; then it is verified, has all that was given, and log-in takes the password."""
    status, answer = register(anybody, "Zoe@Example.com", username="zoe", phone="242-555-1234")
    assert (status, set(answer)) == (202, {"detail"})
    assert sent() == [CONFIRM]
    assert (User.objects.count(), LoginSession.objects.count()) == (0, 0)
    assert log_in(anybody) == 401
    token = token_of_last()
    assert confirm(anybody, token) == 200
    zoe = User.objects.get(email=FREE)
    assert (zoe.username, zoe.phone, zoe.last_name) == ("zoe", "+12425551234", "Knowles")
    assert zoe.is_email_verified
    assert (zoe.is_admin, zoe.is_superuser) == (False, False)
    assert log_in(anybody) == 200
    assert confirm(anybody, token) == 400
    assert not PendingRegistration.objects.exists()


def test_owner_of_the_address_is_told(anybody: APIClient, alice: User, charlie: User) -> None:
    """Also of a closed account; nothing of theirs changes, and nothing is left behind."""
    before = list(User.objects.order_by("pk").values())
    free = register(anybody)
    mail.outbox.clear()
    assert register(anybody, " ALICE@example.com") == free
    assert register(anybody, charlie.email) == free
    told = "You have an account already"
    assert sent() == [(alice.email, told), (charlie.email, told)]
    assert list(User.objects.order_by("pk").values()) == before
    assert [pending.email for pending in PendingRegistration.objects.all()] == [FREE]


def test_taken_phone_tells_nothing(anybody: APIClient, alice: User) -> None:
    """The answer is the same, and the new account is made without it."""
    assert register(anybody, phone="555-0101") == register(anybody, phone="555-0199")
    assert sent() == [CONFIRM, CONFIRM]
    [first, second] = [message.body.split("\n\n")[1] for message in mail.outbox]
    assert confirm(anybody, first) == 200
    assert User.objects.get(email=FREE).phone is None
    assert confirm(anybody, second) == 400


def test_usernames_are_public(anybody: APIClient, alice: User) -> None:
    """A taken and a reserved one are a 400, whether or not the address is taken."""
    for username in ("Alice", "admin"):
        answers = [register(anybody, email, username=username) for email in (FREE, alice.email)]
        assert answers[0] == answers[1]
        assert (answers[0][0], set(answers[0][1])) == (400, {"username"})
    assert mail.outbox == []


def test_work_is_the_same(
    anybody: APIClient,
    alice: User,
    charlie: User,
    work: Counter[str],  # noqa: F811  # the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One hash and the same statements before the answer; who it is for is looked up after it."""
    tasks = list[Callable[[], object]]()
    monkeypatch.setattr("accounts.mail.mailer.MAILER.submit", tasks.append)
    seen = []
    for email in (FREE, alice.email, charlie.email):
        work.clear()
        with CaptureQueriesContext(connection) as queries:
            answer = register(anybody, email)
        statements = [query["sql"].split(" VALUES ")[0] for query in queries]
        assert not any('FROM "users"' in statement for statement in statements)
        seen.append((answer, work["argon2"], statements, len(tasks)))
        tasks.clear()
    assert seen[0][1] == 1
    assert seen == [seen[0]] * 3


def test_log_in_tells_nothing_either(anybody: APIClient, alice: User) -> None:
    """Who registers with another's address can't log in to what they asked for."""
    for email in (FREE, alice.email):
        assert register(anybody, email, password="Sea-Grape-1492")[0] == 202
        assert log_in(anybody, email, "Sea-Grape-1492") == 401
    reset = anybody.post("/auth/reset-password", {"email": FREE})
    assert reset.status_code == 202
    assert len(mail.outbox) == 2  # one each, and none for a reset


@pytest.mark.parametrize("password", [None, "", "Sea-Grape-1493", "!unusable"])
def test_owner_of_the_address_makes_no_account_of_others(
    anybody: APIClient, password: str | None
) -> None:
    """Who follows the link of what another has asked for doesn't know the password."""
    register(anybody, password="Sea-Grape-1492")
    token = token_of_last()
    answer = anybody.post("/auth/confirm-email", {"token": token, "password": password})
    assert (answer.status_code, set(answer.json())) == (400, {"password"})
    assert anybody.post("/auth/confirm-email", {"token": token}).status_code == 400
    assert not User.objects.exists()
    assert confirm(anybody, token, "Sea-Grape-1492") == 200


def test_first_confirmation_counts(anybody: APIClient) -> None:
    """Of two registrations of an address, the other's token is dead: also at the same moment."""
    passwords = [f"Sea-Grape-{number}-1492" for number in range(2)]
    for password in passwords:
        register(anybody, password=password)
    tokens = [message.body.split("\n\n")[1] for message in mail.outbox]
    results = run_together(
        [
            partial(finish_registration, token=token, password=password)
            for token, password in zip(tokens, passwords, strict=True)
        ]
    )
    assert results.count(None) == 1
    assert sum(isinstance(result, ValidationError) for result in results) == 1
    assert User.objects.count() == 1


def test_account_made_in_another_way_stays(anybody: APIClient) -> None:
    """By an admin, say, before the token came back: it isn't replaced, nor its password."""
    register(anybody)
    User.objects.create_user(FREE, "Sea-Grape-1492")
    assert confirm(anybody, token_of_last()) == 400
    assert User.objects.get().check_password("Sea-Grape-1492")


def test_bad_tokens_do_nothing(anybody: APIClient) -> None:
    """Made up, cut, the row's hash, or too old: a 400 in the same words; the sweep deletes it."""
    register(anybody)
    pending = PendingRegistration.objects.get()
    token = token_of_last()
    bad = ["new-", "new-x", token[:-1], f"new-{pending.token_hash}", pending.token_hash]
    assert token not in str(vars(pending))
    assert PASSWORD not in str(vars(pending))
    call_command("sweep_sessions")
    PendingRegistration.objects.update(expires_at=timezone.now())
    for each in (*bad, token):
        answer = anybody.post("/auth/confirm-email", {"token": each})
        assert (answer.status_code, set(answer.json())) == (400, {"token"}), each
    assert not User.objects.exists()
    call_command("sweep_sessions")
    assert not PendingRegistration.objects.exists()


def test_mailbox_cannot_be_filled(anybody: APIClient, alice: User, settings: Settings) -> None:
    """A registration counts as a message to its address, taken or not."""
    settings.AUTH_LIMITS = settings.AUTH_LIMITS | {"mail": {"account": (2, 3600)}}
    for email in (FREE, alice.email):
        assert [register(anybody, email)[0] for _ in range(3)] == [202, 202, 429]


@pytest.mark.parametrize("value", [None, "True", 1])
def test_bad_setting_is_an_error(settings: Settings, value: object) -> None:
    """Neither on nor off; or on, and no mail is sent."""
    assert checks.check_mail_is_sent() == []
    settings.AUTH_REGISTRATION_BY_MAIL = value
    assert [message.id for message in checks.check_mail_is_sent()] == ["registrations.E001"]
    settings.AUTH_REGISTRATION_BY_MAIL = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert [message.id for message in checks.check_mail_is_sent()] == ["registrations.E001"]
    settings.AUTH_REGISTRATION_BY_MAIL = False
    assert checks.check_mail_is_sent() == []
