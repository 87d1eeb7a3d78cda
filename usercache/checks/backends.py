"""Checks of CACHES and DATABASES: backends suit the protocol, and rows may be filled."""

from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.db import connections

from usercache.conf import conf
from usercache.orm.outbox import get_alias

OBSERVABILITY: Final = "usercache.observability"
TESTED_VENDORS: Final = ("postgresql", "sqlite")


def check_aliases(**_kwargs: Any) -> list[CheckMessage]:
    """Check that both backends are what the protocol needs (E010-E013, W014, E026, E046, E075)."""
    messages = list[CheckMessage]()
    local = conf.USERCACHE_MEMORY_ALIAS
    if local not in settings.CACHES or not isinstance(caches[local], LocMemCache):
        messages.append(
            Error(
                f"USERCACHE_MEMORY_ALIAS: CACHES has no LocMemCache called '{local}'.",
                hint="Add one with a LOCATION of its own; it serves while Redis can't.",
                id="usercache.E010",
            )
        )
    shared = conf.USERCACHE_REDIS_ALIAS
    if shared:
        # Here, so that a project without Redis needs no django-redis.
        try:
            from usercache.checks.redis import check_redis_alias  # noqa: PLC0415
        except ModuleNotFoundError as error:
            said = f"USERCACHE_REDIS_ALIAS is '{shared}', and there is no {error.name}."
            hint = 'Install what Redis needs: pip install "django-usercache[redis]".'
            return [*messages, Error(said, hint, id="usercache.E011")]
        messages += check_redis_alias(shared)
    return messages


def check_shadow(**_kwargs: Any) -> list[CheckMessage]:
    """Check that there is what shadow mode needs, where it is asked for (W061)."""
    if not conf.USERCACHE_SHADOW_SHARE:
        return []
    needed = {
        "Redis, in which `manage.py usercache` keeps users out of the cache": bool(
            conf.USERCACHE_REDIS_ALIAS
        ),
        "the app usercache.observability, which compares": apps.is_installed(OBSERVABILITY),
    }
    return [
        CheckWarning(
            f"USERCACHE_SHADOW_SHARE has no effect without {what}.",
            hint="Set USERCACHE_REDIS_ALIAS and add the app to INSTALLED_APPS, or leave the "
            "setting out.",
            id="usercache.W061",
        )
        for what, is_there in needed.items()
        if not is_there
    ]


def check_databases(**_kwargs: Any) -> list[CheckMessage]:
    """Check that look-ups aren't always inside a transaction (E015)."""
    return [
        Error(
            f"DATABASES['{alias}'] has AUTOCOMMIT off.",
            hint="Nothing may be filled inside a transaction, so every look-up would miss. Leave "
            "it on; ATOMIC_REQUESTS makes each request a transaction.",
            id="usercache.E015",
        )
        for alias in connections
        if not connections[alias].settings_dict["AUTOCOMMIT"]
    ]


def check_listen_alias(**_kwargs: Any) -> list[CheckMessage]:
    """Check that the relay's connection for notifications exists (E049)."""
    alias = conf.USERCACHE_LISTEN_ALIAS
    if not alias or alias in connections:
        return []
    return [
        Error(
            f"USERCACHE_LISTEN_ALIAS: DATABASES has no alias '{alias}'.",
            hint="Add one that leads to the users' database past the connection pooler, or leave "
            "the setting out where there is no pooler.",
            id="usercache.E049",
        )
    ]


def check_vendor(**_kwargs: Any) -> list[CheckMessage]:
    """Check that users are in a database on which the cache is tested (W048)."""
    alias = get_alias()
    vendor = connections[alias].vendor
    if vendor in TESTED_VENDORS:
        return []
    return [
        CheckWarning(
            f"DATABASES['{alias}'], where users are, is {vendor}: usercache is made for PostgreSQL "
            "and SQLite. Elsewhere it misses changes past the ORM, rows that "
            "bulk_create(update_conflicts=True) updates without unique_fields, and rows that "
            "come to match the filter of an update() while it runs.",
            hint="Call invalidate_user() after the commit of each such change; until then the old "
            "record is served for up to USERCACHE_TTL_SECONDS. docs/caveats.md has all of them.",
            id="usercache.W048",
        )
    ]
