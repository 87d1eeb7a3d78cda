"""The check of this app's setting."""

from typing import Any, Final, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error

SHORTEST_DAYS: Final = 30
"""What PostgreSQL's trigger keeps in any case."""
LONGEST_DAYS: Final = 3650


def check_retention(**_kwargs: Any) -> list[CheckMessage]:
    """Check how long events are kept (E001)."""
    days = cast(Any, settings.AUTH_SECURITY_LOG_DAYS)  # a project may set anything
    is_whole = isinstance(days, int) and not isinstance(days, bool)
    if is_whole and SHORTEST_DAYS <= days <= LONGEST_DAYS:
        return []
    return [
        Error(
            f"AUTH_SECURITY_LOG_DAYS is {days!r}.",
            hint=f"Set it from {SHORTEST_DAYS} to {LONGEST_DAYS}: younger events can't be deleted.",
            id="security_log.E001",
        )
    ]
