"""`manage.py prune_security_log`: delete events kept for long enough; to be run once a day."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.security_log.retention import prune


class Command(BaseCommand):
    """Call the function and print what it did."""

    help = "Delete the events of the security log that are older than AUTH_SECURITY_LOG_DAYS."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Prune."""
        self.stdout.write(f"Deleted {prune()} events.")
