"""Checks of CACHES and DATABASES: the tiers suit the protocol, requests are no transactions."""

from collections.abc import Collection, Iterator
from typing import Any, Final

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import connections
from django_redis.cache import RedisCache

from usercache.codec import get_codec
from usercache.conf import conf
from usercache.models import PendingInvalidation
from usercache.outbox import get_alias
from usercache.triggers import has_triggers, is_installed

LONGEST_TIMEOUT_SECONDS: Final = 1.0
"""What a request may lose to a Redis that hangs before it is worse than asking the database."""


def check_aliases(**_kwargs: Any) -> list[CheckMessage]:
    """Check that both tiers are what the protocol needs (E010 to E013, W014)."""
    messages = list[CheckMessage]()
    local = conf.USERCACHE_LOCAL_ALIAS
    if local not in settings.CACHES or not isinstance(caches[local], LocMemCache):
        messages.append(
            Error(
                f"USERCACHE_LOCAL_ALIAS: CACHES has no LocMemCache called '{local}'.",
                hint="Add one with a LOCATION of its own; it serves while Redis can't.",
                id="usercache.E010",
            )
        )
    shared = conf.USERCACHE_SHARED_ALIAS
    if shared:
        messages += _check_shared(shared)
    return messages


def check_databases(**_kwargs: Any) -> list[CheckMessage]:
    """Check that requests aren't transactions (E015)."""
    return [
        Error(
            f"DATABASES['{alias}'] has ATOMIC_REQUESTS on or AUTOCOMMIT off.",
            hint="Nothing may be filled inside a transaction, so every request would miss. Put "
            "transaction.atomic() around the writes instead.",
            id="usercache.E015",
        )
        for alias in connections
        if connections[alias].settings_dict["ATOMIC_REQUESTS"]
        or not connections[alias].settings_dict["AUTOCOMMIT"]
    ]


def check_triggers(*, databases: Collection[str] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Check that the user table has the triggers that the settings ask for (W017).

    Run by `migrate` and by `check --database`, since it asks the database.
    """
    alias = get_alias()
    connection = connections[alias]
    if alias not in (databases or ()) or not has_triggers(connection):
        return []
    tables = connection.introspection.table_names()
    if PendingInvalidation._meta.db_table not in tables or is_installed(connection, get_codec()):
        return []
    return [
        CheckWarning(
            "The user table's triggers don't watch the columns of USERCACHE_FIELDS.",
            hint="Run manage.py migrate, which installs them anew.",
            id="usercache.W017",
        )
    ]


def _check_shared(alias: str) -> Iterator[CheckMessage]:
    cache = caches[alias] if alias in settings.CACHES else None
    if not isinstance(cache, RedisCache):
        yield Error(
            f"USERCACHE_SHARED_ALIAS: CACHES has no django_redis RedisCache called '{alias}'.",
            hint='Add one, or set USERCACHE_SHARED_ALIAS = "" to go without a shared tier.',
            id="usercache.E011",
        )
        return
    options = settings.CACHES[alias].get("OPTIONS", {})
    pool = options.get("CONNECTION_POOL_KWARGS", {})
    if options.get("IGNORE_EXCEPTIONS") or getattr(
        settings, "DJANGO_REDIS_IGNORE_EXCEPTIONS", False
    ):
        yield Error(
            f"CACHES['{alias}'] ignores exceptions: a failed delete would pass for a done one.",
            hint="Leave IGNORE_EXCEPTIONS off; usercache catches and counts them itself.",
            id="usercache.E012",
        )
    if cache.make_key("x") != f"{cache.make_key('')}x" or pool.get("decode_responses"):
        yield Error(
            f"CACHES['{alias}'] has a KEY_FUNCTION that doesn't prefix, or decodes responses.",
            hint="Entries are bytes under a common prefix; use an alias without either.",
            id="usercache.E013",
        )
    if pool.get("cache") or pool.get("cache_config"):
        yield Error(
            f"CACHES['{alias}'] has redis-py cache what it reads, where no barrier is heard of.",
            hint="Leave cache and cache_config out; USERCACHE_NEAR_MAX_ENTRIES is for that.",
            id="usercache.E026",
        )
    timeouts = [
        pool.get("socket_timeout", options.get("SOCKET_TIMEOUT")),
        pool.get("socket_connect_timeout", options.get("SOCKET_CONNECT_TIMEOUT")),
    ]
    if not all(timeout and timeout <= LONGEST_TIMEOUT_SECONDS for timeout in timeouts):
        yield CheckWarning(
            f"CACHES['{alias}'] lets a request wait for Redis for more than "
            f"{LONGEST_TIMEOUT_SECONDS} second.",
            hint="Set socket_timeout and socket_connect_timeout in CONNECTION_POOL_KWARGS to "
            "0.25, and retry to Retry(NoBackoff(), 0).",
            id="usercache.W014",
        )
