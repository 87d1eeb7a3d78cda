"""One direction of a connection through a proxy."""

import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from tests.servers.event_loop import EventLoop, Timer
from tests.servers.network import Network

CHUNK_BYTES: Final = 65536
HELD_BYTES: Final = CHUNK_BYTES
"""A pump that holds so many reads no more."""


class Held(NamedTuple):
    """What was read and not sent yet; nothing stands for the end."""

    due: float
    data: memoryview
    is_piece: bool = False
    """Whether it is as small as it has to be."""


class TcpPump:
    """Send what comes from one socket to another, at once unless the network holds it back.

    Everything is held for its own time, and sent in the order in which it came. A sink that nobody
    reads stops its source.
    """

    def __init__(
        self,
        loop: EventLoop,
        network: Network,
        source: socket.socket,
        sink: socket.socket,
        on_end: Callable[[], None],
    ) -> None:
        """Begin; `on_end` is called when the source ended and all was sent, or the sink ended."""
        self._loop = loop
        self._network = network
        self._source = source
        self._sink = sink
        self._on_end = on_end
        self._held: deque[Held] = deque()
        self._held_bytes = 0
        self._timer = Timer(self._send)
        loop.on_readable(source, self._read)

    def hurry(self) -> None:
        """Send at once what was held back."""
        self._timer.cancel()
        self._held = deque(held._replace(due=0.0) for held in self._held)
        self._send()

    def stop(self) -> None:
        """Neither read nor send anything more, what is held included."""
        self._held.clear()
        self._loop.on_readable(self._source, None)
        self._loop.on_writable(self._sink, None)
        self._timer.cancel()

    def _read(self) -> None:
        data = receive(self._source)
        if data is None:
            return
        is_first = not self._held
        due = time.monotonic() + self._network.delay_seconds
        self._held.append(Held(due, memoryview(data)))
        self._held_bytes += len(data)
        if not data or self._held_bytes >= HELD_BYTES:
            self._loop.on_readable(self._source, None)
        if is_first:
            self._send()

    def _send(self) -> None:
        """Send what is due, until something has to be waited for."""
        while self._held:
            first = self._held[0]
            if (wait := first.due - time.monotonic()) > 0:
                self._timer = self._loop.call_later(wait, self._send)
            elif not first.data:
                self._on_end()
            elif not first.is_piece and self._network.drip_pause_seconds:
                self._break_up(first)
                continue
            elif self._try_to_send(first):
                continue
            return

    def _break_up(self, first: Held) -> None:
        size = self._network.drip_bytes
        self._put_back(first._replace(data=first.data[size:]))
        due = time.monotonic() + self._network.drip_pause_seconds
        self._held.appendleft(Held(due, first.data[:size], is_piece=True))

    def _try_to_send(self, first: Held) -> bool:
        is_swallowing = self._network.is_swallowing
        try:
            sent = len(first.data) if is_swallowing else self._sink.send(first.data)
        except BlockingIOError:
            self._loop.on_writable(self._sink, self._send_again)
            return False
        except OSError:  # somebody hung up
            self._on_end()
            return False
        self._put_back(first._replace(data=first.data[sent:], is_piece=True))
        was_full = self._held_bytes >= HELD_BYTES
        self._held_bytes -= sent
        if was_full and self._held_bytes < HELD_BYTES and not self._has_ended():
            self._loop.on_readable(self._source, self._read)
        return True

    def _put_back(self, rest: Held) -> None:
        self._held.popleft()
        if rest.data:
            self._held.appendleft(rest)

    def _has_ended(self) -> bool:
        return bool(self._held) and not self._held[-1].data

    def _send_again(self) -> None:
        self._loop.on_writable(self._sink, None)
        self._send()


def receive(source: socket.socket) -> bytes | None:
    """Return what can be read now: nothing at its end, which may be an error; None if not yet."""
    try:
        return source.recv(CHUNK_BYTES)
    except BlockingIOError:
        return None
    except OSError:  # somebody hung up
        return b""
