"""Drain an old worker: it accepts no new connections.

At its end granian closes every connection without a request, also those it has just accepted. So
before it is ended, the worker stops accepting: its listening socket is replaced by one that no
client knows. The other workers go on with the queue of connections; where there are none, since the
server stops, the next client is refused, and a proxy asks another server.
"""

import os
import signal
import socket
from pathlib import Path
from typing import Final

DRAIN_SIGNAL: Final = signal.SIGUSR1
DESCRIPTORS: Final = Path("/proc/self/fd")


def stop_accepting() -> None:
    """Replace the listening sockets of this process by one that no client knows."""
    listening = [fd for fd in _descriptors() if _is_listening(fd)]
    if not listening:
        return
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
