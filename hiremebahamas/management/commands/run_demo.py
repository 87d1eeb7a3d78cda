"""`manage.py run_demo`: from a fresh checkout to a running server in one process."""

import os
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.management.commands.runserver import Command as RunserverCommand
from django.core.management import CommandError, call_command
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV


class Command(RunserverCommand):
    """Migrate, create the demo users, and serve; as three commands it takes twice the time."""

    help = "Migrate, create demo users, and serve (development only)."

    def run(self, **options: Any) -> None:
        """Prepare, except in the child that the reloader starts at each change of code.

        Raises: CommandError unless DEBUG is on.
        """
        if not settings.DEBUG:
            raise CommandError(
                "DEBUG is off here, in .env or the environment, and this is for development. Set "
                "DEBUG=True, on a development machine; to serve as in production: make serve"
            )
        if os.environ.get(DJANGO_AUTORELOAD_ENV) != "true":
            call_command("migrate", verbosity=0)
            try:
                call_command("create_demo_users")
            except CommandError as refusal:  # there is something to serve without them
                self.stdout.write(str(refusal))
        super().run(**options)
