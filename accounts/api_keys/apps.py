"""The app's name, its check, and its part of an export."""

from functools import partial

from django.apps import AppConfig
from django.core.checks import Tags, register


class ApiKeysConfig(AppConfig):
    """Keys for programs."""

    name = "accounts.api_keys"
    label = "api_keys"
    verbose_name = "API keys"

    def ready(self) -> None:
        """Register the check, what the schema says of keys, and the section of an export."""
        from accounts.api_keys import checks, schema
        from accounts.api_keys.serializers import KeySerializer
        from accounts.api_keys.services import list_all_keys
        from accounts.hooks import EXPORT_SECTIONS, Section

        register(checks.check_lifetime, Tags.security)
        keys = partial(KeySerializer, many=True)
        EXPORT_SECTIONS["api_keys"] = Section(keys, list_all_keys, [schema.KEY])
