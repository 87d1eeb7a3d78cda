"""`python -m hiremebahamas.server`: see that all is right, then become granian."""

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
from hiremebahamas.server.command_line import spell_command
from hiremebahamas.server.options import ServerOptions, read_options


def main() -> None:
    """Prepare, and replace this process by granian; exit with a message where that can't be."""
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
        # Another code than a crash's: to try again, as systemd would, does not help.
        sys.exit(os.EX_CONFIG)
    connections.close_all()
    sys.stderr.flush()
    # Not in this process: granian forks, and by now there are threads and connections here.
    os.execv(sys.executable, [sys.executable, *spell_command(options)])  # noqa: S606  # no shell is wanted


def prepare(options: ServerOptions) -> Iterator[str]:
    """Check and prepare all that is needed, and yield what an operator should know.

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
    """Say what will run, and what PostgreSQL and Redis must be able to bear."""
    yield f"{options.workers} workers of {options.threads} threads."
    to_database = preparation.database_connections()
    if to_database is not None:
        yield f"PostgreSQL must take {options.workers * to_database} connections."
        if to_database < options.threads:
            yield (
                f"DATABASE_POOL_MAX_CONNECTIONS is {to_database}, less than the threads of a "
                "worker: requests whose user isn't cached may wait for each other."
            )
    to_redis = preparation.redis_connections()
    if to_redis is None:
        yield "REDIS_URL is unset: each worker caches users for itself, for a few seconds."
    else:
        yield f"Redis must take {options.workers * to_redis} connections."


if __name__ == "__main__":
    main()
