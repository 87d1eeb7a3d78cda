"""The check of this app's setting."""

from typing import Any, Final, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error

LONGEST_DAYS: Final = 3650


def check_lifetime(**_kwargs: Any) -> list[CheckMessage]:
    """Check how long a key may live (E001)."""
    days = cast(Any, settings.AUTH_API_KEY_LONGEST_DAYS)  # a project may set anything
    if isinstance(days, int) and not isinstance(days, bool) and 1 <= days <= LONGEST_DAYS:
        return []
    return [
        Error(
            f"AUTH_API_KEY_LONGEST_DAYS is {days!r}.",
            hint=f"Set it from 1 to {LONGEST_DAYS}: an API key lives no longer.",
            id="api_keys.E001",
        )
    ]
