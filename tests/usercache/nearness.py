"""How tests bring a user into the near tier."""

from collections.abc import Callable

from tests.waiting import wait_until
from usercache.keys import record_key
from usercache.process import get_store


def bring_near(pk: object, look_up: Callable[[], object]) -> None:
    """Look him up until he comes from there: a fill's own messages may be on their way."""
    key, store = record_key(pk), get_store()
    wait_until(lambda: look_up() and store.recall(key), "the user is near")
