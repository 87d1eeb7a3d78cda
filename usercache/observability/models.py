"""The dashboard's place in the admin."""

from usercache.models import PendingInvalidation


class Dashboard(PendingInvalidation):
    """The dashboard's place in the admin's index, and its permissions; it has no rows of its own.

    A proxy, since whatever goes through all tables, as dumpdata does, would look for that of an
    unmanaged model.
    """

    class Meta:
        proxy = True
        default_permissions = ("view",)
        permissions = [("clear_cache", "Can clear the user cache")]
        verbose_name = verbose_name_plural = "dashboard"

    def __str__(self) -> str:
        """Say what an entry of the admin's log is about."""
        return "user cache"
