"""How tests bring a user into the near tier."""

from collections.abc import Callable

from tests.waiting import wait_until
from usercache.keys import record_key
from usercache.process import get_store


def bring_near(pk: object, look_up: Callable[[], object]) -> None:
    """Look him up until he comes from there: a fill's own messages may be on their way."""
    wait_until(lambda: look_up() and is_near(pk), "the user is near")


def is_near(pk: object) -> bool:
    """Say whether a look-up of him would ask nobody."""
    store = get_store()
    near = store._near
    return near is not None and near.get(record_key(pk)) is not None
