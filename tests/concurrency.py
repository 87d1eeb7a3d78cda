"""Two requests at once, and the database's own word on which waits for the other."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection, connections

from tests import waiting
from tests.waiting import wait_until

T = TypeVar("T")

WAIT_SECONDS = waiting.WAIT_SECONDS


def run_together(calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Run each call in a thread of its own, all from the same moment; return what came of them."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T | Exception:
        try:
            start.wait(WAIT_SECONDS)
            return call()
        except Exception as error:  # noqa: BLE001 (it is the result)
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def wait_for_lock_waiters(count: int) -> None:
    """Wait until that many connections wait for another's lock.

    On SQLite, which can't say, return at once: there, the second one waits for all of the
    first one's transaction, and there is nothing in between to see.
    """
    if connection.vendor == "postgresql":
        wait_until(lambda: _count_lock_waiters() >= count, f"{count} wait for a lock")


def _count_lock_waiters() -> int:
    with connection.cursor() as cursor:
        # Not pg_stat_activity: within a transaction it is a snapshot.
        cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0])
