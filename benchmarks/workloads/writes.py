"""What it costs to save a user."""

import time
from random import Random
from typing import Final

from accounts.models import User

MICROSECONDS: Final = 1e6


def time_writes(first: int, count: int, seconds: float, seed: int) -> float:
    """Save random users for so long; return the microseconds that one save took.

    Loading the row is not part of it.
    """
    random, done, spent = Random(seed), 0, 0.0
    while spent < seconds:
        user = User.objects.get(pk=first + random.randrange(count))
        user.token_version += 1
        began = time.perf_counter()
        user.save(update_fields=["token_version", "updated_at"])
        spent += time.perf_counter() - began
        done += 1
    return spent / done * MICROSECONDS
