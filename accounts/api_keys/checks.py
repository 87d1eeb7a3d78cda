"""The check of this app's setting."""

from typing import Any, Final

from django.core.checks import CheckMessage

from accounts.bounds import check_bounds

LONGEST_DAYS: Final = 3650


def check_lifetime(**_kwargs: Any) -> list[CheckMessage]:
    """Check how long a key may live (E001)."""
    return check_bounds(
        "AUTH_API_KEY_LONGEST_DAYS",
        1,
        LONGEST_DAYS,
        reason="an API key lives no longer",
        message_id="api_keys.E001",
    )
