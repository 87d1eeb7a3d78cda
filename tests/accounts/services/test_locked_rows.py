"""What changes an account looks at the row as it is when the change is made, not as it was."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpRequest

from accounts.errors import AccountGone, InvalidCredentials
from accounts.leaving.closing import close_account, erase_account
from accounts.models import LoginSession, User
from accounts.services import account
from accounts.services.administration import (
    activate_user,
    deactivate_user,
    revoke_tokens,
    set_password,
)
from tests.cast import NEW_PASSWORD, PASSWORD, PROOF
from tests.concurrency import WAIT_SECONDS, run_together, wait_for_lock_waiters

pytestmark = pytest.mark.django_db

PIXEL = b"not looked at here"
INTENTS: dict[str, Callable[[int], object]] = {
    "profile": lambda pk: account.update_profile(user_id=pk, changes={"bio": "x"}),
    "no change": lambda pk: account.update_profile(user_id=pk, changes={}),
    "avatar": lambda pk: account.set_avatar(user_id=pk, content=PIXEL),
    "password": lambda pk: account.change_password(
        user_id=pk, proof=PROOF, new_password=NEW_PASSWORD
    ),
    "closing": lambda pk: close_account(user_id=pk, proof=PROOF),
    "erasure": lambda pk: erase_account(user_id=pk, proof=PROOF),
}


def meanwhile(act: Callable[[], object], then: Callable[[], object]) -> Any:
    """Return what comes of `then`, begun while `act` isn't committed yet and waiting for it."""
    is_done = threading.Event()

    def hold() -> None:
        with transaction.atomic():
            act()
            is_done.set()
            wait_for_lock_waiters(1)

    def go() -> object:
        assert is_done.wait(WAIT_SECONDS)
        return then()

    held, result = run_together([hold, go])
    assert held is None
    return result


@pytest.mark.usefixtures("media")
@pytest.mark.parametrize("name", INTENTS)
def test_inactive_account_is_left_alone(charlie: User, name: str) -> None:
    """It is gone to its owner, and its row stays as it is."""
    before = User.objects.values().get(pk=charlie.pk)
    with pytest.raises(AccountGone):
        INTENTS[name](charlie.pk)
    assert User.objects.values().get(pk=charlie.pk) == before
    assert not LoginSession.objects.exists()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("media")
@pytest.mark.parametrize("name", INTENTS)
def test_deactivation_under_way_wins(alice: User, name: str) -> None:
    """What the owner does while the account is being closed waits for it, and is refused."""
    result = meanwhile(lambda: deactivate_user(user_id=alice.pk), lambda: INTENTS[name](alice.pk))
    assert isinstance(result, AccountGone)
    alice.refresh_from_db()
    assert (alice.bio, alice.avatar_url, alice.is_active) == ("", "", False)
    assert alice.token_version == 2


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_revocation_under_way_ends_a_login(alice: User) -> None:
    """The password was right a moment ago, and the session would outlive the revocation."""
    result = meanwhile(
        lambda: revoke_tokens(user_id=alice.pk),
        lambda: account.log_in(request=HttpRequest(), email=alice.email, password=PASSWORD),
    )
    assert isinstance(result, InvalidCredentials)
    assert not LoginSession.objects.exists()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("act", "version"),
    [
        (deactivate_user, 3),
        (revoke_tokens, 3),
        (lambda user_id: set_password(user_id=user_id, new_password=NEW_PASSWORD), 3),
        (activate_user, 2),
    ],
    ids=["deactivate", "revoke", "password", "activate"],
)
def test_versions_are_counted_one_by_one(
    alice: User, act: Callable[..., User], version: int
) -> None:
    """Two at once end two generations of tokens, and neither takes back what the other did."""
    result = meanwhile(lambda: revoke_tokens(user_id=alice.pk), lambda: act(user_id=alice.pk))
    assert isinstance(result, User)
    assert result.token_version == version
    alice.refresh_from_db()
    assert (alice.token_version, alice.is_active) == (version, act is not deactivate_user)


@pytest.mark.parametrize("act", [activate_user, deactivate_user, revoke_tokens])
def test_row_says_when(alice: User, act: Callable[..., User]) -> None:
    """A page that was opened before is refused by it, so every act moves it; and nothing else."""
    User.objects.filter(pk=alice.pk).update(bio="Newer.")
    before = alice.updated_at
    act(user_id=alice.pk)
    alice.refresh_from_db()
    assert alice.updated_at > before
    assert alice.bio == "Newer."


@pytest.mark.parametrize("act", [activate_user, deactivate_user, revoke_tokens])
def test_nobody_is_nobody(alice: User, act: Callable[..., User]) -> None:
    """Who isn't there can't be locked out, and nobody else is."""
    with pytest.raises(User.DoesNotExist):
        act(user_id=alice.pk + 1)
    alice.refresh_from_db()
    assert (alice.is_active, alice.token_version) == (True, 1)


def test_only_what_changes_is_written(alice: User) -> None:
    """An edit of a profile without a change leaves the row, and another's change, as they are."""
    before = User.objects.values().get(pk=alice.pk)
    account.update_profile(user_id=alice.pk, changes={"bio": "", "phone": alice.phone})
    assert User.objects.values().get(pk=alice.pk) == before
