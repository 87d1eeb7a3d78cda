"""The check of this app's setting."""

from typing import Any, Final

from django.core.checks import CheckMessage

from accounts.bounds import check_bounds

LONGEST_DAYS: Final = 365


def check_days(**_kwargs: Any) -> list[CheckMessage]:
    """Check how long closed accounts are kept (E001)."""
    return check_bounds(
        "AUTH_CLOSED_ACCOUNT_DAYS",
        1,
        LONGEST_DAYS,
        reason="so long a closed account can be opened again",
        message_id="leaving.E001",
    )
