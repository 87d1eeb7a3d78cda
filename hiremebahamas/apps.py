"""The project's own app configuration."""

from importlib import import_module

from django.apps import AppConfig
from django.core.cache import close_caches
from django.core.checks import Tags, register
from django.core.signals import request_finished


class HireMeBahamasConfig(AppConfig):
    """Name the app."""

    name = "hiremebahamas"

    def ready(self) -> None:
        """Register the checks, and our authentication for the schema, which does so on import."""
        from hiremebahamas.cors import check_cors
        from hiremebahamas.default_access import check_default_access
        from hiremebahamas.postgresql.checks import check_timeouts

        register(check_cors, Tags.security)
        register(check_default_access, Tags.security)
        register(check_timeouts, Tags.database)
        import_module("hiremebahamas.schema")
        # Our caches keep their connections; to ask each after a request took a twelfth of its time.
        request_finished.disconnect(close_caches)
