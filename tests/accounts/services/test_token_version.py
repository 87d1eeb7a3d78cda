"""The token_version goes up when, and only when, every older token has to die."""

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from accounts.models import LoginSession, User
from accounts.services.administration import (
    activate_user,
    deactivate_user,
    revoke_tokens,
    set_password,
)
from accounts.services.sessions import start_session
from tests.cast import NEW_PASSWORD, PASSWORD

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("update_fields", [None, ["password"], ["password", "bio"]])
def test_new_password_raises_it(alice: User, update_fields: list[str] | None) -> None:
    """Saving a new password does, by whatever path."""
    alice.set_password(NEW_PASSWORD)
    alice.save(update_fields=update_fields)
    assert alice.token_version == 2
    alice.refresh_from_db()
    assert alice.token_version == 2


def test_stale_instance_cannot_take_a_revocation_back(alice: User) -> None:
    """A password saved from an instance that missed a revocation counts on from the row."""
    revoke_tokens(user_id=alice.pk)
    assert alice.token_version == 1
    alice.set_password(NEW_PASSWORD)
    alice.save()
    alice.refresh_from_db()
    assert alice.token_version == 3


def test_other_changes_leave_it(alice: User) -> None:
    """A profile change doesn't log anybody out, nor does a password that isn't saved."""
    alice.bio = "Cooks."
    alice.save()
    alice.set_password(NEW_PASSWORD)
    alice.save(update_fields=["bio"])
    alice.refresh_from_db()
    assert alice.token_version == 1


@pytest.fixture
def weak_alice(alice: User) -> User:
    """Alice, whose password was hashed long ago."""
    alice.password = PBKDF2PasswordHasher().encode(PASSWORD, "salt" * 6, iterations=1)
    alice.save()
    return alice


def test_hash_upgrade_at_login_leaves_it(weak_alice: User) -> None:
    """A password hashed again with stronger parameters is the same password."""
    assert not weak_alice.check_password(NEW_PASSWORD)
    assert weak_alice.check_password(PASSWORD)
    weak_alice.refresh_from_db()
    assert weak_alice.password.startswith("argon2$")
    assert weak_alice.token_version == 1


def test_hash_upgrade_takes_no_new_password_back(weak_alice: User) -> None:
    """A login with the old password, begun before it was changed, doesn't store it again."""
    set_password(user_id=weak_alice.pk, new_password=NEW_PASSWORD)
    assert weak_alice.check_password(PASSWORD)
    weak_alice.refresh_from_db()
    assert weak_alice.check_password(NEW_PASSWORD)


def test_lockouts_raise_it_and_end_the_sessions(alice: User, bob: User) -> None:
    """Deactivation, revocation and a new password do; letting in again doesn't."""
    for version, act in enumerate((deactivate_user, revoke_tokens), start=2):
        LoginSession.objects.all().delete()
        start_session(user=User(pk=alice.pk, token_version=alice.token_version))
        start_session(user=bob)
        assert act(user_id=alice.pk).token_version == version
        assert [session.user for session in LoginSession.objects.all()] == [bob]
    assert activate_user(user_id=alice.pk).token_version == 3
    assert set_password(user_id=alice.pk, new_password=NEW_PASSWORD).token_version == 4


def test_inactive_users_get_no_session(charlie: User) -> None:
    """Asking for one is a programmer's mistake, not a login."""
    with pytest.raises(ValueError, match="not active"):
        start_session(user=charlie)


def test_admin_site_sessions_end_with_it(alice: User) -> None:
    """The session hash of Django's own login depends on the version."""
    before = alice.get_session_auth_hash()
    assert revoke_tokens(user_id=alice.pk).get_session_auth_hash() != before
