"""The app's wiring: a client-side cache for each process that uses Redis."""

from django.apps import AppConfig


class TrackingConfig(AppConfig):
    """In INSTALLED_APPS, users are kept in process memory while Redis reports what changes."""

    name = "usercache.tracking"
    label = "usercache_tracking"

    def ready(self) -> None:
        """Extend the stores of this process."""
        from usercache.runtime import RUNTIME
        from usercache.tracking.listener import extend

        RUNTIME.extend(extend)
