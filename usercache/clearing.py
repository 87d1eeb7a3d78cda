"""Have the cache forget users because an operator wants it, and say what came of it."""

from collections.abc import Sequence
from typing import Any

from usercache.codec import get_codec
from usercache.inspection import inspect_fully
from usercache.keys import record_key
from usercache.process import get_store
from usercache.users import invalidate_all_users, invalidate_user


def clear_users(pks: Sequence[Any]) -> str:
    """Invalidate these users as a write would, and return in words what was done.

    Raises:
        django.db.Error: the database can't be asked.
    """
    for pk in pks:
        row = inspect_fully(pk).row or {}
        invalidate_user(pk, **{name: row.get(name) for name in get_codec().identifiers})
    return _describe_outcome(f"Forgot {', '.join(map(record_key, pks))}.")


def clear_all_users() -> str:
    """Invalidate everybody, and return in words what was done.

    Raises:
        django.db.Error: the database can't be asked.
    """
    invalidate_all_users()
    return _describe_outcome("Forgot all users.")


def _describe_outcome(done: str) -> str:
    shared = get_store().shared
    if shared is None:
        return "There is no Redis: each process remembers users for itself, for some seconds."
    if shared.breaker.is_closed:
        return done
    return (
        "Redis can't be reached. What to forget is noted in the outbox, and is forgotten before "
        "Redis is used again."
    )
