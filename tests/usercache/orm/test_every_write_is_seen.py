"""Whatever a query set does to users, the look-ups after it show the rows that there are then."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import DatabaseError
from pytest_django import Settings

from tests.usercache.operations import (
    NEXT,
    ONE_AFTER,
    WRITES,
    Operation,
    Surround,
    Surroundings,
    empty_tables,
    in_surroundings,
    make_cast,
)
from tests.users import User
from usercache.conf import conf
from usercache.users import (
    get_user_by_email,
    get_user_by_id,
    get_user_by_phone,
    get_user_by_username,
    get_users_by_ids,
    invalidate_all_users,
)

pytestmark = pytest.mark.django_db(transaction=True)

LOOK_UPS: dict[str, Callable[[Any], User | None]] = {
    "pk": get_user_by_id,
    "email": get_user_by_email,
    "username": get_user_by_username,
    "phone": get_user_by_phone,
}
# The id that a row's key is changed to may be cached as absent: see docs/caveats.md.
NOT_SEEN_AT_ONCE = {"update the key", "_raw_delete"}

Columns = dict[str, object]


@in_surroundings
@pytest.mark.parametrize("kind", WRITES)
def test_every_write_is_seen(kind: str, surround: Surround, settings: Settings) -> None:
    """By every key, those of before and those of after."""
    settings.USERCACHE_WRITE_MARKER_WAIT_SECONDS = 0.0  # for a write that was rolled back
    wrong = {
        name: differences
        for number, (name, operation) in enumerate(WRITES[kind].items())
        if name not in NOT_SEEN_AT_ONCE and (differences := play(operation, surround(number)))
    }
    assert wrong == {}


def play(operation: Operation, surroundings: Surroundings) -> list[object]:
    empty_tables()
    make_cast()
    invalidate_all_users()
    before = identifiers_in_use()
    asked: list[tuple[str, Any]] = [("pk", pk) for pk in (NEXT, ONE_AFTER)]
    asked += [("email", f"{name}@example.com") for name in ("new", "newer")]
    look_all_up(before + asked)

    def attempt() -> None:
        # Each error is compared with Django's own in test_same_as_django.py.
        try:
            operation(User.objects.all())
        except Exception:  # noqa: BLE001  # any of them may leave rows behind
            return

    with suppress(DatabaseError):  # an operation failed within it
        surroundings(attempt)
    rows = list(User._base_manager.all())
    differences: list[object] = []
    for identifier, value in dict.fromkeys(before + asked + identifiers_in_use()):
        shown = columns_of(LOOK_UPS[identifier](value))
        found = [columns_of(user) for user in rows if getattr(user, identifier) == value]
        if found != ([] if shown is None else [shown]):
            differences.append((identifier, value, shown, found))
    return differences


def identifiers_in_use() -> list[tuple[str, Any]]:
    rows = User._base_manager.values("pk", "email", "username", "phone")
    return [(name, value) for row in rows for name, value in row.items() if value is not None]


def look_all_up(identifiers: list[tuple[str, Any]]) -> None:
    get_users_by_ids([value for identifier, value in identifiers if identifier == "pk"])
    for identifier, value in identifiers:
        LOOK_UPS[identifier](value)


def columns_of(user: User | None) -> Columns | None:
    return None if user is None else {name: getattr(user, name) for name in conf.USERCACHE_FIELDS}
