"""Whether something can be read is known at once, of sockets and of selectors."""

import selectors
import socket
from collections.abc import Iterator

import pytest

from usercache import readiness


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection."""
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_something_and_the_end_are_ready(ends: tuple[socket.socket, socket.socket]) -> None:
    """Nothing isn't, before and after."""
    near, far = ends
    can_read = readiness.watch(near.fileno())
    assert not can_read()
    far.sendall(b"x")
    assert can_read()
    near.recv(1)
    assert not can_read()
    far.close()
    assert can_read()


def test_selector_is_ready_with_any_of_its_own(ends: tuple[socket.socket, socket.socket]) -> None:
    """Those that are added later as well, until they are taken away."""
    near, far = ends
    with selectors.DefaultSelector() as selector:
        can_read = readiness.watch(selector.fileno())
        far.sendall(b"x")
        assert not can_read()
        selector.register(near, selectors.EVENT_READ)
        assert can_read()
        selector.unregister(near)
        assert not can_read()
