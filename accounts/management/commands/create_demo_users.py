"""`manage.py create_demo_users`: an admin and some job seekers to try the project with."""

import secrets
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from accounts.models import User

PASSWORD_BYTES: Final = 12
OWNER_ONLY: Final = 0o600

DEMO_USERS: tuple[dict[str, Any], ...] = (
    {
        "email": "admin@hiremebahamas.example",
        "username": "admin",
        "first_name": "Dora",
        "last_name": "Ferguson",
        "phone": "+12423220001",
        "occupation": "Site administrator",
        "location": "Nassau, New Providence",
        "bio": "Keeps HireMeBahamas running.",
        "is_admin": True,
        "is_superuser": True,
    },
    {
        "email": "alice.rolle@hiremebahamas.example",
        "username": "alice.rolle",
        "first_name": "Alice",
        "last_name": "Rolle",
        "phone": "+12423591101",
        "occupation": "Front desk supervisor",
        "location": "Nassau, New Providence",
        "bio": "Eight years at resorts on Cable Beach; speaks English, Spanish and some Creole.",
    },
    {
        "email": "bob.knowles@hiremebahamas.example",
        "username": "bobknowles",
        "first_name": "Bob",
        "last_name": "Knowles",
        "phone": "+12424451102",
        "occupation": "Boat captain",
        "location": "George Town, Exuma",
        "bio": "Class A licence. Fishing charters and island hops, grew up on the water.",
    },
    {
        "email": "charlie.pinder@hiremebahamas.example",
        "username": "charlie_pinder",
        "first_name": "Charlie",
        "last_name": "Pinder",
        "phone": "+12424571103",
        "occupation": "Electrician",
        "location": "Marsh Harbour, Abaco",
        "bio": "Licensed for single and three phase; rebuilt half of the harbour after Dorian.",
    },
    {
        "email": "deandra.moss@hiremebahamas.example",
        "username": "deandra-moss",
        "first_name": "Deandra",
        "last_name": "Moss",
        "phone": "+12425331104",
        "occupation": "Pastry chef",
        "location": "Freeport, Grand Bahama",
        "bio": "Guava duff, rum cake and wedding cakes to order. Looking for a hotel kitchen.",
    },
)


class Command(BaseCommand):
    """Add the missing demo users, and print how to log in.

    Their password is made with them, and kept in the file that `DEMO_PASSWORD_FILE` names.
    """

    help = "Add an admin and some job seekers, all with one printed password (development only)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the permission to write to other databases than a local file."""
        parser.add_argument(
            "--any-database",
            action="store_true",
            help="also into a database that is no local SQLite file; never beside other users",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Add them.

        Raises: CommandError unless DEBUG is on and the database is one to try things with.
        """
        if not settings.DEBUG:
            raise CommandError(
                "Demo users are for development. Set DEBUG=True, on a development machine, or "
                "make an admin with: manage.py createsuperuser"
            )
        if connection.vendor != "sqlite" and not options["any_database"]:
            raise CommandError(
                "No demo users: DATABASE_URL leads to a server, which may be somebody's. If it is "
                "for development only: manage.py create_demo_users --any-database"
            )
        emails = [user["email"] for user in DEMO_USERS]
        # One more than there are demo users: enough to detect others.
        found = set(User.objects.order_by("pk").values_list("email", flat=True)[: len(emails) + 1])
        missing = [user for user in DEMO_USERS if user["email"] not in found]
        if missing and found.difference(emails):
            raise CommandError(
                "No demo users: this database has users of its own. Make an admin with: "
                "manage.py createsuperuser"
            )
        self._print_table(self._add(missing) if missing else _read_password())

    def _add(self, missing: list[dict[str, Any]]) -> str:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        for user in User.objects.all():  # they are demo users, all of them
            user.set_password(password)
            user.save()
        for fields in missing:
            User.objects.create_user(password=password, **fields)
        path = Path(settings.DEMO_PASSWORD_FILE)
        path.touch(OWNER_ONLY)
        path.write_text(password)
        return password

    def _print_table(self, password: str) -> None:
        width = max(len(user["email"]) for user in DEMO_USERS)
        for user in DEMO_USERS:
            role = "admin, also at /admin/" if user.get("is_admin") else "job seeker"
            self.stdout.write(f"{user['email']:{width}}  {password}  {role}")


def _read_password() -> str:
    try:
        return Path(settings.DEMO_PASSWORD_FILE).read_text()
    except OSError:
        return "(as it was set; see manage.py changepassword)"
