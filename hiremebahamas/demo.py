"""`python -m hiremebahamas.demo`: `manage.py run_demo`, with DEBUG on where nothing sets it."""

import os
import sys

from django.core.management import execute_from_command_line

from hiremebahamas.environment import read_env_file


def main() -> None:
    """Run it with the arguments given."""
    read_env_file()
    if not os.environ.get("DEBUG"):
        os.environ["DEBUG"] = "True"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiremebahamas.settings")
    execute_from_command_line(["manage.py", "run_demo", *sys.argv[1:]])


if __name__ == "__main__":
    main()
