#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    """Run the command that the arguments name; with `--traceback`, show where it failed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiremebahamas.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(f"{error}\nSee .env.example for all settings.")


if __name__ == "__main__":
    main()
