"""The app's name, checks and receivers."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class SecurityLogConfig(AppConfig):
    """Events."""

    name = "accounts.security_log"
    label = "security_log"
    verbose_name = "security log"

    def ready(self) -> None:
        """Register the check, and listen to what is to be recorded."""
        from accounts.security_log import checks, origin, receivers

        register(checks.check_retention, Tags.security)
        origin.connect()
        receivers.connect()
