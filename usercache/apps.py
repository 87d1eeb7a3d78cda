"""The app's wiring: checks and signals."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.core.signals import setting_changed


class UserCacheConfig(AppConfig):
    """Connect what must know of user writes and of settings."""

    name = "usercache"
    verbose_name = "User cache"

    def ready(self) -> None:
        """Register the checks and listen to the user model."""
        from usercache import checks, process, receivers

        for check in checks.ALL:
            register(check, Tags.caches)
        for check in checks.DEPLOY:
            register(check, Tags.caches, deploy=True)
        receivers.connect()
        setting_changed.connect(process.follow_settings)
