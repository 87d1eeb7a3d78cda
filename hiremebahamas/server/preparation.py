"""Checks before the server starts, each with a message that says what to do."""

from collections.abc import Mapping
from typing import Final, cast

from django.conf import settings
from django.core.management import call_command
from django.db import Error as AnyDatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from hiremebahamas.server.address import Address, try_address
from hiremebahamas.server.options import ServerOptions

REQUIRED: Final = {
    "SECRET_KEY": "a secret of at least 32 bytes",
    "JWT_SIGNING_KEY": "another",
    "USERCACHE_SIGNING_KEY": "a third",
    "SECOND_FACTOR_KEY": "a fourth",
    "ALLOWED_HOSTS": "the host names that this is served under, separated by commas",
    "DATABASE_URL": "as in postgres://user:password@host/name",
}

# The audit, the shadow and the metrics flusher; those that report changes are in no pool.
USERCACHE_THREADS: Final = 3
TRACKING_CONNECTIONS: Final = 1
UNPOOLED_CONNECTIONS: Final = 2
"""To PostgreSQL: for the probe of a server that hangs, and to listen while Redis isn't used."""


class NotReadyError(Exception):
    """The server must not start; the message says what to do."""


def check_variables(variables: Mapping[str, str]) -> None:
    """Check that no variable is left to a default for development.

    Raises: NotReadyError naming all that is missing.
    """
    missing = [f"  {name:22} {what}" for name, what in REQUIRED.items() if not variables.get(name)]
    if missing:
        raise NotReadyError(
            "Set in the environment or in .env (see .env.example):\n" + "\n".join(missing)
        )


def check_settings(options: ServerOptions) -> None:
    """Check settings that Django's own checks don't cover.

    Raises: NotReadyError.
    """
    if settings.DEBUG:
        raise NotReadyError("DEBUG shows errors to everybody. Unset it, or use: make run")
    if "*" in settings.ALLOWED_HOSTS:
        raise NotReadyError(
            "ALLOWED_HOSTS=* lets a client choose the host name that links are made with. Set it "
            "to the names that this is served under, as in www.example.com,example.com"
        )
    if settings.SECURE_SSL_REDIRECT and not settings.SECURE_PROXY_SSL_HEADER:
        raise NotReadyError(
            "Every request would be redirected to HTTPS for ever: this server speaks HTTP, and "
            "believes no header that says otherwise. Behind a proxy that ends TLS and sets "
            "X-Forwarded-Proto itself, set TRUST_X_FORWARDED_PROTO=True; where nothing ends TLS, "
            "set SECURE_SSL_REDIRECT=False."
        )
    connections, needed = redis_connections(), 2 * options.threads + USERCACHE_THREADS
    if connections is not None and connections < needed:
        raise NotReadyError(
            f"USERCACHE_REDIS_MAX_CONNECTIONS is {connections}. {options.threads} threads, as many "
            f"for light requests, and {USERCACHE_THREADS} of the cache's own, need {needed}: set "
            "it to that at least, or WEB_THREADS to less."
        )


def check_migrations() -> str | None:
    """Check that all migrations are applied; return a warning if the database can't be reached.

    Raises: NotReadyError naming the migrations that aren't applied.
    """
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except AnyDatabaseError as error:
        return f"It isn't known whether all migrations are applied: {error}"
    if plan:
        first, _ = plan[0]
        raise NotReadyError(
            f"The database lacks {len(plan)} migrations, {first.app_label}.{first.name} being the "
            "first. Run: python manage.py migrate"
        )
    return None


def collect_static_files() -> None:
    """Collect all static files to where they are served from, with hashes in their names.

    Raises: NotReadyError.
    """
    try:
        call_command("collectstatic", interactive=False, verbosity=0)
    except OSError as error:
        raise NotReadyError(
            f"The static files can't be put into {settings.STATIC_ROOT}: {error}. Let this user "
            "write there, or name another directory in STATIC_ROOT, or run manage.py collectstatic "
            "when you install, and set WEB_COLLECT_STATIC=False."
        ) from error


def check_address(address: Address) -> None:
    """Check that the address is free.

    Raises: NotReadyError.
    """
    try:
        try_address(address)
    except OSError as error:
        raise NotReadyError(
            f"WEB_BIND can't be listened on: {error.strerror}. End what runs there, or choose "
            "another address, or a directory in which this user may make a socket file."
        ) from error


def redis_connections() -> int | None:
    """Return how many connections to Redis each worker may open; None without Redis."""
    if not settings.USERCACHE_REDIS_ALIAS:
        return None
    options = settings.CACHES[settings.USERCACHE_REDIS_ALIAS]["OPTIONS"]
    return cast(int, options["CONNECTION_POOL_KWARGS"]["max_connections"])


def database_connections() -> int | None:
    """Return how many connections to PostgreSQL each worker's pool may open; None for SQLite."""
    pool = connection.settings_dict["OPTIONS"].get("pool")
    return pool["max_size"] if pool else None
