"""`manage.py sweep_sessions`: delete what is over; to be run once a day."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.registrations.services import sweep_registrations
from accounts.services.sessions import sweep_sessions


class Command(BaseCommand):
    """Call the services and print what they did."""

    help = (
        "Delete the sessions that are over and registrations that nobody confirmed, and forget "
        "the ended sessions whose tokens have expired."
    )

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Sweep."""
        swept, users = sweep_sessions()
        registrations = sweep_registrations()
        self.stdout.write(
            f"Deleted {swept} sessions and {registrations} registrations; "
            f"{users} users named old sessions."
        )
