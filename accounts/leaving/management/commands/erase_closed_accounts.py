"""`manage.py erase_closed_accounts`: delete what was closed long ago; to be run once a day."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.leaving.closing import count_closed_staff, erase_closed_accounts
from accounts.pictures.discarded import delete_discarded


class Command(BaseCommand):
    """Call the services and print what they did."""

    help = "Erase the accounts that were closed AUTH_CLOSED_ACCOUNT_DAYS ago."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Erase, and delete what pictures are left over.

        Raises: CommandError if a picture can't be deleted; the next run tries again.
        """
        erased = erase_closed_accounts()
        self.stdout.write(f"Erased {erased} accounts.")
        if staff := count_closed_staff():
            self.stdout.write(f"Left {staff} closed accounts of admins: take their privileges.")
        if stuck := delete_discarded():
            raise CommandError(f"{stuck} pictures can't be deleted: see the log for the reason.")
