"""The check of this app's setting."""

from typing import Any, Final, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error

LONGEST_DAYS: Final = 365


def check_days(**_kwargs: Any) -> list[CheckMessage]:
    """Check how long closed accounts are kept (E001)."""
    days = cast(Any, settings.AUTH_CLOSED_ACCOUNT_DAYS)  # a project may set anything
    is_whole = isinstance(days, int) and not isinstance(days, bool)
    if is_whole and 1 <= days <= LONGEST_DAYS:
        return []
    return [
        Error(
            f"AUTH_CLOSED_ACCOUNT_DAYS is {days!r}.",
            hint=f"Set it from 1 to {LONGEST_DAYS}: so long a closed account can be opened again.",
            id="leaving.E001",
        )
    ]
