"""The cache that many projects write by hand: pickled users, deleted when one is saved."""

from typing import Any, Final

from django.core.cache import caches
from django.db.models.signals import post_save

from accounts.models import User
from benchmarks.settings import BENCHMARK_PEER, PEER_TTL_SECONDS

CACHE: Final = caches["peer"]


def format_key(pk: object) -> str:
    """Return `user:7`."""
    return f"user:{pk}"


def look_up(pk: int) -> User:
    """Return the user from the cache, or from the database and for the next time."""
    user: User | None = CACHE.get(format_key(pk))
    if user is None:
        user = User.objects.get(pk=pk)
        CACHE.set(format_key(pk), user, PEER_TTL_SECONDS)
    return user


def _forget(instance: User, **kwargs: Any) -> None:
    CACHE.delete(format_key(instance.pk))


if BENCHMARK_PEER == "pickled":
    post_save.connect(_forget, sender=User)
