"""The app's wiring: its checks, the writes it announces, the tables it wants watched."""

from django.apps import AppConfig
from django.core.checks import Tags, register


class PermissionsConfig(AppConfig):
    """In INSTALLED_APPS, writes of permissions are announced; a backend then answers from them."""

    name = "usercache.permissions"
    label = "usercache_permissions"

    def ready(self) -> None:
        """Connect to the models of permissions."""
        from usercache.checks import once_settings_are_typed
        from usercache.orm.outbox import EXTENSION_TABLES
        from usercache.permissions import signals
        from usercache.permissions.checks import check_backends, check_columns, check_user_model
        from usercache.permissions.links import watched_tables

        for check in (check_backends, check_columns, check_user_model):
            register(once_settings_are_typed(check), Tags.security)
        EXTENSION_TABLES[self.name] = watched_tables
        signals.connect()
