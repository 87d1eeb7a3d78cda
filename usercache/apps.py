"""The app's wiring: checks and signals."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.core.signals import request_started, setting_changed
from django.db.models.signals import post_migrate


class UserCacheConfig(AppConfig):
    """Connect what must know of user writes and of settings."""

    name = "usercache"
    verbose_name = "User cache"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and listen to the user model."""
        from usercache import checks, process, receivers

        for check in checks.ALL:
            register(check, Tags.caches)
        register(checks.check_triggers, Tags.database)
        for check in checks.DEPLOY:
            register(check, Tags.caches, deploy=True)
        receivers.connect()
        setting_changed.connect(process.follow_settings)
        request_started.connect(process.begin)
        post_migrate.connect(receivers.install_triggers, sender=self)
