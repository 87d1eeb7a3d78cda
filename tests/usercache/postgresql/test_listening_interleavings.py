"""Orders in which a listener begins, others write, and this process reads, with the shipped code.

PostgreSQL is real, with its triggers, locks and notifications, and so are the listening connection,
process memory and the client-side cache before it. The writers are other programs: nobody but
PostgreSQL tells this process of them. A read is stale when it returns an older version than was
committed when it began.
"""

import select
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connection, connections
from pytest_django import Settings

from tests.clocks import Clock
from tests.counting import counted_events
from tests.sizes import sizes
from tests.usercache.conftest import MakeUser
from tests.usercache.stepping import (
    Actor,
    Choices,
    GatedBackend,
    every_schedule,
    gate,
    play,
    some_schedules,
)
from tests.users import sql
from tests.waiting import wait_until
from usercache.backends import memory
from usercache.conf import conf
from usercache.l1.listener import Listener
from usercache.l1.memory import ReportedMemory
from usercache.lookup import Store
from usercache.postgresql import listening
from usercache.postgresql.listening import ListeningConnection
from usercache.runtime import RUNTIME
from usercache.users import get_user_by_id

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

SEED = 20_261_127
Schedules = Callable[[], Iterable[Choices]]
a_few_or_many = sizes(
    "schedules",
    short=partial(some_schedules, 40, SEED),
    long=partial(some_schedules, 1000, SEED),
)
a_few_or_all = sizes("schedules", short=partial(some_schedules, 40, SEED), long=every_schedule)

warm_or_cold = pytest.mark.parametrize("is_warm", [True, False], ids=["warm", "cold"])

FLAG, BARRIER = "pg_advisory_lock_shared", "pg_advisory_xact_lock("
UPDATE = sql("UPDATE {users} SET {token_version} = {token_version} + 1 WHERE {pk} = %s")
RESET = sql("UPDATE {users} SET {token_version} = 0 WHERE {pk} = %s")


class World:
    """One user's row, this process's memory of them, and who is at work."""

    def __init__(self, pk: int, *, is_late: bool = False) -> None:
        self.pk, self.is_late = pk, is_late
        self.committed = 0
        self.began: dict[Actor, int] = {}
        self.silent: set[Actor] = set()
        """Writers who found nobody listening and haven't committed."""
        self.lock_holder: Actor | None = None
        self.is_flagged = False
        self.line: ListeningConnection | None = None
        real = memory.connect(conf.USERCACHE_MEMORY_ALIAS)
        self.l1 = ReportedMemory(real, 10)
        self.l1._clock = Clock()
        self.store = Store(
            memory=GatedBackend(real),  # type: ignore[arg-type]
            events=counted_events(),
            random=lambda: 0.0,
            sleep=lambda _seconds: None,
        )
        self.store.memory_l1 = self.l1

    # -- the actors' parts

    def read(self) -> object:
        gate("begin")
        with connection.execute_wrapper(_gate_before_load):
            user = get_user_by_id(self.pk)
        connections.close_all()
        assert user is not None
        return user.token_version

    def write(self) -> None:
        with psycopg.connect(**connection.get_connection_params()) as session:
            gate("update")
            session.execute(UPDATE, [self.pk])
            gate("commit")

    def listen(self) -> None:
        self.begin_listening()
        for _ in range(2):
            self.take()

    def begin_listening(self) -> None:
        self.line = listening.connect()
        connections.close_all()
        self.l1.watch(bool if self.is_late else self.has_unread)
        self.l1.extend_validity(1e12)

    def take(self) -> None:
        listener: Any = SimpleNamespace(_l1=self.l1)
        gate("take")
        assert self.line is not None
        # No heartbeat is under way.
        Listener._take(listener, [self.line], SimpleNamespace())  # type: ignore[arg-type]

    def has_unread(self) -> bool:
        return self.line is not None and has_arrived(self.line)

    # -- the scheduler's part

    def can_step(self, actor: Actor) -> bool:
        """Say whether the actor would get on, or wait for a lock in PostgreSQL."""
        if actor.at == "update":
            return self.lock_holder in (None, actor)
        return actor.at != "barrier" or not self.silent

    def step(self, actor: Actor) -> None:
        at = actor.at
        if at == "begin":
            self.began[actor] = self.committed
        elif at == "flag":
            self.is_flagged = True
        elif at == "update":
            self.lock_holder = actor
            # PostgreSQL makes a listener wait for the others as well; they don't hide anything.
            self.silent.add(actor)
        was_flagged = self.is_flagged
        actor.step()
        if at == "update":
            actor.notifies = was_flagged  # type: ignore[attr-defined]
        if at == "commit":
            self.lock_holder = None
            self.silent.discard(actor)
            self.committed += 1
            if actor.notifies and self.line is not None:  # type: ignore[attr-defined]
                wait_until(partial(has_arrived, self.line), "the message has arrived")


def has_arrived(line: ListeningConnection) -> bool:
    """Say whether the socket has something to read."""
    return bool(select.select([line], [], [], 0)[0])


def _gate_before_load(execute: Callable[..., object], statement: str, *args: object) -> object:
    gate("load")
    return execute(statement, *args)


@pytest.fixture(autouse=True)
def _gated(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a gate before each statement with which a listener begins."""
    settings.USERCACHE_REDIS_ALIAS = ""
    settings.USERCACHE_FILL_LOCK_WAIT_SECONDS = 0
    ask = ListeningConnection._ask

    def gated(self: ListeningConnection, statement: str) -> tuple[bytes, ...]:
        if FLAG in statement:
            gate("flag")
        elif BARRIER in statement:
            gate("barrier")
        elif "LISTEN" in statement:
            gate("listen")
        return ask(self, statement)

    monkeypatch.setattr(ListeningConnection, "_ask", gated)
    monkeypatch.setattr("usercache.postgresql.triggers.is_installed", lambda *_: True)


@pytest.fixture
def play_once(make_user: MakeUser, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    """Play one schedule."""
    pk = make_user("alice").pk

    def run(
        choices: Choices,
        *names: str,
        begins: bool = False,
        is_warm: bool = False,
        is_late: bool = False,
    ) -> World:
        with connection.cursor() as cursor:
            cursor.execute(RESET, [pk])
        world = World(pk, is_late=is_late)
        monkeypatch.setattr(RUNTIME, "_store", world.store)
        if not begins:
            world.is_flagged = True
            world.begin_listening()
        for _ in range(2 * is_warm):
            get_user_by_id(pk)
        plays = {"reader": world.read, "writer": world.write}
        plays["listener"] = world.listen if begins else world.take
        play([Actor(name, plays[name]) for name in names], choices, world.can_step, world.step)
        return world

    return run


def finish(world: World, choices: Choices) -> None:
    """Take what is left, and fail where anything stale would be served from then on."""
    assert world.line is not None
    with closing(world.line):
        world.take()
        for _ in range(3):
            user = get_user_by_id(world.pk)
            assert user is not None
            assert user.token_version == world.committed, f"stale entry: {choices.taken}"


def expect_no_stale_read(world: World, choices: Choices) -> None:
    for actor, began in world.began.items():
        assert isinstance(actor.result, int)
        assert actor.result >= began, f"stale read in schedule {choices.taken}"


@a_few_or_many
def test_listener_that_begins(play_once: Callable[..., World], schedules: Schedules) -> None:
    """Among two reads and two writes, whichever of them notify: what has arrived is obeyed."""
    for choices in schedules():
        world = play_once(choices, "listener", "reader", "reader", "writer", "writer", begins=True)
        expect_no_stale_read(world, choices)
        finish(world, choices)


@a_few_or_all
@warm_or_cold
def test_reader_and_writer_beside_a_listener(
    play_once: Callable[..., World], schedules: Schedules, is_warm: bool
) -> None:
    """In every order of a read, a write, and the taking of its message."""
    for choices in schedules():
        world = play_once(choices, "listener", "reader", "writer", is_warm=is_warm)
        expect_no_stale_read(world, choices)
        finish(world, choices)


@a_few_or_many
@warm_or_cold
def test_messages_that_arrive_late(
    play_once: Callable[..., World], schedules: Schedules, is_warm: bool
) -> None:
    """A read may be stale until the message is taken; nothing stays stale after it."""
    for choices in schedules():
        world = play_once(
            choices, "listener", "reader", "reader", "writer", is_warm=is_warm, is_late=True
        )
        finish(world, choices)
