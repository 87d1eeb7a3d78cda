"""Drain an old worker: it accepts no new connections, and keeps none open.

At its end granian closes every connection without a request, also those it has just accepted. So
before it is ended, the worker stops accepting: its listening socket is replaced by one that no
client knows. The other workers go on with the queue of connections.
"""

import os
import signal
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]

DRAIN_SIGNAL: Final = signal.SIGUSR1
DESCRIPTORS: Final = Path("/proc/self/fd")


class Draining:
    """A WSGI application that closes its connections once draining has begun."""

    def __init__(self, application: "Application") -> None:
        """Serve as the application does, until `begin()`."""
        self._application = application
        self._has_begun = False

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer; while draining, the client must reconnect for its next request."""
        if not self._has_begun:
            return self._application(environ, start_response)

        def start_last_response(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, ("Connection", "close")], *rest)

        return self._application(environ, start_last_response)

    def begin(self, *_signal: object) -> None:
        """Stop accepting; the handler of DRAIN_SIGNAL."""
        self._has_begun = True
        listening = [fd for fd in _descriptors() if _is_listening(fd)]
        if listening:
            with socket.socket(socket.AF_UNIX) as silent:
                silent.bind("")  # the kernel chooses a name, which no client knows
                silent.listen()
                silent.setblocking(False)
                for descriptor in listening:
                    os.dup2(silent.fileno(), descriptor)


def _descriptors() -> list[int]:
    # On other systems than Linux it goes on accepting, and the last clients may have to reconnect.
    return [int(path.name) for path in DESCRIPTORS.iterdir()] if DESCRIPTORS.is_dir() else []


def _is_listening(descriptor: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as candidate:
            return bool(candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:  # no socket, or already closed
        return False
