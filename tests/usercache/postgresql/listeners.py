"""What a process that listens to PostgreSQL has, and what is written beside it."""

from collections.abc import Callable
from typing import Any

from django.db import connection

from tests.users import User, sql
from tests.waiting import wait_until
from usercache.l1.listener import Answer, Changes
from usercache.l1.memory import ReportedMemory
from usercache.lookup import Store
from usercache.postgresql.listening import ListeningConnection
from usercache.runtime import RUNTIME
from usercache.users import get_user_by_id


def l1_of(store: Store) -> ReportedMemory:
    assert isinstance(store.memory_l1, ReportedMemory)
    return store.memory_l1


RENAME = sql("UPDATE {users} SET first_name = %s WHERE {pk} = %s")


def write(user: User, name: str) -> None:
    """Change the row as another process does: this one's cache isn't told."""
    execute(RENAME, name, user.pk)


def execute(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def name_of(user: User) -> str:
    found = get_user_by_id(user.pk)
    assert found is not None
    return str(found.first_name)


def warm(store: Store, user: User) -> None:
    """Look the user up until they come from L1: a message may still be under way."""
    key = f"user:id:{user.pk}"
    wait_until(lambda: get_user_by_id(user.pk) and l1_of(store).get(key), "the user is in memory")


def is_seen(user: User, name: str) -> Callable[[], bool]:
    return lambda: name_of(user) == name


def take(listener: ListeningConnection) -> list[Changes | Answer]:
    return wait_until(lambda: list(listener.take()), "a message comes")


def stop_listening() -> None:
    """Let nobody listen: whatever has used the cache has made a store."""
    RUNTIME.stop()
    wait_until(lambda: count_locks(granted=True) == 0, "nobody listens")


def count_locks(*, granted: bool) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted = %s", [granted]
        )
        return int(cursor.fetchone()[0])
