"""The app's name and check."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class LeavingConfig(AppConfig):
    """Export, closing, opening again and erasure."""

    name = "accounts.leaving"

    def ready(self) -> None:
        """Register the check."""
        from accounts.leaving import checks

        register(checks.check_days, Tags.security)
