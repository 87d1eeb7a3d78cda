"""`manage.py sweep_sessions`: delete the sessions that are over; to be run once a day."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.sessions import sweep_sessions


class Command(BaseCommand):
    """Call the service and print what it did."""

    help = "Delete the sessions that are over, and forget the ended ones whose tokens have expired."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Sweep."""
        swept, users = sweep_sessions()
        self.stdout.write(f"Deleted {swept} sessions; {users} users named old ones.")
