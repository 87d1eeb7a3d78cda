"""A WebSocket as a client has it (RFC 6455), as far as the tests need one."""

import base64
import os
import socket
import struct
from contextlib import suppress
from typing import Final, Self

from tests.servers.server import HOST
from tests.waiting import WAIT_SECONDS

TEXT: Final = 1
CLOSE: Final = 8
FINAL: Final = 0x80
MASKED: Final = 0x80
LONG: Final = 126
"""A length of two bytes follows."""
NO_CODE: Final = 1005
ABNORMAL: Final = 1006


class WebSocket:
    """One connection: `with WebSocket(port, "Bearer …") as socket: …`."""

    def __init__(self, port: int, authorization: str = "") -> None:
        """Connect and shake hands.

        Raises: ConnectionRefusedError if the server refuses it.
        """
        self._socket = socket.create_connection((HOST, port), WAIT_SECONDS)
        self._read = self._socket.makefile("rb")
        lines = [
            "GET / HTTP/1.1",
            f"Host: {HOST}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            *([f"Authorization: {authorization}"] if authorization else []),
        ]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        status = self._read.readline()
        while self._read.readline().strip():
            pass
        if b" 101 " not in status:
            self.close()
            raise ConnectionRefusedError(status.decode())

    def send(self, text: str) -> None:
        """Send a text, masked with zeros."""
        data = text.encode()
        self._socket.sendall(struct.pack("!BBI", FINAL | TEXT, MASKED | len(data), 0) + data)

    def receive(self) -> str | int:
        """Wait for the next text, or for the code that the server closes it with."""
        head = self._read.read(2)
        if len(head) < 2:
            return ABNORMAL
        kind, length = head[0] & 0x0F, head[1]
        if length == LONG:
            (length,) = struct.unpack("!H", self._read.read(2))
        data = self._read.read(length)
        if kind == TEXT:
            return data.decode()
        assert kind == CLOSE, f"a frame of kind {kind}"
        code: int = struct.unpack("!H", data[:2])[0] if data else NO_CODE
        return code

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._read.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
