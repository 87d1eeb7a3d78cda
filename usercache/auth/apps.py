"""The app's wiring: its checks."""

from importlib.util import find_spec

from django.apps import AppConfig
from django.core.checks import Tags, register


class AuthConfig(AppConfig):
    """In INSTALLED_APPS, it checks the settings of each way; the classes work without it."""

    name = "usercache.auth"
    label = "usercache_auth"

    def ready(self) -> None:
        """Register the checks."""
        from usercache.auth.session_checks import check_sessions
        from usercache.checks import once_settings_are_typed

        checks = [check_sessions]
        if find_spec("rest_framework_simplejwt") is not None:
            from usercache.auth.checks import check_forwarding, check_tokens

            checks += [check_tokens, check_forwarding]
        for check in checks:
            register(once_settings_are_typed(check), Tags.security)
