"""What Django's own query set does to users, ours does: the same rows, result and error."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.db import models

from tests.usercache.operations import (
    MEMBER,
    OPERATIONS,
    PARKED,
    PKS,
    Operation,
    Surround,
    Surroundings,
    Users,
    empty_tables,
    in_surroundings,
    make_cast,
)
from tests.users import User

pytestmark = pytest.mark.django_db(transaction=True)


class Outcome(NamedTuple):
    """What an operation has come to."""

    said: list[str]
    """Its result or error, and that of a query after it in the same transaction."""
    ended: str
    rows: list[dict[str, object]]
    members: list[tuple[Any, ...]]


@in_surroundings
@pytest.mark.parametrize("kind", OPERATIONS)
def test_same_as_django(kind: str, surround: Surround) -> None:
    """Run by itself, within transactions and savepoints, and with autocommit off."""
    differences = {}
    for number, (name, operation) in enumerate(OPERATIONS[kind].items()):
        surroundings = surround(number)
        ours = run(operation, User.objects.all(), surroundings)
        theirs = run(operation, models.QuerySet(User), surroundings)
        if ours != theirs:
            differences[name] = compare(ours, theirs)
    assert differences == {}


def compare(ours: Outcome, theirs: Outcome) -> dict[str, object]:
    pairs = zip(Outcome._fields, ours, theirs, strict=True)
    return {name: (mine, stock) for name, mine, stock in pairs if mine != stock}


def run(operation: Operation, users: Users, surroundings: Surroundings) -> Outcome:
    empty_tables()
    make_cast()
    said: list[str] = []

    def attempt() -> None:
        said.append(describe(lambda: operation(users)))
        said.append(describe(User._base_manager.count))

    ended = describe(lambda: surroundings(attempt))
    return Outcome(said, ended, read_rows(), read_members())


def describe(call: Callable[[], object]) -> str:
    """Return the call's result or error in words, without what no two runs have in common."""
    try:
        return format_all(call())
    except Exception as error:  # noqa: BLE001  # it is the result
        return f"{type(error).__qualname__}: {str(error).splitlines()[0]}"


def format_all(result: object) -> str:
    if isinstance(result, User):
        pk = result.pk if result.pk in (None, *PKS) else "new"
        return f"user {pk} {result.email} {result.first_name} {result._state.adding}"
    if isinstance(result, dict):
        return format_all([*result.items()])
    if isinstance(result, list | tuple):
        return f"{type(result).__name__}[{', '.join(map(format_all, result))}]"
    return repr(result)


def read_rows() -> list[dict[str, object]]:
    rows = User._base_manager.order_by("email", "pk").values()
    return [{name: plain_value(name, value) for name, value in row.items()} for row in rows]


def plain_value(name: str, value: object) -> object:
    if name == User._meta.pk.name and value not in PKS:
        return "new"
    if name in ("created_at", "updated_at") and value != PARKED:
        return "later"
    return value


def read_members() -> list[tuple[Any, ...]]:
    members = User.groups.through._base_manager.values_list("group__name", f"{MEMBER}__email")
    return sorted(members)
