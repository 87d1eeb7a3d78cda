"""The check of this app's setting."""

from typing import Any, Final

from django.core.checks import CheckMessage

from accounts.bounds import check_bounds

SHORTEST_DAYS: Final = 30
"""What PostgreSQL's trigger keeps in any case."""
LONGEST_DAYS: Final = 3650


def check_retention(**_kwargs: Any) -> list[CheckMessage]:
    """Check how long events are kept (E001)."""
    return check_bounds(
        "AUTH_SECURITY_LOG_DAYS",
        SHORTEST_DAYS,
        LONGEST_DAYS,
        reason="younger events can't be deleted",
        message_id="security_log.E001",
    )
