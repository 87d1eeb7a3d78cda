"""The app's name and checks."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class AccountsConfig(AppConfig):
    """Users and their logins."""

    name = "accounts"

    def ready(self) -> None:
        """Register the checks, and what the schema says of our serializers."""
        from accounts import checks
        from accounts.schema import strictness  # noqa: F401  # it registers itself

        register(checks.check_refresh_grace, Tags.security)
