"""Whether something can be read is known at once, of sockets and of selectors."""

import selectors
import socket
from collections.abc import Iterator

import pytest

from usercache.readiness import Readiness


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection."""
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_something_and_the_end_are_ready(ends: tuple[socket.socket, socket.socket]) -> None:
    """Nothing isn't, before and after."""
    near, far = ends
    readiness = Readiness(near.fileno())
    assert not readiness()
    far.sendall(b"x")
    assert readiness()
    near.recv(1)
    assert not readiness()
    far.close()
    assert readiness()


def test_selector_is_ready_with_any_of_its_own(ends: tuple[socket.socket, socket.socket]) -> None:
    """Those that are added later as well, until they are taken away."""
    near, far = ends
    with selectors.DefaultSelector() as selector:
        readiness = Readiness(selector.fileno())
        far.sendall(b"x")
        assert not readiness()
        selector.register(near, selectors.EVENT_READ)
        assert readiness()
        selector.unregister(near)
        assert not readiness()
