"""The app's name and checks."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class ApiKeysConfig(AppConfig):
    """Keys for programs."""

    name = "accounts.api_keys"
    label = "api_keys"
    verbose_name = "API keys"

    def ready(self) -> None:
        """Register the check, and what the schema says of keys."""
        from accounts.api_keys import checks, schema  # noqa: F401  # it registers itself

        register(checks.check_lifetime, Tags.security)
