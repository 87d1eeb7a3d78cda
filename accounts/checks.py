"""System checks of this app's own settings."""

from typing import Any, Final, cast

from django.conf import settings
from django.core.checks import CheckMessage, Error

LONGEST_GRACE_SECONDS: Final = 60.0
"""As long as a stolen token could be used beside its owner's without either noticing."""


def check_refresh_grace(**_kwargs: Any) -> list[CheckMessage]:
    """Check how long a used refresh token still yields its successor (E001)."""
    grace = cast(Any, settings.AUTH_REFRESH_GRACE_SECONDS)  # a project may set anything
    is_number = isinstance(grace, int | float) and not isinstance(grace, bool)
    if is_number and 0 <= grace <= LONGEST_GRACE_SECONDS:
        return []
    return [
        Error(
            f"AUTH_REFRESH_GRACE_SECONDS is {grace!r}.",
            hint=f"Set it from 0 to {LONGEST_GRACE_SECONDS:.0f}; a few seconds do for two tabs.",
            id="accounts.E001",
        )
    ]
