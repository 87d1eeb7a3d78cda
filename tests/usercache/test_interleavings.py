"""Every order in which readers and writers of one user can meet, with the code that is shipped.

Readers call `get_user_by_id`, writers save instances or update query sets in transactions that
commit, roll back, roll back to a savepoint, or are killed; Redis and PostgreSQL are real. A read
is stale when it returns an older version than was committed when it first asked Redis; an entry
is stale when the look-up after everybody has finished returns anything but the row.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import pytest
from django.core.cache import caches
from django.db import connection, connections, transaction
from django.db.models import F
from pytest_django import Settings

from tests.sizes import sizes
from tests.usercache.conftest import MakeUser
from tests.usercache.stepping import (
    Actor,
    Choices,
    every_schedule,
    gate,
    make_gated_store,
    play,
    some_schedules,
)
from tests.users import User
from usercache.backends import lua
from usercache.backends.base import MOST_HOLDERS
from usercache.conf import conf
from usercache.keys import record_key
from usercache.lookup import FIRST_PAUSE_SECONDS
from usercache.models import PendingInvalidation
from usercache.orm.outbox import drain
from usercache.postgresql.labels import CLOSING
from usercache.runtime import RUNTIME, get_store
from usercache.users import get_user_by_id

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

SEED = 20_261_124
SOME_SCHEDULES = 300
A_FEW = partial(some_schedules, 25, SEED)

a_few_or_all = sizes("schedules", short=A_FEW, long=every_schedule)
a_few_or_some = sizes("schedules", short=A_FEW, long=partial(some_schedules, SOME_SCHEDULES, SEED))
a_few_or_twice_as_many = sizes(
    "schedules", short=A_FEW, long=partial(some_schedules, 2 * SOME_SCHEDULES, SEED)
)

Schedules = Callable[[], Iterable[Choices]]


class RollbackError(Exception):
    """End a transaction without a commit."""


class World:
    """One user's row, the cache before it, and who is at work on them."""

    def __init__(self, pk: int) -> None:
        self.pk = pk
        self.committed = 0
        self.lock_holder: Actor | None = None
        self.began: dict[Actor, int] = {}
        self.crashing: dict[Actor, str] = {}
        self.moved: set[Actor] = set()
        self.twins: dict[Actor, Actor] = {}
        """Each begins only after its twin: orders that differ by a swap of equals are one."""

    def evictor(self) -> Actor:
        """Make somebody who takes the key out of Redis, whatever it holds."""
        return Actor("evictor", self._evict)

    def reader(self) -> Actor:
        """Make somebody who looks the user up once."""
        return Actor("reader", self._read)

    def writer(self, write: Callable[["World"], None], crash_at: str = "") -> Actor:
        """Make somebody who changes the user once, or is killed at a gate on the way."""
        actor = Actor("writer", lambda: self._write(actor, write))
        if crash_at:
            self.crashing[actor] = crash_at
        return actor

    def can_step(self, actor: Actor) -> bool:
        """Say whether the actor would get on: a row that another has updated is locked."""
        if (twin := self.twins.get(actor)) is not None and twin not in self.moved:
            return False
        return actor.at != "update" or self.lock_holder in (None, actor)

    def step(self, actor: Actor) -> None:
        """Move the actor to its next gate, or kill it."""
        self.moved.add(actor)
        if self.crashing.get(actor) == actor.at:
            actor.crash()
            return
        if actor.at == "update":
            self.lock_holder = actor
        elif actor.at in ("get", "acquire_fill_locks"):
            self.began.setdefault(actor, self.committed)
        actor.step()

    def twin(self, make: Callable[[], Actor]) -> list[Actor]:
        """Make two actors who do the same."""
        first, second = make(), make()
        self.twins[second] = first
        return [first, second]

    def note_commit(self) -> None:
        """Count a commit, in the moment after it and before the invalidation."""
        self.committed += 1

    def _evict(self) -> None:
        gate("evict")
        caches[conf.USERCACHE_REDIS_ALIAS].delete(record_key(self.pk))

    def _read(self) -> object:
        with connection.execute_wrapper(_gate_before("SELECT", "load")):
            user = get_user_by_id(self.pk)
        connections.close_all()
        assert user is not None
        return user.token_version

    def _write(self, actor: Actor, write: Callable[["World"], None]) -> None:
        try:
            with connection.execute_wrapper(_gate_before("UPDATE", "update")):
                write(self)
        finally:
            if self.lock_holder is actor:
                self.lock_holder = None
            connections.close_all()


def _gate_before(statement: str, name: str) -> Callable[..., object]:
    def wrapper(execute: Callable[..., object], sql: str, *args: object) -> object:
        if sql.rpartition(CLOSING)[2].startswith(statement):  # a label may stand before it
            gate(name)
        return execute(sql, *args)

    return wrapper


def update(world: World) -> None:
    """Change the row through the query set, and commit."""
    with transaction.atomic():
        transaction.on_commit(world.note_commit)
        User.objects.filter(pk=world.pk).update(token_version=F("token_version") + 1)
        gate("commit")


def save(world: World) -> None:
    """Change the row through an instance, and commit."""
    with transaction.atomic():
        transaction.on_commit(world.note_commit)
        User(pk=world.pk, token_version=F("token_version") + 1).save(
            update_fields=["token_version"]
        )
        gate("commit")


def roll_back(world: World) -> None:
    """Change the row and take it back."""
    try:
        with transaction.atomic():
            User.objects.filter(pk=world.pk).update(token_version=F("token_version") + 1)
            gate("roll back")
            raise RollbackError
    except RollbackError:
        return


def roll_back_to_savepoint(world: World) -> None:
    """Change the row twice, take the second change back, and commit the first."""
    with transaction.atomic():
        transaction.on_commit(world.note_commit)
        User.objects.filter(pk=world.pk).update(token_version=F("token_version") + 1)
        try:
            with transaction.atomic():
                User.objects.filter(pk=world.pk).update(token_version=F("token_version") + 5)
                raise RollbackError
        except RollbackError:
            gate("commit")


def update_at_once(world: World) -> None:
    """Change the row and commit in one step, as an autocommit statement does."""
    with transaction.atomic():
        transaction.on_commit(world.note_commit)
        User.objects.filter(pk=world.pk).update(token_version=F("token_version") + 1)


@pytest.fixture(autouse=True, params=[False, True], ids=["redis alone", "l1"])
def _gated_store(
    request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put a gate before each of the backend's operations; a look-up never waits for another.

    With a client-side cache in front of it, a look-up takes the fill lock in its first operation.
    """
    settings.USERCACHE_FILL_LOCK_WAIT_SECONDS = settings.USERCACHE_WRITE_MARKER_WAIT_SECONDS = 0
    get_store()  # the first of a process begins to renew write markers
    monkeypatch.setattr(RUNTIME, "_store", make_gated_store(has_l1=request.param))


def run(
    pk: int,
    choices: Choices,
    cast: Callable[[World], Sequence[Actor]],
    *,
    is_warm: bool = False,
    loses_keys: bool = False,
) -> None:
    """Play one schedule and fail where anything stale was or is served.

    Where the key may be lost, as by eviction, a read may be stale, but nothing may stay so once
    the outbox is drained.
    """
    User.objects.filter(pk=pk).update(token_version=0)
    caches[conf.USERCACHE_REDIS_ALIAS].clear()
    if is_warm:
        get_user_by_id(pk)
    world = World(pk)
    actors = cast(world)
    play(actors, choices, world.can_step, world.step)
    if loses_keys:
        drain(get_store(), overdue_only=False)
    for actor, began in world.began.items():
        assert actor.result is not None
        assert loses_keys or actor.result >= began, f"stale read in schedule {choices.taken}"  # type: ignore[operator]
    row = User.objects.values_list("token_version", flat=True).get(pk=pk)
    assert row == world.committed
    user = get_user_by_id(pk)
    assert user is not None
    assert user.token_version == row, f"stale entry after schedule {choices.taken}"


ONE_WRITER = {
    "update": (update, ""),
    "save": (save, ""),
    "rollback": (roll_back, ""),
    "savepoint": (roll_back_to_savepoint, ""),
    "killed before the update": (update, "update"),
    "killed before the commit": (update, "commit"),
    "killed before the invalidation": (update, "clear_markers"),
}


COMMITTING = [update, save, update_at_once, roll_back_to_savepoint]
GATES = ["", "", "", "set_markers", "update", "commit", "clear_markers"]
"""Where a writer drawn by chance is killed; mostly nowhere."""


@a_few_or_all
@pytest.mark.parametrize("crash_at", ["", "clear_markers"], ids=["finishes", "is killed"])
def test_lost_marker(make_user: MakeUser, crash_at: str, schedules: Schedules) -> None:
    """A write marker may be evicted and its writer killed: the outbox mends what stays behind."""
    pk = make_user("alice").pk
    for choices in schedules():
        run(
            pk,
            choices,
            lambda world: [
                world.reader(),
                world.writer(update_at_once, crash_at),
                world.evictor(),
            ],
            loses_keys=True,
        )
    assert not PendingInvalidation.objects.exists()


@pytest.mark.parametrize("is_warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize(("write", "crash_at"), ONE_WRITER.values(), ids=ONE_WRITER.keys())
def test_one_reader_and_one_writer(
    make_user: MakeUser, write: Callable[[World], None], crash_at: str, is_warm: bool
) -> None:
    """In every order, no read is stale and nothing stale is left."""
    pk = make_user("alice").pk
    for choices in every_schedule():
        run(
            pk,
            choices,
            lambda world: [world.reader(), world.writer(write, crash_at)],
            is_warm=is_warm,
        )


@a_few_or_all
def test_one_reader_and_two_writers(make_user: MakeUser, schedules: Schedules) -> None:
    """In every order of a reader and two committing writers."""
    pk = make_user("alice").pk
    for choices in schedules():
        run(
            pk,
            choices,
            lambda world: [
                world.reader(),
                *world.twin(lambda: world.writer(update_at_once)),
            ],
        )


@a_few_or_some
def test_writers_whose_holders_are_merged(
    make_user: MakeUser, monkeypatch: pytest.MonkeyPatch, schedules: Schedules
) -> None:
    """In hundreds of orders of a reader, a writer who is killed after his commit, and another.

    The write marker can't tell the two writers apart: it must outlast both.
    """
    bound = f"while #kept > {MOST_HOLDERS} do"
    assert bound in lua.SET_MARKERS
    monkeypatch.setattr(lua, "SET_MARKERS", lua.SET_MARKERS.replace(bound, "while #kept > 1 do"))
    pk = make_user("alice").pk
    for choices in schedules():
        run(
            pk,
            choices,
            lambda world: [
                world.reader(),
                world.writer(update_at_once, "clear_markers"),
                world.writer(update_at_once),
            ],
        )


@pytest.mark.parametrize(
    ("write", "crash_at"),
    [(update, ""), (roll_back, ""), (update, "clear_markers")],
    ids=["commits", "rolls back", "is killed"],
)
def test_reader_who_waits_for_the_writer(
    make_user: MakeUser, settings: Settings, write: Callable[[World], None], crash_at: str
) -> None:
    """In every order of a writer and a reader who looks again before he asks the database."""
    settings.USERCACHE_WRITE_MARKER_WAIT_SECONDS = FIRST_PAUSE_SECONDS
    pk = make_user("alice").pk
    for choices in every_schedule():
        run(
            pk,
            choices,
            lambda world: [world.reader(), world.writer(write, crash_at)],
            is_warm=True,
        )


@a_few_or_twice_as_many
def test_two_readers_and_one_writer(make_user: MakeUser, schedules: Schedules) -> None:
    """In hundreds of orders of two readers, one of which fills, and a committing writer."""
    pk = make_user("alice").pk
    for choices in schedules():
        run(
            pk,
            choices,
            lambda world: [*world.twin(world.reader), world.writer(update_at_once)],
        )


@a_few_or_some
def test_two_readers_and_two_writers_by_chance(make_user: MakeUser, schedules: Schedules) -> None:
    """In hundreds of orders by chance, whatever the writers do and wherever they are killed."""
    pk = make_user("alice").pk
    draw = random.Random(SEED)
    for choices in schedules():
        writes = [draw.choice([*COMMITTING, roll_back]) for _ in range(2)]
        crashes = [draw.choice(GATES) for _ in range(2)]
        run(
            pk,
            choices,
            lambda world: [
                world.reader(),
                world.reader(),
                *map(world.writer, writes, crashes),  # noqa: B023  # called within the iteration
            ],
            is_warm=draw.random() < 0.5,  # every other time
        )
