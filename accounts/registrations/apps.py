"""The app's name and checks."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class RegistrationsConfig(AppConfig):
    """Registrations by mail."""

    name = "accounts.registrations"
    label = "registrations"

    def ready(self) -> None:
        """Register the check."""
        from accounts.registrations import checks

        register(checks.check_mail_is_sent, Tags.security)
