"""What the settings read from the environment, and from the file `.env` beside manage.py."""

import os
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from hiremebahamas.redis_urls import parse_redis_url
from hiremebahamas.shared_cache import RedisOptions, redis_cache
from hiremebahamas.variables import read_float, read_int

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()

# HS256 needs a key at least as long as its digest. Source: RFC 7518, section 3.2.
SECRET_MIN_BYTES = 32
DEVELOPMENT_SECRET_PREFIX = "insecure-development-only-"  # noqa: S105 (says so itself)

# Every wait of a transaction, for a statement or for the application between two, ends well before
# usercache's barrier does (USERCACHE_BARRIER_TTL_SECONDS, 60 s): a transaction that outlived its
# barrier could commit a row that nobody invalidates. PostgreSQL 17's transaction_timeout would say
# it in one setting; older servers refuse a connection that names it.
STATEMENT_TIMEOUT_MILLISECONDS = 15_000
IDLE_IN_TRANSACTION_TIMEOUT_MILLISECONDS = 15_000
CONNECT_TIMEOUT_SECONDS = 5
POOL_MIN_CONNECTIONS = 1
POOL_MAX_CONNECTIONS = 20
POOL_TIMEOUT_SECONDS = 5
# A pool that tries to reconnect makes no other attempt, and doubles its pauses: after an outage of
# a minute it may wait for another half. Once it gives up, the next request makes it try at once.
POOL_RECONNECT_TIMEOUT_SECONDS = 2
SQLITE_LOCK_TIMEOUT_SECONDS = 5

REDIS_TIMEOUT_SECONDS = 0.25
REDIS_MAX_CONNECTIONS = 50
LOCAL_TIER_MAX_ENTRIES = 10_000


def read_env_file() -> None:
    """Add the file's variables; those of the process win. ENV_FILE names another file, or none."""
    path = Path(os.environ.get("ENV_FILE", BASE_DIR / ".env"))
    if path.is_file():
        env.read_env(path)


def secret(name: str, *, debug: bool) -> str:
    """Return the secret of that name, or a well-known one for development.

    Raises: ImproperlyConfigured if it is missing, too short, or development's in production.
    """
    # Not through env(): it takes a value that begins with "$" for another variable's name.
    value = os.environ.get(name, "")
    if not value and debug:
        return f"{DEVELOPMENT_SECRET_PREFIX}{name.lower().replace('_', '-')}"
    too_weak = len(value.encode()) < SECRET_MIN_BYTES or value.startswith(DEVELOPMENT_SECRET_PREFIX)
    if too_weak and not (debug and value):
        raise ImproperlyConfigured(
            f"Set {name}, in the environment or in .env, to a secret of at least "
            f"{SECRET_MIN_BYTES} bytes. Make one with: python -c "
            "'import secrets; print(secrets.token_urlsafe(48))'. "
            "Or set DEBUG=True, on a development machine only."
        )
    return value


def database(url: str) -> dict[str, Any]:
    """Return Django's settings for a database URL, PostgreSQL or SQLite, tuned for threads.

    Raises: ImproperlyConfigured if it leads to neither.
    """
    config = _parse_database_url(url)
    # Within a transaction usercache fills nothing: each request would go to the database.
    config["ATOMIC_REQUESTS"] = False
    if "postgresql" in config["ENGINE"]:
        options = _postgresql_options()
        # A connection may have died in the pool; found out before a request is given it.
        config["CONN_HEALTH_CHECKS"] = True
        # The pool keeps the connections; Django must give each back after its request.
        config["CONN_MAX_AGE"] = 0
    else:
        options = _sqlite_options()
    config["OPTIONS"] = {**options, **config.get("OPTIONS", {})}
    return config


def _parse_database_url(url: str) -> dict[str, Any]:
    engine = env.DB_SCHEMES.get(url.partition("://")[0], "")
    try:
        # Not before the scheme is known: it would warn, and tell the password.
        if engine.endswith(("postgresql", "sqlite3")):
            config: dict[str, Any] = env.db_url_config(url)
            return config
    except ValueError:  # its port is none
        pass
    raise ImproperlyConfigured(
        "DATABASE_URL leads to no PostgreSQL or SQLite. Spell it "
        "postgres://user:password@host:5432/name, or sqlite:////path/to/file."
    )


def _postgresql_options() -> dict[str, Any]:
    return {
        "pool": {
            "min_size": POOL_MIN_CONNECTIONS,
            "max_size": read_int("DATABASE_POOL_MAX_CONNECTIONS", POOL_MAX_CONNECTIONS, low=1),
            "timeout": read_float("DATABASE_POOL_TIMEOUT_SECONDS", POOL_TIMEOUT_SECONDS, low=0.1),
            "reconnect_timeout": POOL_RECONNECT_TIMEOUT_SECONDS,
        },
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "options": (
            f"-c statement_timeout={STATEMENT_TIMEOUT_MILLISECONDS} "
            "-c idle_in_transaction_session_timeout="
            f"{IDLE_IN_TRANSACTION_TIMEOUT_MILLISECONDS}"
        ),
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
    """Return Django's CACHES: the local tier, and the shared one where there is a Redis."""
    configs: dict[str, dict[str, Any]] = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "usercache-local": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "usercache-local",
            "OPTIONS": {"MAX_ENTRIES": LOCAL_TIER_MAX_ENTRIES},
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
