"""For the tests of projects that switch the cache off in their test settings."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.test import override_settings

from usercache.runtime import get_store


@contextmanager
def cached_users() -> Iterator[None]:
    """Let users be cached in a block or a decorated test: in process memory, which starts empty.

    Nothing is filled inside a transaction, so such a test commits: a `TransactionTestCase`, or
    pytest-django's `transaction=True`.
    """
    with override_settings(USERCACHE_ENABLED=True, USERCACHE_REDIS_ALIAS=""):
        get_store().empty_memory()
        try:
            yield
        finally:
            get_store().empty_memory()
