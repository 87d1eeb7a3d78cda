"""Orders in which a look-up of permissions and a write of them can meet, with the shipped code.

Readers ask for a cached user's permissions, one writer changes a membership, a group or a name in a
transaction that commits, rolls back or is killed; Redis and PostgreSQL are real. A read is stale
when it returns what was before a commit that was visible when it first asked Redis.
"""

from collections.abc import Callable, Iterable
from functools import partial

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.cache import caches
from django.db import connection, connections, transaction
from pytest_django import Settings

from tests.sizes import sizes
from tests.usercache.permissions.conftest import Parish, ask, from_cache, from_database
from tests.usercache.stepping import (
    Actor,
    Choices,
    every_schedule,
    gate,
    make_gated_store,
    play,
    some_schedules,
)
from usercache.conf import conf
from usercache.orm.outbox import drain
from usercache.permissions.backends import CachedModelBackend
from usercache.postgresql.labels import CLOSING
from usercache.runtime import RUNTIME, get_store
from usercache.users import get_user_by_id

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

SEED = 20_261_127
a_few_or_all = sizes("schedules", short=partial(some_schedules, 8, SEED), long=every_schedule)
a_few_or_some = sizes(
    "schedules",
    short=partial(some_schedules, 15, SEED),
    long=partial(some_schedules, 600, SEED),
)

Schedules = Callable[[], Iterable[Choices]]
Answer = tuple[set[str], set[str], set[str]] | None


class RollbackError(Exception):
    """End a transaction without a commit."""


class World:
    """Alice's permissions, before and after one write."""

    def __init__(self, parish: Parish, write: Callable[[Parish], object], crash_at: str) -> None:
        self.parish, self.write, self.crash_at = parish, write, crash_at
        self.is_committed = False
        self.began: dict[Actor, bool] = {}
        self.before: Answer = from_database(parish.alice.pk)
        self.writer = Actor("writer", self._write)

    def reader(self) -> Actor:
        """Make somebody who asks once, for a user of their own."""
        return Actor("reader", partial(self._read, get_user_by_id(self.parish.alice.pk)))

    def step(self, actor: Actor) -> None:
        """Move the actor to its next gate, or kill it."""
        if actor is self.writer and actor.at is not None and actor.at == self.crash_at:
            actor.crash()
            return
        if actor is not self.writer:
            self.began.setdefault(actor, self.is_committed)
        actor.step()

    def _read(self, user: object) -> Answer:
        with connection.execute_wrapper(partial(_gated, ("SELECT", "(SELECT"), "load")):
            answer = ask(CachedModelBackend(), user)
        connections.close_all()
        return answer

    def _write(self) -> None:
        try:
            with connection.execute_wrapper(
                partial(_gated, ("INSERT", "UPDATE", "DELETE"), "write")
            ):
                self._commit()
        except RollbackError:
            pass
        finally:
            connections.close_all()

    def _commit(self) -> None:
        with transaction.atomic():
            transaction.on_commit(self._note_commit)
            self.write(self.parish)
            gate("commit")

    def _note_commit(self) -> None:
        self.is_committed = True


def _gated(
    statements: tuple[str, ...],
    name: str,
    execute: Callable[..., object],
    sql: str,
    *args: object,
) -> object:
    if sql.rpartition(CLOSING)[2].startswith(statements):  # a label may stand before it
        gate(name)
    return execute(sql, *args)


def rename(parish: Parish) -> None:
    permission = Permission.objects.get(pk=parish.read.pk)
    permission.codename = "browse"
    permission.save()


def roll_back(parish: Parish) -> None:
    parish.alice.groups.clear()
    gate("roll back")
    raise RollbackError


WRITES: dict[str, Callable[[Parish], object]] = {
    "user.groups.add": lambda parish: parish.alice.groups.add(parish.editors),
    "user.groups.remove": lambda parish: parish.alice.groups.remove(parish.staff),
    "group.user_set.clear": lambda parish: parish.staff.user_set.clear(),
    "user.user_permissions.add": lambda parish: parish.alice.user_permissions.add(parish.sell),
    "group.permissions.add": lambda parish: parish.staff.permissions.add(parish.sell),
    "permission.group_set.remove": lambda parish: parish.read.group_set.remove(parish.staff),
    "group.delete": lambda parish: Group.objects.get(pk=parish.staff.pk).delete(),
    "rename": rename,
    "roll back": roll_back,
}
CRASHES = ("", "write", "commit", "clear_markers")


@pytest.fixture(autouse=True)
def _gated_store(settings: Settings, monkeypatch: pytest.MonkeyPatch, parish: Parish) -> None:
    settings.USERCACHE_FILL_LOCK_WAIT_SECONDS = settings.USERCACHE_WRITE_MARKER_WAIT_SECONDS = 0
    monkeypatch.setattr(RUNTIME, "_store", make_gated_store())


def run(
    parish: Parish,
    choices: Choices,
    write: Callable[[Parish], object],
    *,
    readers: int = 1,
    is_warm: bool = False,
    crash_at: str = "",
) -> None:
    """Play one schedule and fail where anything stale was or is served."""
    start_again(parish)
    caches[conf.USERCACHE_REDIS_ALIAS].clear()
    world = World(parish, write, crash_at)
    if is_warm:
        assert from_cache(parish.alice.pk) == world.before
    reading = [world.reader() for _ in range(readers)]
    play([*reading, world.writer], choices, lambda _actor: True, world.step)
    after = from_database(parish.alice.pk)
    for actor, began in world.began.items():
        allowed = [after] if began else [world.before, after]
        assert actor.result in allowed, f"stale read in schedule {choices.taken}"
    assert from_cache(parish.alice.pk) == after, f"stale record after schedule {choices.taken}"


def start_again(parish: Parish) -> None:
    Group.objects.get_or_create(pk=parish.staff.pk, name="staff")
    Permission.objects.filter(pk=parish.read.pk).update(codename="read")
    parish.staff.permissions.set([parish.read, parish.lend])
    parish.alice.groups.set([parish.staff])
    parish.alice.user_permissions.set([parish.mend])
    drain(get_store(), overdue_only=False)


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("name", WRITES)
@a_few_or_all
def test_one_reader_and_one_writer(
    parish: Parish, name: str, is_warm: bool, schedules: Schedules
) -> None:
    """In every order, no answer is stale and nothing stale is left."""
    for choices in schedules():
        run(parish, choices, WRITES[name], is_warm=is_warm)


@pytest.mark.parametrize("crash_at", CRASHES[1:])
@a_few_or_all
def test_writer_who_is_killed(parish: Parish, crash_at: str, schedules: Schedules) -> None:
    """Before its statement, before its commit, or between the commit and the invalidation."""
    for choices in schedules():
        run(parish, choices, WRITES["user.groups.add"], is_warm=True, crash_at=crash_at)


@pytest.mark.parametrize("name", ["user.groups.remove", "group.permissions.add", "rename"])
@a_few_or_some
def test_two_readers_and_one_writer(parish: Parish, name: str, schedules: Schedules) -> None:
    """In hundreds of orders of two readers that may fill the records for each other."""
    for choices in schedules():
        run(parish, choices, WRITES[name], readers=2)
