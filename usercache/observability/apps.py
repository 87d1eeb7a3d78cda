"""The app's wiring: its checks."""

from importlib.util import find_spec
from typing import Final

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.core.exceptions import ImproperlyConfigured

NEEDED: Final = ("redis", "prometheus_client", "rich")
"""What the extra `metrics` brings."""


class ObservabilityConfig(AppConfig):
    """An app of its own: left out of INSTALLED_APPS, the cache works and nothing is counted."""

    name = "usercache.observability"
    label = "usercache_observability"
    verbose_name = "User cache"

    def ready(self) -> None:
        """Register the checks and observe the stores of this process.

        Raises:
            ImproperlyConfigured: what the extra brings is not installed.
        """
        if missing := [name for name in NEEDED if find_spec(name) is None]:
            raise ImproperlyConfigured(
                f"usercache.observability needs {' and '.join(missing)}: "
                'pip install "django-usercache[metrics]", or leave it out of INSTALLED_APPS.'
            )
        from usercache.checks import once_settings_are_typed
        from usercache.observability.checks import check
        from usercache.observability.observers import observe
        from usercache.runtime import RUNTIME

        register(once_settings_are_typed(check), Tags.caches)
        RUNTIME.extend(observe)
