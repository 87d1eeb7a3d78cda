"""The project's own app configuration."""

from importlib import import_module

from django.apps import AppConfig


class HireMeBahamasConfig(AppConfig):
    """Name the app."""

    name = "hiremebahamas"

    def ready(self) -> None:
        """Make our authentication known to the schema: an extension registers on import."""
        import_module("hiremebahamas.schema")
