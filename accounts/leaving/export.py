"""The export of one's own data; see Note [Leaving]."""

from typing import Any

from django.utils import timezone

from accounts.errors import AccountGone
from accounts.hooks import EXPORT_SECTIONS
from accounts.models import User
from accounts.services.sessions import list_sessions


def export_account(*, user_id: int) -> dict[str, Any]:
    """Return all that is kept of an account, for ExportSerializer; so many rows at most.

    Raises: AccountGone.
    """
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise AccountGone
    return {
        "exported_at": timezone.now(),
        "profile": user,
        "last_login": user.last_login,
        "sessions": list_sessions(user_id=user_id),
        **{name: section.read(user) for name, section in EXPORT_SECTIONS.items()},
    }
