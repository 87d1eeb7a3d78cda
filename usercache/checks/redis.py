"""Checks of the Redis alias; imported where a project has one."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import default_key_func
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django_redis.cache import RedisCache
from django_redis.client import DefaultClient

LONGEST_TIMEOUT_SECONDS: Final = 1.0
"""The longest acceptable timeout: a longer wait for Redis is worse than a query."""


def check_redis_alias(alias: str) -> Iterator[CheckMessage]:
    """Check that the alias keeps the protocol (E011 to E013, W014, E026, E046, E075)."""
    cache = caches[alias] if alias in settings.CACHES else None
    if not isinstance(cache, RedisCache):
        yield Error(
            f"USERCACHE_REDIS_ALIAS: CACHES has no django_redis RedisCache called '{alias}'.",
            hint='Add one, or set USERCACHE_REDIS_ALIAS = "" to go without Redis.',
            id="usercache.E011",
        )
        return
    try:
        _ = cache.client
    except ImproperlyConfigured as error:
        yield Error(
            f"CACHES['{alias}']: {error}",
            hint="Change the alias's OPTIONS, or install another redis-py, as the message says; or "
            'set USERCACHE_REDIS_ALIAS = "" to go without Redis until then.',
            id="usercache.E075",
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
    if not _has_fixed_prefix(cache, settings.CACHES[alias]):
        yield Error(
            f"CACHES['{alias}'] makes its keys at each call (KEY_FUNCTION, or a KEY_PREFIX or "
            "VERSION that isn't a plain value), and the cache asks once: one tenant's users would "
            "be served to all.",
            hint="Give usercache an alias with a plain KEY_PREFIX and VERSION. Where each tenant "
            "has its own users, authenticate with simplejwt's own JWTAuthentication.",
            id="usercache.E046",
        )
    if pool.get("cache") or pool.get("cache_config"):
        yield Error(
            f"CACHES['{alias}'] turns on redis-py's own cache, which ignores write markers.",
            hint="Leave cache and cache_config out; USERCACHE_L1_MAX_ENTRIES is for that.",
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


def _has_fixed_prefix(cache: "RedisCache[Any]", config: Mapping[str, Any]) -> bool:
    return (
        cache.key_func is default_key_func
        and type(cache).make_key is RedisCache.make_key
        and type(cache.client).make_key is DefaultClient.make_key
        and type(config.get("KEY_PREFIX", "")) is str
        and type(config.get("VERSION", 1)) is int
    )
