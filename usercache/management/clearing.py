"""Invalidate users for an operator, and describe the outcome."""

from collections.abc import Sequence
from typing import Any

from usercache.codec import get_codec
from usercache.keys import record_key
from usercache.management.inspection import inspect_fully
from usercache.runtime import get_store
from usercache.users import invalidate_all_users, invalidate_user


def clear_users(pks: Sequence[Any]) -> str:
    """Invalidate these users as a write would, and describe the outcome.

    Raises:
        django.db.Error: the database can't be reached.
    """
    for pk in pks:
        row = inspect_fully(pk).row or {}
        invalidate_user(pk, **{name: row.get(name) for name in get_codec().identifiers})
    return _describe_outcome(f"Forgot {', '.join(map(record_key, pks))}.")


def clear_all_users() -> str:
    """Invalidate every user, and describe the outcome.

    Raises:
        django.db.Error: the database can't be reached.
    """
    invalidate_all_users()
    return _describe_outcome("Forgot all users.")


def _describe_outcome(done: str) -> str:
    redis = get_store().redis
    if redis is None:
        return "There is no Redis: each process remembers users for itself, for some seconds."
    if redis.breaker.is_closed:
        return done
    return (
        "Redis can't be reached. What to forget is noted in the outbox, and is forgotten before "
        "Redis is used again."
    )
