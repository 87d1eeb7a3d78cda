"""What Django's own functions do: new passwords, and log-ins to the admin site."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db.models.signals import pre_save

from accounts.models import User
from accounts.security_log.models import Event
from accounts.security_log.recording import record


def connect() -> None:
    """Listen."""
    pre_save.connect(_record_new_password, sender=User)
    user_logged_in.connect(_record_admin_login)
    user_login_failed.connect(_record_failure)


def _record_new_password(
    *, instance: User, update_fields: Iterable[str] | None, raw: bool, **_kwargs: Any
) -> None:
    # Within the transaction of User.save().
    is_written = update_fields is None or "password" in update_fields
    if instance._password is not None and is_written and not instance._state.adding and not raw:
        record(Event.PASSWORD_CHANGED, user_id=instance.pk)


def _record_admin_login(*, user: User, **_kwargs: Any) -> None:
    record(Event.ADMIN_LOGIN, user_id=user.pk)


def _record_failure(*, credentials: dict[str, Any], **_kwargs: Any) -> None:
    # Never what was typed: it may be a password. The same work for known and unknown emails.
    email = credentials.get("username", credentials.get(User.USERNAME_FIELD))
    user_id = User._base_manager.filter(email=email).values_list("pk", flat=True).first()
    record(Event.LOGIN_FAILED, user_id=user_id)
