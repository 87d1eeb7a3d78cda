"""The app's name, checks and receivers."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class SecurityLogConfig(AppConfig):
    """Events."""

    name = "accounts.security_log"
    label = "security_log"
    verbose_name = "security log"

    def ready(self) -> None:
        """Register the check and the section of an export; listen to what is to be recorded."""
        from accounts.hooks import EXPORT_SECTIONS, Section
        from accounts.security_log import checks, origin, receivers, schema
        from accounts.security_log.pages import read_for_export
        from accounts.security_log.serializers import EventPageSerializer

        register(checks.check_retention, Tags.security)
        EXPORT_SECTIONS["events"] = Section(EventPageSerializer, read_for_export, schema.PAGE)
        origin.connect()
        receivers.connect()
