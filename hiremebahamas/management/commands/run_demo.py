"""`manage.py run_demo`: from a fresh checkout to a running server in one process."""

import os
from typing import Any

from django.contrib.staticfiles.management.commands.runserver import Command as RunserverCommand
from django.core.management import call_command
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV


class Command(RunserverCommand):
    """Migrate, create the demo users, and serve; as three commands it takes twice the time."""

    help = "Migrate, create demo users, and serve (development only)."

    def run(self, **options: Any) -> None:
        """Prepare, except in the child that the reloader starts anew at each change of code."""
        if os.environ.get(DJANGO_AUTORELOAD_ENV) != "true":
            call_command("migrate", verbosity=0)
            call_command("create_demo_users")
        super().run(**options)
