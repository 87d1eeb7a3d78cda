"""Operators let users back in who have lost app and recovery codes."""

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import User
from accounts.second_factor.models import AuthenticatorApp, RecoveryCode
from tests.accounts.second_factor.phone import Phone
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


def test_removal(
    anybody: APIClient, alice: User, phone: Phone, capsys: pytest.CaptureFixture[str]
) -> None:
    """The password is enough again, and the user is told by mail."""
    call_command("remove_second_factor", " ALICE@example.com")
    assert f"Removed the second factor of user {alice.pk}" in capsys.readouterr().out
    body = {"email": alice.email, "password": PASSWORD}
    assert anybody.post("/auth/login", body).status_code == 200
    assert not AuthenticatorApp.objects.exists()
    assert not RecoveryCode.objects.exists()
    message = mail.outbox[-1]
    assert (message.to, message.subject) == (
        [alice.email],
        "Your account no longer has a second factor",
    )


def test_nothing_to_remove(alice: User) -> None:
    """Is said, and nobody is told of it."""
    with pytest.raises(CommandError, match="has no second factor"):
        call_command("remove_second_factor", alice.email)
    with pytest.raises(CommandError, match="no user with the email"):
        call_command("remove_second_factor", "nobody@example.com")
    assert mail.outbox == []


def test_deleted_user_leaves_nothing(alice: User, phone: Phone) -> None:
    """The rows go with the user's."""
    alice.delete()
    assert not AuthenticatorApp.objects.exists()
    assert not RecoveryCode.objects.exists()
