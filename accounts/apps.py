"""The app's name and checks."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class AccountsConfig(AppConfig):
    """Users and their logins."""

    name = "accounts"

    def ready(self) -> None:
        """Register the checks."""
        from accounts import checks

        register(checks.check_refresh_grace, Tags.security)
