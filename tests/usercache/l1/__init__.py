"""How tests bring a user into the client-side cache."""

from collections.abc import Callable

from tests.waiting import wait_until
from usercache.keys import record_key
from usercache.runtime import get_store


def bring_l1(pk: object, look_up: Callable[[], object]) -> None:
    """Look him up until he comes from there: a fill's own messages may be on their way."""
    wait_until(lambda: look_up() and is_l1(pk), "the user is near")


def is_l1(pk: object) -> bool:
    """Say whether a look-up of him would ask nobody."""
    store = get_store()
    l1 = store.l1
    return l1 is not None and l1.get(record_key(pk)) is not None
