"""One direction of a connection through a proxy."""

import socket
from collections.abc import Callable
from functools import partial
from typing import Final

from tests.servers.event_loop import EventLoop, Timer
from tests.servers.network import Network

CHUNK_BYTES: Final = 65536


class TcpPump:
    """Send what comes from one socket to another, at once unless the network holds it back.

    At most one chunk is held, and nothing is read meanwhile: the order stays, and a sink that
    nobody reads stops its source.
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
        self._held = memoryview(b"")
        self._timer = Timer(self._drip)
        loop.on_readable(source, self._read)

    def stop(self) -> None:
        """Neither read nor send anything more, what is held included."""
        self._loop.on_readable(self._source, None)
        self._loop.on_writable(self._sink, None)
        self._timer.cancel()

    def _read(self) -> None:
        if self._held:
            # Not before there is something to read, and mostly there is nothing.
            self._loop.on_readable(self._source, None)
            return
        chunk = receive(self._source)
        if chunk:
            self._held = memoryview(chunk)
            if delay := self._network.delay_seconds:
                self._timer = self._loop.call_later(delay, self._drip)
            else:
                self._drip()
        elif chunk is not None:
            self._on_end()

    def _drip(self) -> None:
        if pause := self._network.drip_pause_seconds:
            send_piece = partial(self._send, self._network.drip_bytes)
            self._timer = self._loop.call_later(pause, send_piece)
        else:
            self._send(len(self._held))

    def _send(self, length: int) -> None:
        """Send so many bytes of what is held, then what is left of it; then read again."""
        piece = self._held[:length]
        try:
            sent = len(piece) if self._network.is_swallowing else self._sink.send(piece)
        except BlockingIOError:
            sent = 0
        except OSError:  # somebody hung up
            self._on_end()
            return
        self._held = self._held[sent:]
        if sent < len(piece):
            self._loop.on_writable(self._sink, partial(self._send_rest, len(piece) - sent))
        elif self._held:
            self._drip()
        else:
            self._loop.on_readable(self._source, self._read)

    def _send_rest(self, length: int) -> None:
        self._loop.on_writable(self._sink, None)
        self._send(length)


def receive(source: socket.socket) -> bytes | None:
    """Return what can be read now: nothing at its end, which may be an error; None if not yet."""
    try:
        return source.recv(CHUNK_BYTES)
    except BlockingIOError:
        return None
    except OSError:  # somebody hung up
        return b""
