"""`manage.py create_demo_users`: an admin and some job seekers to try the project with."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User

PASSWORD = "Junkanoo-on-Bay-Street"  # noqa: S105 (printed, and for development only)

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
    """Add the demo users who are missing, and print how to log in."""

    help = "Add an admin and some job seekers, all with one printed password (development only)."

    def handle(self, *args: Any, **options: Any) -> None:
        """Add them.

        Raises: CommandError unless DEBUG is on, since everybody knows the password.
        """
        if not settings.DEBUG:
            raise CommandError(
                "Demo users have a password that everybody knows. Set DEBUG=True, on a "
                "development machine, or make an admin with: manage.py createsuperuser"
            )
        emails = [user["email"] for user in DEMO_USERS]
        existing = set(User.objects.filter(email__in=emails).values_list("email", flat=True))
        for user in DEMO_USERS:
            if user["email"] not in existing:
                User.objects.create_user(password=PASSWORD, **user)
        self._print_table()

    def _print_table(self) -> None:
        width = max(len(user["email"]) for user in DEMO_USERS)
        for user in DEMO_USERS:
            role = "admin, also at /admin/" if user.get("is_admin") else "job seeker"
            self.stdout.write(f"{user['email']:{width}}  {PASSWORD}  {role}")
