"""The app's wiring: checks and signals."""

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.core.signals import setting_changed
from django.db import connections


class UserCacheConfig(AppConfig):
    """Connect what must know of user writes and of settings."""

    name = "usercache"
    verbose_name = "User cache"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and listen to the user model."""
        from usercache import checks
        from usercache.codec import EXTRAS, get_codec
        from usercache.database import home_database
        from usercache.instances.fingerprints import FINGERPRINTS
        from usercache.management import switch
        from usercache.orm import outbox, signals
        from usercache.orm.writes import RENEWAL
        from usercache.runtime import RUNTIME

        for check in checks.ALL:
            register(check, Tags.caches)
        for check in checks.DEPLOY:
            register(check, Tags.caches, deploy=True)
        home = home_database()  # now, while no request can have a word in it
        EXTRAS["USERCACHE_PASSWORD_FINGERPRINT"] = FINGERPRINTS
        get_codec.cache_clear()  # an app before us may have asked
        signals.connect()
        setting_changed.connect(RUNTIME.follow_settings)
        RUNTIME.extend(outbox.extend)
        RUNTIME.extend(RENEWAL.extend)
        RUNTIME.extend(switch.extend)
        if connections[home].vendor == "postgresql":
            from usercache.postgresql.journal import connect

            connect(self)
