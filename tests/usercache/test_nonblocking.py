"""What has come is known, and taken, at once."""

import selectors
import socket
from collections.abc import Iterator

import pytest

from usercache import nonblocking


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection."""
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_something_and_the_end_are_ready(ends: tuple[socket.socket, socket.socket]) -> None:
    """Nothing isn't, before and after."""
    near, far = ends
    can_read = nonblocking.watch(near.fileno())
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
        can_read = nonblocking.watch(selector.fileno())
        far.sendall(b"x")
        assert not can_read()
        selector.register(near, selectors.EVENT_READ)
        assert can_read()
        selector.unregister(near)
        assert not can_read()


def test_what_has_come_is_taken(ends: tuple[socket.socket, socket.socket]) -> None:
    """No more than is wanted; nothing, the end and an error are told apart."""
    near, far = ends
    receive = nonblocking.Receiver(near.fileno())
    with pytest.raises(BlockingIOError):
        receive(10)
    far.sendall(b"something")
    assert receive(4) == b"some"
    assert receive(1_000_000) == b"thing"
    far.close()
    assert receive(10) == b""
    near.close()
    with pytest.raises(OSError, match="descriptor"):
        receive(10)
