"""When to connect, and how long a connection counts as alive."""

from collections.abc import Iterator
from typing import cast

import pytest
from pytest_django import Settings

from tests.clocks import Clock
from tests.usercache.tracking.scripted import (
    A_MOMENT,
    BEGAN,
    HEARTBEAT_SECONDS,
    WINDOW_SECONDS,
    ScriptedConnection,
)
from usercache.backends.redis import RedisBackend
from usercache.l1.listener import Heartbeat
from usercache.runtime import get_store
from usercache.tracking.connection import TrackingConnection
from usercache.tracking.listener import are_current, connect, extend


class Primaries:
    """A backend with these pools, one for each primary."""

    def __init__(self, *pools: object) -> None:
        self.primaries = {str(number): pool for number, pool in enumerate(pools)}


class Connected:
    """A connection that was made from this pool."""

    def __init__(self, pool: object, *, is_current: bool = True) -> None:
        self.pool = pool
        self.is_current = is_current


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        ([Connected("a"), Connected("b")], True),
        ([Connected("a")], False),
        ([Connected("a"), Connected("b"), Connected("c")], False),
        ([Connected("a"), Connected("b", is_current=False)], False),
    ],
    ids=["each", "one is missing", "one is no more", "elsewhere by now"],
)
def test_connections_are_to_each_present_primary(
    connections: list[Connected], expected: bool
) -> None:
    """To those of the pools, where the pools would connect to now."""
    backend = cast(RedisBackend, Primaries("a", "b"))
    assert are_current(backend, cast("list[TrackingConnection]", connections)) is expected


def test_primaries_are_found_again_before_they_are_connected_to() -> None:
    """That a primary has moved may be why the last connections were lost."""

    class Cluster(Primaries):
        has_looked = False

        def find_primaries_again(self) -> None:
            self.has_looked = True

    cluster = Cluster()
    assert list(connect(cast(RedisBackend, cluster))) == []
    assert cluster.has_looked


@pytest.mark.parametrize("lacking", ["Redis", "L1"])
def test_nobody_listens_without_need(settings: Settings, lacking: str) -> None:
    """Where there is no Redis, or nothing is kept in front of it."""
    settings.USERCACHE_L1_MAX_ENTRIES = 0 if lacking == "L1" else 10
    store = get_store()
    if lacking == "Redis":
        store.redis = None
    store.l1 = None
    assert list(extend(store)) == []
    assert store.l1 is None


def is_due(heartbeat: Heartbeat) -> bool:
    return heartbeat.is_due


def last_beat_of_all(heartbeat: Heartbeat) -> float | None:
    return heartbeat.seen_alive_at


class TestHeart:
    """The heart by itself."""

    @pytest.fixture
    def clock(self) -> Clock:
        """Give a clock that stands still."""
        return Clock(BEGAN)

    @pytest.fixture
    def connections(self) -> Iterator[list[ScriptedConnection]]:
        """Give two connections."""
        connections = [ScriptedConnection(), ScriptedConnection()]
        yield connections
        for connection in connections:
            connection.close()

    @pytest.fixture
    def heartbeat(self, connections: list[ScriptedConnection], clock: Clock) -> Heartbeat:
        """Give one that was never sent."""
        return Heartbeat(cast("list[TrackingConnection]", connections), clock)

    def test_it_beats_at_once_on_every_line(
        self, heartbeat: Heartbeat, connections: list[ScriptedConnection]
    ) -> None:
        """And has seen nobody alive before the first answer."""
        assert is_due(heartbeat)
        heartbeat.beat()
        assert [connection.beats for connection in connections] == [1, 1]
        assert heartbeat.seen_alive_at is None

    def test_next_beat_waits_for_all_answers(
        self, heartbeat: Heartbeat, connections: list[ScriptedConnection], clock: Clock
    ) -> None:
        """And for half a second from the one before."""
        heartbeat.beat()
        assert heartbeat.seconds_to_wait == WINDOW_SECONDS
        clock.now += HEARTBEAT_SECONDS
        assert not is_due(heartbeat)
        heartbeat.note_answer(cast(TrackingConnection, connections[0]))
        assert not is_due(heartbeat)
        assert last_beat_of_all(heartbeat) is None
        heartbeat.note_answer(cast(TrackingConnection, connections[1]))
        assert last_beat_of_all(heartbeat) == BEGAN
        assert is_due(heartbeat)
        heartbeat.beat()
        for connection in connections:
            heartbeat.note_answer(cast(TrackingConnection, connection))
        assert last_beat_of_all(heartbeat) == BEGAN + HEARTBEAT_SECONDS
        assert heartbeat.seconds_to_wait == HEARTBEAT_SECONDS
        clock.now += HEARTBEAT_SECONDS - A_MOMENT
        assert not is_due(heartbeat)

    def test_it_gives_up_after_two_seconds(
        self, heartbeat: Heartbeat, connections: list[ScriptedConnection], clock: Clock
    ) -> None:
        """Though all connections but one have answered."""
        heartbeat.beat()
        heartbeat.note_answer(cast(TrackingConnection, connections[0]))
        clock.now += WINDOW_SECONDS - A_MOMENT
        assert not is_due(heartbeat)
        clock.now += 1
        assert heartbeat.seconds_to_wait == 0
        with pytest.raises(TimeoutError):
            assert is_due(heartbeat)
