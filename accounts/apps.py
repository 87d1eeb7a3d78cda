"""The app's name and checks."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    """Users and their logins."""

    name = "accounts"

    def ready(self) -> None:
        """Register the checks, and what the schema says of our serializers."""
        from accounts import checks
        from accounts.directory import search_index
        from accounts.schema import strictness  # noqa: F401  # it registers itself
        from accounts.services import deletion
        from accounts.views import converters  # noqa: F401  # likewise

        register(checks.check_refresh_grace, Tags.security)
        register(checks.check_limits, Tags.security)
        register(checks.check_proxies, Tags.security)
        register(checks.check_refresh_cookie, Tags.security)
        register(checks.check_password_validators, Tags.security)
        register(checks.check_mail, Tags.security)
        register(checks.check_mail_is_sent, Tags.security, deploy=True)
        register(checks.check_session_lifetimes, Tags.security)
        register(checks.check_normal_forms, Tags.database)
        register(search_index.check_indexes, Tags.database)
        deletion.connect()
        post_migrate.connect(search_index.install_indexes, sender=self)
