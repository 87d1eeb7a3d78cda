"""`python -m hiremebahamas.server`: check and prepare, then become granian."""

import argparse
import os
import sys
from collections.abc import Iterator

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connections

from hiremebahamas.environment import read_env_file
from hiremebahamas.server import preparation
from hiremebahamas.server.command_line import format_command
from hiremebahamas.server.options import ServerOptions, read_options


def main() -> None:
    """Prepare, and replace this process by granian; exit with a message if that fails."""
    parser = argparse.ArgumentParser(prog="python -m hiremebahamas.server", description=__doc__)
    parser.add_argument("--check", action="store_true", help="prepare, but don't serve")
    only_check = parser.parse_args().check
    try:
        read_env_file()
        options = read_options()
        for line in prepare(options):
            sys.stderr.write(f"{line}\n")
        if only_check:
            return
        preparation.check_address(options.address)
    except (preparation.NotReadyError, ImproperlyConfigured, CommandError) as error:
        sys.stderr.write(f"The server can't start. {error}\n")
        # Not a crash's exit code: a restart, as by systemd, would not help.
        sys.exit(os.EX_CONFIG)
    connections.close_all()
    sys.stderr.flush()
    # Not in this process: granian forks, and this process has threads and connections by now.
    os.execv(sys.executable, [sys.executable, *format_command(options)])  # noqa: S606  # no shell is wanted


def prepare(options: ServerOptions) -> Iterator[str]:
    """Check and prepare everything, and yield lines for the operator.

    Raises: NotReadyError, ImproperlyConfigured, CommandError.
    """
    preparation.check_variables(os.environ)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hiremebahamas.settings")
    django.setup()
    preparation.check_settings(options)
    call_command("check")
    unknown = preparation.check_migrations()
    if unknown:
        yield unknown
    if options.collects_static:
        preparation.collect_static_files()
    yield from describe(options)


def describe(options: ServerOptions) -> Iterator[str]:
    """Yield what will run, and how many connections PostgreSQL and Redis must accept."""
    yield f"{options.workers} workers of {options.threads} threads."
    to_database = preparation.database_connections()
    if to_database is not None:
        each = to_database + preparation.UNPOOLED_CONNECTIONS
        yield f"PostgreSQL must take {options.workers * each} connections."
        if to_database < options.threads:
            yield (
                f"DATABASE_POOL_MAX_CONNECTIONS is {to_database}, less than the threads of a "
                "worker: requests whose user isn't cached may wait for each other."
            )
    to_redis = preparation.redis_connections()
    if to_redis is None:
        yield "REDIS_URL is unset: each worker caches users for itself."
    else:
        to_redis += preparation.TRACKING_CONNECTIONS
        yield f"Redis must take {options.workers * to_redis} connections."


if __name__ == "__main__":
    main()
