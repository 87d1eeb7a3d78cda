"""Short tasks on threads that no caller waits for."""

import threading
from collections.abc import Callable
from typing import ParamSpec

from redis.exceptions import ConnectionError as RedisConnectionError

P = ParamSpec("P")


def start_thread(
    name: str, task: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
) -> None:
    """Run the task on a thread that doesn't keep the process alive.

    Raises:
        redis.ConnectionError: no thread can be started, for want of memory or because the
            interpreter is on its way out.
    """
    thread = threading.Thread(target=task, name=name, args=args, kwargs=kwargs, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise RedisConnectionError(f"Redis can't be looked for: {error}.") from error
