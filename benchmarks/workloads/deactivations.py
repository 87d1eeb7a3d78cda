"""A process that is busy reading, and one that deactivates the users it reads."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Final

from django.db import connection

from accounts.models import User
from usercache.l1.cache import ClientCache
from usercache.runtime import get_store
from usercache.users import get_user_by_id

PAUSE_SECONDS: Final = 0.02
"""Between two deactivations."""


def deactivate(pks: list[int]) -> list[tuple[float, float]]:
    """Deactivate one after the other; return for each when the save began and when it was done."""
    times = []
    for pk in pks:
        user = User.objects.get(pk=pk)
        user.is_active = False
        began = time.monotonic()
        user.save(update_fields=["is_active", "updated_at"])
        times.append((began, time.monotonic()))
        time.sleep(PAUSE_SECONDS)
    return times


def watch(pks: list[int], threads: int, seconds: float, *, asks_unread: bool) -> dict[int, float]:
    """Read these users at random; return when the last read of each that accepted them began.

    Without `asks_unread`, hits don't ask whether a message is still to be taken, so that only the
    listener's own thread ends them.
    """
    l1 = get_store().l1
    if isinstance(l1, ClientCache) and not asks_unread:
        l1._has_unread = bool
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(threads) as pool:
        watches = [pool.submit(_watch, pks, until, Random(number)) for number in range(threads)]
        seen = [watch.result() for watch in watches]
    return {pk: max(last[pk] for last in seen) for pk in pks}


def _watch(pks: list[int], until: float, random: Random) -> dict[int, float]:
    last, order = dict.fromkeys(pks, 0.0), list(pks)
    random.shuffle(order)
    while time.monotonic() < until:
        for pk in order:
            began = time.monotonic()
            user = get_user_by_id(pk)
            if user is not None and user.is_active:
                last[pk] = began
    connection.close()
    return last


def is_listening() -> bool:
    """Say whether the client-side cache is in use, beginning to listen if need be."""
    l1 = get_store().l1
    return l1 is None or l1.state == "on"


def wait_to_listen(wait_seconds: float) -> bool:
    """Wait until it is, and say so."""
    pause, deadline = threading.Event(), time.monotonic() + wait_seconds
    while not is_listening() and time.monotonic() < deadline:
        pause.wait(0.01)
    return is_listening()
