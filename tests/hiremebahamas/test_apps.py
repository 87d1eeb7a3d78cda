"""What the project changes in Django for all processes."""

from unittest import mock

from django.conf import settings
from django.core.cache import BaseCache, caches, close_caches
from django.core.signals import request_finished
from django_redis.client import DefaultClient


def test_no_cache_is_closed_after_a_request() -> None:
    """None of them has anything to close, which each would be asked after every request."""
    with mock.patch.object(DefaultClient, "do_close_clients") as close:
        for alias in settings.CACHES:
            is_redis = alias == "usercache"
            assert is_redis or type(caches[alias]).close is BaseCache.close
            caches[alias].close()
    assert not close.called
    assert close_caches not in [receiver() for _, receiver, *_ in request_finished.receivers]
