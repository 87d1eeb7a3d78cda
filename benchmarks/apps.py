"""The app configurations of processes that measure something else."""

from django.apps import AppConfig


class SilentUserCacheConfig(AppConfig):
    """Have usercache's tables and names without its signals: nobody calls it."""

    name = "usercache"
    default_auto_field = "django.db.models.BigAutoField"
