"""The product's cache aliases, as a test wants them."""

import copy

from django.core.cache import caches
from pytest_django import Settings

from usercache.process import PROCESS
from usercache.tokens import get_verified_tokens

# For tests of something else: a machine that is slow for a moment is no Redis that hangs.
PATIENCE = {"socket_timeout": 10.0, "socket_connect_timeout": 10.0}


def empty_caches() -> None:
    """Forget every user, count and failure in this process, and every key in Redis."""
    PROCESS.stop()
    get_verified_tokens.cache_clear()
    # Or whichever test makes the first request would carry out the outbox as well.
    PROCESS._has_begun = True
    for alias in caches:
        caches[alias].clear()


def lead_shared_alias(settings: Settings, url: str, **pool: object) -> None:
    """Let the shared alias lead to another Redis, with these options of its connection pool."""
    aliases = copy.deepcopy(settings.CACHES)
    aliases["usercache"]["LOCATION"] = url
    aliases["usercache"]["OPTIONS"]["CONNECTION_POOL_KWARGS"].update(pool)
    settings.CACHES = aliases
