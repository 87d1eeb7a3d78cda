"""Which threads wait for PostgreSQL, for how long, and which are refused."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from hiremebahamas.postgresql.gate import RUNTIME, Bounds, DatabaseHangsError, Gate
from tests.waiting import wait_until


class Server:
    """A server that answers a probe when told to."""

    def __init__(self) -> None:
        self.is_alive = False
        self.probes = 0
        self.may_probe = threading.Event()

    def probe(self) -> bool:
        self.probes += 1
        return self.is_alive

    def pause(self, _seconds: float) -> None:
        assert self.may_probe.wait(30)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[Server]:
    """Let its probes end with the test."""
    server = Server()
    yield server
    server.is_alive = True
    server.may_probe.set()


def make_gate(server: Server, bounds: Bounds, clock: Clock | None = None) -> Gate:
    return Gate(bounds, server.probe, clock=clock or Clock(), pause=server.pause)


def test_a_wait_has_the_bound_of_its_process(server: Server) -> None:
    """None where there is none."""
    for seconds in (5.0, None):
        with make_gate(server, Bounds(seconds)).waiting() as given:
            assert given == seconds


def test_a_wait_within_another_has_what_is_left(server: Server) -> None:
    """As the check of a connection within the wait for one; past the deadline that is nothing."""
    clock = Clock()
    gate = make_gate(server, Bounds(5.0), clock)
    with gate.waiting():
        clock.now += 3
        with gate.waiting() as left:
            assert left == 2
        clock.now += 3
        with gate.waiting() as left:
            assert left == 0
    with gate.waiting() as seconds:
        assert seconds == 5


def test_the_last_thread_waits_for_a_fifth(server: Server) -> None:
    """It might be wanted for somebody who needs no database; those before it have all their time.

    One that has ended its wait counts no more.
    """
    gate = make_gate(server, Bounds(5.0, threads=3))
    given: list[float | None] = []
    waiting, ended = threading.Barrier(3), threading.Event()

    def wait() -> None:
        with gate.waiting() as seconds:
            given.append(seconds)
            waiting.wait()
            ended.wait()

    threads = [threading.Thread(target=wait) for _ in range(2)]
    for thread in threads:
        thread.start()
    waiting.wait()
    with gate.waiting() as seconds:
        assert seconds == 1
    ended.set()
    for thread in threads:
        thread.join()
    with gate.waiting() as seconds:
        given.append(seconds)
    assert given == [5, 5, 5]


@pytest.mark.parametrize("threads", [0, 1])
def test_where_no_thread_can_be_kept_free_each_has_all_its_time(
    server: Server, threads: int
) -> None:
    """A command's, and the only one of a process."""
    with make_gate(server, Bounds(5.0, threads)).waiting() as seconds:
        assert seconds == 5


def test_a_shut_gate_refuses_until_a_probe_is_answered(server: Server) -> None:
    """At once, and every one of them; the probe is made by none of them, and once for all."""
    gate = make_gate(server, Bounds(5.0))
    gate.shut()
    gate.shut()
    wait_until(lambda: server.probes == 1, "a probe was made")
    with pytest.raises(DatabaseHangsError), gate.waiting():
        pass
    assert server.probes == 1
    server.is_alive = True
    server.may_probe.set()
    wait_until(lambda: not gate.is_shut, "the gate is open")
    with gate.waiting() as seconds:
        assert seconds == 5


def test_a_wait_under_way_goes_on_when_the_gate_shuts(server: Server) -> None:
    """And its inner ones, which have a deadline already."""
    gate = make_gate(server, Bounds(5.0))
    with ExitStack() as stack:
        stack.enter_context(gate.waiting())
        gate.shut()
        with gate.waiting() as left:
            assert left == 5


def test_a_forked_process_begins_with_gates_of_its_own(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parent's probe is a thread that it hasn't."""
    monkeypatch.setattr(RUNTIME, "_gates", {})
    gate = make_gate(server, Bounds(5.0))
    assert RUNTIME.get_gate("elsewhere", lambda: gate) is gate
    RUNTIME.forget_gates()
    other = make_gate(server, Bounds(5.0))
    assert RUNTIME.get_gate("elsewhere", lambda: other) is other


def test_gate_stays_open_where_nothing_can_probe(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is out of threads would otherwise refuse the database for good."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    gate = make_gate(server, Bounds(5.0))
    gate.shut()
    assert not gate.is_shut
