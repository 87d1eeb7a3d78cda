"""The listener on scripted connections: what the client-side cache serves, and for how long."""

import gc
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, cast

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError

from tests.clocks import Clock
from tests.counting import counted_events, counts_of
from tests.usercache.tracking.scripted import (
    A_MOMENT,
    BEGAN,
    HEARTBEAT_SECONDS,
    WINDOW_SECONDS,
    ScriptedConnection,
)
from tests.waiting import wait_until
from usercache.codec import Record
from usercache.l1.cache import ClientCache
from usercache.l1.listener import Answer, Changes, Listener
from usercache.tracking.connection import TrackingConnection

KEY, OTHER = "user:id:7", "user:id:8"
RECORD = Record((7, "alice@example.com"), 1)
FOR_LONG = 300.0


class World:
    """A listener and its client-side cache, on a clock that stands still."""

    def __init__(self) -> None:
        self.clock = Clock(BEGAN)
        self.l1 = ClientCache(10, clock=self.clock)
        self.events = counted_events()
        self.is_wanted = self.are_current = True
        self.fault: RedisError | None = None
        self.connections = list[ScriptedConnection]()
        self.connection_count = 1
        self.listener = Listener(
            self.l1,
            self.events,
            connect=self.connect,
            are_current=lambda _connections: self.are_current,
            errors=(RedisError,),
            is_wanted=lambda: self.is_wanted,
            clock=self.clock,
        )

    def connect(self) -> Iterable[TrackingConnection]:
        """Make connections, and fail after them if there is a fault."""
        self.are_current = True
        for _ in range(self.connection_count):
            self.connections.append(ScriptedConnection())
            yield cast(TrackingConnection, self.connections[-1])
        if self.fault is not None:
            raise self.fault

    def listen(self) -> Sequence[ScriptedConnection]:
        """Wait for a heartbeat on each of the present connections."""
        self.listener.start()
        wait_until(self.has_beaten, "the heartbeat beats")
        return self.connections[-self.connection_count :]

    def lose(self, connection: ScriptedConnection, error: RedisError) -> None:
        """Fail this connection, and wait until the listener has closed it.

        The error is counted and logged before, so that an open connection need not be the next one.
        """
        connection.say(error)
        wait_until(lambda: connection.is_closed, "the lost connection is closed")

    def has_beaten(self) -> bool:
        """Say whether the present connections are waited for."""
        present = self.connections[-self.connection_count :]
        return len(present) == self.connection_count and all(
            connection.beats and not connection.is_closed for connection in present
        )

    def is_used(self) -> bool:
        """Say whether hits can come from memory."""
        return self.l1.is_used

    def hold(self, *keys: str) -> None:
        """Keep a record under each key."""
        for key in keys:
            self.l1.put(key, RECORD, self.l1.snapshot_versions([key])[key], FOR_LONG)

    def errors(self) -> dict[str, int]:
        """Return what was counted."""
        return {name: n for name, n in counts_of(self.events).items() if name.startswith("errors_")}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Give a world whose listener connects again at once."""
    monkeypatch.setattr("usercache.l1.listener.PAUSE_SECONDS", 0.0)
    world = World()
    yield world
    world.listener.end()
    assert not world.listener._worker.is_alive
    assert all(connection.is_closed for connection in world.connections)


def test_window_begins_when_the_answered_heartbeat_was_sent(world: World) -> None:
    """The answer may have been on its way for long, and what came after it isn't known."""
    [connection] = world.listen()
    assert not world.is_used()
    world.clock.now += 1.5
    connection.say(Answer.HEARTBEAT)
    wait_until(world.is_used, "the answer is taken")
    world.clock.now = BEGAN + WINDOW_SECONDS - A_MOMENT
    assert world.is_used()
    world.clock.now = BEGAN + WINDOW_SECONDS
    assert not world.is_used()


def test_heartbeats_prolong_the_window(world: World) -> None:
    """Each that is answered, half a second after the one before."""
    [connection] = world.listen()
    for number in range(1, 6):
        assert connection.beats == number
        connection.say(Answer.HEARTBEAT)
        until = world.clock.now + WINDOW_SECONDS
        wait_until(lambda: world.l1._valid_until == until, "the window is prolonged")  # noqa: B023  # at once
        world.clock.now += HEARTBEAT_SECONDS
        connection.say()
        wait_until(lambda: connection.beats == number + 1, "the heartbeat beats again")  # noqa: B023  # at once


def test_confirmed_tracking_is_no_sign_of_life(world: World) -> None:
    """It is the heartbeat that says which server this is."""
    [connection] = world.listen()
    connection.say(Answer.TRACKING)
    wait_until(lambda: connection.has_said_all, "it is taken")
    connection.say(Changes([KEY]))
    wait_until(lambda: connection.has_said_all, "the next is taken")
    assert not world.is_used()


def test_every_connection_must_answer(world: World) -> None:
    """One primary's sign of life says nothing about what another has to tell."""
    world.connection_count = 2
    first, second = world.listen()
    first.say(Answer.HEARTBEAT)
    wait_until(lambda: first.has_said_all, "it is taken")
    first.say(Changes([KEY]))
    wait_until(lambda: first.has_said_all, "the next is taken")
    assert not world.is_used()
    second.say(Answer.HEARTBEAT)
    wait_until(world.is_used, "both have answered")


def test_silence_of_two_seconds_ends_the_connections(world: World) -> None:
    """Not before; it is counted, and others are made."""
    [connection] = world.listen()
    world.clock.now += WINDOW_SECONDS - A_MOMENT
    connection.say(Changes([KEY]))
    wait_until(lambda: connection.has_said_all, "it still listens")
    assert not connection.is_hung_up()
    world.clock.now += A_MOMENT
    connection.say()
    wait_until(lambda: len(world.connections) == 2, "another connection is made")
    assert connection.is_hung_up()
    assert connection.beats == 1
    assert world.errors() == {"errors_listening_TimeoutError": 1}


def test_what_is_told_is_dropped(world: World) -> None:
    """A key at a time, or all of them."""
    [connection] = world.listen()
    assert world.l1._has_unread == world.listener._has_unread
    connection.say(Answer.HEARTBEAT)
    wait_until(world.is_used, "it is used")
    world.hold(KEY, OTHER)
    connection.say(Changes([KEY]))
    wait_until(lambda: world.l1.get(KEY) is None and world.l1.get(OTHER), "one is dropped")
    connection.say(Changes(None))
    wait_until(lambda: len(world.l1) == 0, "the other, too")
    assert not connection.is_hung_up()


def test_nothing_is_served_amid_a_message(world: World) -> None:
    """Its rest may name the very key."""
    [connection] = world.listen()
    connection.say(Answer.HEARTBEAT)
    wait_until(world.is_used, "it is used")
    world.hold(KEY)
    wait_until(lambda: world.l1.get(KEY), "it is served")
    connection.is_amid_message = True
    connection.say(Changes([]))
    wait_until(lambda: connection.has_said_all and not world.listener._has_unread(), "it is taken")
    assert world.l1.get(KEY) is None
    connection.is_amid_message = False
    connection.say(Changes([]))
    wait_until(lambda: world.l1.get(KEY), "it is served again")


def test_nothing_is_served_while_messages_are_handled(world: World) -> None:
    """They are no longer unread, and their keys not yet dropped."""
    [connection] = world.listen()
    connection.say(Answer.HEARTBEAT)
    wait_until(world.is_used, "it is used")
    world.hold(KEY)
    served = list[Record | None]()
    connection.at_take = lambda: served.append(world.l1.get(KEY))
    connection.say(Changes([OTHER]))
    wait_until(lambda: world.l1.get(KEY), "it is served again")
    assert served == [None]


def test_connections_are_compared_with_the_primaries(world: World) -> None:
    """At each heartbeat, though all is well on them: a new primary has told nothing yet."""
    [connection] = world.listen()
    connection.say(Answer.HEARTBEAT)
    wait_until(world.is_used, "it is used")
    world.hold(KEY)
    world.are_current = False
    world.clock.now += HEARTBEAT_SECONDS
    connection.say()
    wait_until(lambda: len(world.connections) == 2, "another connection is made")
    assert connection.is_hung_up()
    assert connection.beats == 1
    assert not world.is_used()
    assert len(world.l1) == 0
    assert world.errors() == {}


def test_it_listens_only_while_that_is_of_use(world: World) -> None:
    """Not while the breaker is open."""
    [connection] = world.listen()
    connection.say(Answer.HEARTBEAT)
    wait_until(world.is_used, "it is used")
    world.is_wanted = False
    connection.say()
    wait_until(lambda: connection.is_closed, "it hangs up")
    assert not world.is_used()
    assert len(world.connections) == 1
    world.is_wanted = True
    wait_until(lambda: len(world.connections) == 2, "another connection is made")


def test_losses_are_counted_each_and_logged_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Until there was a sign of life: then the next loss is news."""

    def said() -> int:
        return len([r for r in caplog.records if r.name == "usercache.l1.listener"])

    for _ in range(3):
        [connection] = world.listen()
        world.lose(connection, RedisConnectionError("lost"))
    assert world.errors() == {"errors_listening_ConnectionError": 3}
    assert said() == 1
    [connection] = world.listen()
    world.lose(connection, ReadOnlyError("replica"))
    assert said() == 2
    [connection] = world.listen()
    connection.say(Answer.HEARTBEAT)
    wait_until(world.is_used, "it lives")
    world.lose(connection, ReadOnlyError("replica"))
    assert said() == 3
    assert world.errors() == {
        "errors_listening_ConnectionError": 3,
        "errors_listening_ReadOnlyError": 2,
    }


class Pauses(threading.Event):
    """An event that notes for how long it is waited for, and lets nobody wait."""

    def __init__(self) -> None:
        super().__init__()
        self.noted = list[float | None]()

    def wait(self, timeout: float | None = None) -> bool:
        """Note it."""
        self.noted.append(timeout)
        return super().wait(0)


def test_tries_are_a_pause_apart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between half of it and all of it, at random, so that processes don't come in step."""
    monkeypatch.setattr("usercache.l1.listener.PAUSE_SECONDS", 8.0)
    pauses = world.listener._worker.ended = Pauses()
    world.connection_count, world.fault = 0, RedisConnectionError("nobody there")
    world.listener.start()
    wait_until(lambda: len(pauses.noted) >= 100, "it tries again and again")
    world.listener.end()
    noted = [pause for pause in pauses.noted if pause is not None]
    assert 4.0 <= min(noted) < 5.0
    assert 7.0 < max(noted) <= 8.0
    assert world.errors()["errors_listening_ConnectionError"] <= len(noted)


def test_connections_of_a_failed_try_are_closed(world: World) -> None:
    """Where one primary can't be reached, the connections to the others aren't left open."""
    world.connection_count, world.fault = 2, RedisConnectionError("no third")
    world.listener.start()
    wait_until(lambda: len(world.connections) >= 4, "it tries again")
    assert all(
        connection.is_closed and not connection.beats for connection in world.connections[:2]
    )
    assert not world.is_used()


def test_nothing_is_served_after_an_unexpected_error(world: World) -> None:
    """The thread goes on, with new connections and nothing of what was held."""
    world.listener._worker._restart_seconds = 0.0
    [connection] = world.listen()
    connection.say(Answer.HEARTBEAT)
    wait_until(world.is_used, "it is used")
    world.hold(KEY)
    connection.say(cast(Any, "nonsense"))
    wait_until(lambda: connection.is_closed, "it hangs up")
    assert not world.is_used()
    assert len(world.l1) == 0
    wait_until(world.has_beaten, "another connection is listened to")
    assert world.errors() == {"errors_unexpected_AttributeError": 1}


class Bell:
    """A listener's bell, which notes what the thread finds when it is woken."""

    def __init__(self, listener: Listener) -> None:
        assert listener._bell is not None
        self._bell = listener._bell
        self._is_ended = listener._worker.ended.is_set
        self.noted = list[bool]()

    def shutdown(self, how: int) -> None:
        """Note it, and wake the thread."""
        self.noted.append(self._is_ended())
        self._bell.shutdown(how)

    def close(self) -> None:
        """Close it."""
        self._bell.close()


def test_thread_knows_of_its_end_when_it_is_woken(world: World) -> None:
    """Or it would go on, and be woken by nothing more."""
    world.listen()
    bell = Bell(world.listener)
    world.listener._bell = cast(socket.socket, bell)
    world.listener.end()
    assert bell.noted[0]


@pytest.mark.parametrize("has_epoll", [True, False])
def test_unread_messages_are_seen_on_every_system(
    world: World, monkeypatch: pytest.MonkeyPatch, has_epoll: bool
) -> None:
    """By every hit, which never waits for them."""
    if not has_epoll:
        monkeypatch.delattr(selectors, "EpollSelector", raising=False)
        monkeypatch.setattr(selectors, "DefaultSelector", selectors.SelectSelector)
    here, there = socket.socketpair()
    with here, there, world.listener._open_selector() as selector:
        has_unread = world.listener._has_unread
        assert isinstance(has_unread, partial)
        assert has_unread.args[0] == 0  # seconds
        selector.register(here, selectors.EVENT_READ)
        assert not has_unread()
        there.send(b"x")
        assert has_unread()
        here.recv(1)
        assert not has_unread()


Watch = Callable[[], object]


def test_hits_never_wait_for_unread_bytes(world: World) -> None:
    """Where there are none, as nearly always, a thousand questions are a matter of milliseconds."""
    world.listener._open_selector()
    began = time.monotonic()
    for _ in range(1000):
        assert not world.listener._has_unread()
    assert time.monotonic() - began < 100 * HEARTBEAT_SECONDS


def test_what_asks_for_unread_bytes_owns_what_it_asks(world: World) -> None:
    """A look-up may still hold it when the listener is gone, and file numbers are used again."""
    listener = world.listener
    selector = listener._open_selector()
    has_unread: Watch = listener._has_unread
    connection = ScriptedConnection()
    selector.register(connection, 1)
    assert not has_unread()
    connection.say()
    assert has_unread()
    listener._selector = None
    del selector
    gc.collect()
    strangers = [ScriptedConnection() for _ in range(10)]
    for stranger in strangers:
        stranger.say()
    assert not has_unread()
    for each in (connection, *strangers):
        each.close()
