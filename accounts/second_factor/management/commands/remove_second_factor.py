"""`manage.py remove_second_factor EMAIL`: for users who have lost app and recovery codes."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.second_factor.services import remove_factors


class Command(BaseCommand):
    """Call the service and print what it did."""

    help = (
        "Remove a user's authenticator app and recovery codes, and tell them by mail. Make sure "
        "first that it is they who ask."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the user's email."""
        parser.add_argument("email", help="the email of the account")

    def handle(self, *_args: Any, email: str, **_options: Any) -> None:
        """Remove them.

        Raises: CommandError if there is no such user, or nothing to remove.
        """
        user = User.objects.filter(email=email).first()
        if user is None:
            raise CommandError(f"There is no user with the email {email}.")
        if not remove_factors(user_id=user.pk):
            raise CommandError(f"User {user.pk} has no second factor.")
        self.stdout.write(f"Removed the second factor of user {user.pk}, and told them by mail.")
