"""Writes of every kind, and what waits in the outbox after them."""

from collections.abc import Callable, Sequence

import pytest
from django.db import connection

from tests.concurrency import WAIT_SECONDS
from tests.users import User
from usercache.keys import EXTENSION_PREFIX
from usercache.models import PendingInvalidation
from usercache.users import get_user_by_id


def raw_sql(statement: str, *parameters: int) -> None:
    table = connection.ops.quote_name(User._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(statement.format(users=table), parameters)


def first_name(user: User) -> str:
    found = get_user_by_id(user.pk)
    assert found is not None
    return found.first_name


def waiting() -> list[str]:
    # Carrying out twice is as good as once, and so is noting.
    users = PendingInvalidation.objects.exclude(user_id__startswith=EXTENSION_PREFIX)
    return sorted(set(users.values_list("user_id", flat=True)))


WRITES: dict[str, Callable[[User], object]] = {
    "save": lambda user: user.save(),
    "update": lambda user: User.objects.filter(pk=user.pk).update(first_name="x"),
    "bulk_update": lambda user: User.objects.bulk_update([user], ["first_name"]),
    "delete": lambda user: user.delete(),
    "query set delete": lambda user: User.objects.filter(pk=user.pk).delete(),
    "upsert": lambda user: User.objects.bulk_create(
        [User(email=user.email, first_name="x", password="!")],
        update_conflicts=True,
        update_fields=["first_name"],
        unique_fields=["email"],
    ),
}
by_each_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())


class Told:
    """What the outbox is drained to, and confirms everything."""

    def __init__(self) -> None:
        self.told = list[Sequence[str]]()

    def invalidate(self, keys: Sequence[str]) -> bool:
        self.told.append(keys)
        return True

    def invalidate_all(self) -> bool:
        raise AssertionError("nobody asked for that")


def terminate_backend(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, %s)", [pid, WAIT_SECONDS * 1000])
    connection.close()
