"""Settings from the environment, and from the file `.env` beside manage.py."""

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host

from hiremebahamas.postgresql.connection import BoundedConnection
from hiremebahamas.postgresql.gate import Bounds
from hiremebahamas.redis_urls import parse_redis_url
from hiremebahamas.shared_cache import RedisOptions, redis_cache
from hiremebahamas.variables import read_choice, read_float, read_int

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()

SECRETS = ("SECRET_KEY", "JWT_SIGNING_KEY", "USERCACHE_SIGNING_KEY", "SECOND_FACTOR_KEY")
# HS256 needs a key at least as long as its digest. Source: RFC 7518, section 3.2.
SECRET_MIN_BYTES = 32
DEVELOPMENT_SECRET_PREFIX = "insecure-development-only-"  # noqa: S105 (says so itself)
# A key in PEM has spaces in it, and line breaks or what is written for them.
LISTED_KEY = re.compile(
    r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----(?:\\n)*|[^\s,]+", re.DOTALL
)

# Every wait of a transaction, for a statement or for the application between two, ends well before
# usercache's write marker does (USERCACHE_WRITE_MARKER_TTL_SECONDS, 60 s): a transaction that
# outlived its write marker could commit a row that is never invalidated. PostgreSQL 17's
# transaction_timeout would be one setting for it; older servers refuse a connection that names it.
# hiremebahamas/postgresql bounds each statement.
IDLE_IN_TRANSACTION_TIMEOUT_MILLISECONDS = 15_000
DATABASE_TIMEOUT_SECONDS = 5
DATABASE_TIMEOUT_LONGEST_SECONDS = 30
COMMAND_TIMEOUT_SECONDS = 20
"""For each statement of a process that serves no requests: management commands, the relay."""
# The kernel detects an idle connection whose network was cut.
KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 2, "keepalives_count": 3}
POOL_MIN_CONNECTIONS = 1
POOL_MAX_CONNECTIONS = 20
POOL_TIMEOUT_SECONDS = 5
# A pool that tries to reconnect makes no other attempt, and doubles its pauses: after an outage of
# a minute it may wait for another half. Once it gives up, the next request makes it try at once.
POOL_RECONNECT_TIMEOUT_SECONDS = 2
SQLITE_LOCK_TIMEOUT_SECONDS = 5

MILLISECONDS = 1000

LOG_FORMATS = ("text", "json")

THREADS = 4
THREADS_MAX = 256

REDIS_TIMEOUT_SECONDS = 0.25
REDIS_MAX_CONNECTIONS = 50
LOCAL_BACKEND_MAX_ENTRIES = 10_000


def read_env_file() -> None:
    """Add the file's variables; those of the process win. ENV_FILE names another file, or none."""
    path = Path(os.environ.get("ENV_FILE", BASE_DIR / ".env"))
    if path.is_file():
        env.read_env(path)


def read_secrets(*, debug: bool) -> dict[str, str]:
    """Return the secrets by name; for development, well-known ones where they are missing.

    Raises: ImproperlyConfigured naming all that are missing, too short, or development's in
    production; or if two are the same.
    """
    # Not through env(): it takes a value that begins with "$" for another variable's name.
    values = {name: os.environ.get(name, "") for name in SECRETS}
    if debug:
        return {
            name: value or f"{DEVELOPMENT_SECRET_PREFIX}{name.lower().replace('_', '-')}"
            for name, value in values.items()
        }
    weak = [
        name
        for name, value in values.items()
        if len(value.encode()) < SECRET_MIN_BYTES or value.startswith(DEVELOPMENT_SECRET_PREFIX)
    ]
    if weak:
        raise ImproperlyConfigured(
            f"Set {', '.join(weak)}, in the environment or in .env, to a secret of at least "
            f"{SECRET_MIN_BYTES} bytes{', each to its own' if len(weak) > 1 else ''}. Make one "
            "with: python -c 'import secrets; print(secrets.token_urlsafe(48))'. "
            "Or set DEBUG=True, on a development machine only."
        )
    if len(set(values.values())) < len(values):
        raise ImproperlyConfigured(
            f"{', '.join(SECRETS)} are not all different: set each to a secret of its own. A "
            "leaked one could be used for what another protects. Make one with: python -c "
            "'import secrets; print(secrets.token_urlsafe(48))'."
        )
    return values


def read_keys(name: str, *, debug: bool) -> tuple[str, ...]:
    """Return the further keys that a variable lists, separated by commas or spaces.

    Raises: ImproperlyConfigured if one of them is development's in production.
    """
    # Not through env(), as in read_secrets().
    keys = tuple(found[0] for found in LISTED_KEY.finditer(os.environ.get(name, "")))
    if not debug and any(key.startswith(DEVELOPMENT_SECRET_PREFIX) for key in keys):
        raise ImproperlyConfigured(
            f"{name} lists a secret that everybody knows: leave it out, or set DEBUG=True, on a "
            "development machine only."
        )
    return keys


def read_mail(*, debug: bool) -> dict[str, Any]:
    """Return Django's EMAIL_… settings for EMAIL_URL; without, the terminal or no mail at all.

    Not the log of a production server: it would hold the tokens.

    Raises: ImproperlyConfigured if it isn't a URL of a mail server.
    """
    # Not through env(), as in read_secrets().
    url = os.environ.get("EMAIL_URL") or ("consolemail://" if debug else "dummymail://")
    try:
        if url.partition("://")[0] in env.EMAIL_SCHEMES:
            config: dict[str, Any] = env.email_url_config(url)
            return config
    except ValueError:  # an invalid port
        pass
    raise ImproperlyConfigured(
        "EMAIL_URL leads to no mail server. Write it as smtp+tls://user:password@host:587, or "
        "smtp+ssl://user:password@host:465, with special characters percent-encoded."
    )


def read_log_format() -> str:
    """Return how lines of the log are written: `text` or `json`.

    Raises: ImproperlyConfigured.
    """
    return read_choice("LOG_FORMAT", LOG_FORMATS)


def read_threads() -> int:
    """Return how many threads of each web process serve requests.

    Raises: ImproperlyConfigured.
    """
    return read_int("WEB_THREADS", THREADS, low=1, high=THREADS_MAX)


def default_origin(hosts: Sequence[str], *, debug: bool) -> str:
    """Return where the first of the hosts is served."""
    host = hosts[0].removeprefix(".") if hosts else "localhost:8000"
    return f"{'http' if debug else 'https'}://{host}"


def read_admin_host(allowed_hosts: Sequence[str]) -> str:
    """Return the host of the admin site alone, or "" where it has none.

    Raises: ImproperlyConfigured if no request for it would be answered.
    """
    host: str = env.str("ADMIN_HOST", "")
    if host and not validate_host(host, allowed_hosts):
        raise ImproperlyConfigured(
            f"ADMIN_HOST is {host!r}, which ALLOWED_HOSTS doesn't have. Add it there, in lower "
            "case and without a port, as in admin.example.com."
        )
    return host


def database(url: str, *, is_pooled: bool = False) -> dict[str, Any]:
    """Return Django's settings for a database URL, PostgreSQL or SQLite, tuned for threads.

    `is_pooled`: the URL leads to a connection pooler, such as PgBouncer in transaction mode.

    Raises: ImproperlyConfigured if it leads to neither.
    """
    config = _parse_database_url(url)
    # Within a transaction usercache fills nothing: each request would go to the database.
    config["ATOMIC_REQUESTS"] = False
    if "postgresql" in config["ENGINE"]:
        config["ENGINE"] = "hiremebahamas.postgresql"
        options = _postgresql_options(is_pooled=is_pooled)
        # Such a cursor lives in a session, and the next statement may get another session.
        config["DISABLE_SERVER_SIDE_CURSORS"] = is_pooled
        # The pool keeps the connections; Django must give each back after its request.
        config["CONN_MAX_AGE"] = 0
    else:
        options = _sqlite_options()
    config["OPTIONS"] = {**options, **config.get("OPTIONS", {})}
    return config


def _parse_database_url(url: str) -> dict[str, Any]:
    engine = env.DB_SCHEMES.get(url.partition("://")[0], "")
    try:
        # Not before the scheme is known: it would warn, and show the password.
        if engine.endswith(("postgresql", "sqlite3")):
            config: dict[str, Any] = env.db_url_config(url)
            return config
    except ValueError:  # an invalid port
        pass
    raise ImproperlyConfigured(
        "DATABASE_URL leads to no PostgreSQL or SQLite. Write it as "
        "postgres://user:password@host:5432/name, or sqlite:////path/to/file."
    )


def _postgresql_options(*, is_pooled: bool) -> dict[str, Any]:
    seconds = read_float(
        "DATABASE_TIMEOUT_SECONDS",
        DATABASE_TIMEOUT_SECONDS,
        low=0.5,
        high=DATABASE_TIMEOUT_LONGEST_SECONDS,
    )
    return {
        "pool": {
            "min_size": POOL_MIN_CONNECTIONS,
            "max_size": read_int("DATABASE_POOL_MAX_CONNECTIONS", POOL_MAX_CONNECTIONS, low=1),
            "timeout": read_float("DATABASE_POOL_TIMEOUT_SECONDS", POOL_TIMEOUT_SECONDS, low=0.1),
            "reconnect_timeout": POOL_RECONNECT_TIMEOUT_SECONDS,
            "connection_class": BoundedConnection,
        },
        "request_bounds": Bounds(seconds, read_threads()),
        "command_bounds": Bounds(COMMAND_TIMEOUT_SECONDS),
        "connect_timeout": math.ceil(seconds),
        "tcp_user_timeout": int(seconds * MILLISECONDS),
        **KEEPALIVE,
        "is_pooled": is_pooled,
        "timeouts": {
            "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT_MILLISECONDS
        },
    }


def _sqlite_options() -> dict[str, Any]:
    return {
        # WAL: readers and the writer don't wait for each other.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        # A transaction that reads and then writes would fail at once if another had written in
        # between; one that takes the lock at its beginning waits for it.
        "transaction_mode": "IMMEDIATE",
        "timeout": SQLITE_LOCK_TIMEOUT_SECONDS,
    }


def caches(redis_url: str) -> dict[str, dict[str, Any]]:
    """Return Django's CACHES: the memory backend, and the shared one where there is a Redis."""
    configs: dict[str, dict[str, Any]] = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "usercache-local": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "usercache-local",
            "OPTIONS": {"MAX_ENTRIES": LOCAL_BACKEND_MAX_ENTRIES},
        },
    }
    if redis_url:
        configs["usercache"] = redis_cache(parse_redis_url(redis_url), _redis_options())
    return configs


def _redis_options() -> RedisOptions:
    return RedisOptions(
        timeout_seconds=read_float(
            "USERCACHE_REDIS_TIMEOUT_SECONDS", REDIS_TIMEOUT_SECONDS, low=0.01
        ),
        max_connections=read_int("USERCACHE_REDIS_MAX_CONNECTIONS", REDIS_MAX_CONNECTIONS, low=1),
        # Not through env(), as in secret().
        **{
            name: os.environ.get(f"REDIS_{name.upper()}", "")
            for name in (
                "ca_certs",
                "client_cert",
                "client_key",
                "sentinel_username",
                "sentinel_password",
            )
        },
    )
