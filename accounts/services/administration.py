"""What admins do to any account: deactivate, activate, set a new password.

Each is one transaction, and loads the row itself: what the caller holds may be old.
"""

from django.db import transaction
from django.utils import timezone

from accounts.mail.notices import PASSWORD_CHANGED, notify
from accounts.models import User
from accounts.pictures.discarded import discard_picture
from accounts.security_log.models import Event
from accounts.security_log.recording import record
from accounts.services.sessions import end_all_sessions


def set_password(*, user_id: int, new_password: str) -> User:
    """Set a new password, end every token made before, and tell the user by mail.

    Raises: User.DoesNotExist.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user_id)
        user.set_password(new_password)
        user.save(update_fields=["password"])  # and what goes with it: see User.save()
        end_all_sessions(user=user)
        notify(user.email, PASSWORD_CHANGED)
        return user


def deactivate_user(*, user_id: int, is_by_owner: bool = False) -> User:
    """Deactivate a user: no log-in, every token is revoked, and the picture is deleted.

    An account that its owner closes can be opened again, and is erased after a while; see
    Note [Leaving]. One that an admin deactivates, closed or not, is left as it is.

    Raises: User.DoesNotExist.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user_id)
        user.is_active = False
        user.closed_at = timezone.now() if is_by_owner else None
        user.token_version += 1
        discard_picture(user)
        user.save(
            update_fields=["is_active", "closed_at", "token_version", "avatar_url", "updated_at"]
        )
        end_all_sessions(user=user)
        record(Event.ACCOUNT_DEACTIVATED, user_id=user_id)
        return user


def activate_user(*, user_id: int) -> User:
    """Let a deactivated user log in again; the old tokens stay revoked.

    Raises: User.DoesNotExist.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user_id)
        user.is_active = True
        user.closed_at = None
        user.save(update_fields=["is_active", "closed_at", "updated_at"])
        record(Event.ACCOUNT_ACTIVATED, user_id=user_id)
        return user


def revoke_tokens(*, user_id: int) -> User:
    """Log a user out everywhere, access tokens included.

    Raises: User.DoesNotExist.
    """
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user_id)
        user.token_version += 1
        user.save(update_fields=["token_version", "updated_at"])
        record(Event.TOKENS_REVOKED, user_id=user_id)
        end_all_sessions(user=user)
        return user
