"""granian, with workers that are replaced only by ready ones: `python -m` with its arguments.

granian itself stops an old worker 3.5 seconds after starting the new one, ready or not, and on
Linux gives each a queue of connections of its own, which is lost with it. A worker that ends closes
each connection that has no request under way, also one on which a request has just arrived. So its
clients are asked to leave first.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, Final

from granian import cli
from granian.log import logger
from granian.net import SocketSpec  # type: ignore[attr-defined]  # not exported
from granian.server.mp import MPServer, WorkerProcess

from hiremebahamas.server.draining import DRAIN_SIGNAL, stop_accepting

SUCCESSOR_SECONDS: Final = 60.0
"""How long a new worker may take to be ready; after that the old one stays."""
DRAIN_SECONDS: Final = 5.0
"""How long clients of an old worker may take between connecting and sending a request."""
LEAVE_SECONDS: Final = 0.5
"""How long a server that stops asks its clients to go elsewhere, and accepts none."""
POLL_SECONDS: Final = 0.1
READY: Final = b"ready"

Loader = Callable[[], Any]


def load_when_ready(load: Loader, ready: Connection) -> Any:
    """Return the application once it is ready; runs in the new worker.

    The worker begins to accept connections after this.
    """
    application = load()
    # Imported here, since it is the new code.
    is_ready = import_module("hiremebahamas.health").is_ready
    while not is_ready():
        time.sleep(POLL_SECONDS)
    ready.send_bytes(READY)
    return application


class Server(MPServer):
    """Workers that share one queue of connections, and are replaced by ready ones."""

    def _init_shared_socket(self) -> None:
        if self.bind_uds:  # is shared as it is
            super()._init_shared_socket()  # type: ignore[no-untyped-call]  # nor typed
            return
        listening = SocketSpec(self.bind_addr, self.bind_port, self.backlog).build()
        self._shd, self._sfd = listening, listening.get_fd()  # type: ignore[assignment]  # "None"
        self._ssp = self._sso = None

    def _drop_shared_socket(self) -> None:
        super()._drop_shared_socket()  # type: ignore[no-untyped-call]  # granian's
        # Or it would accept, at its end, connections that no worker serves any more.
        self._shd = None

    def _stop_workers(self) -> None:
        stop_accepting()  # this process has the queue of connections, too
        for worker in self.wrks:
            worker.interrupt_by_parent = True
            _drain(worker)
        time.sleep(LEAVE_SECONDS)
        super()._stop_workers()  # type: ignore[no-untyped-call]  # granian's

    def _respawn_workers(
        self,
        workers: Sequence[int],
        spawn_target: Callable[..., None],
        target_loader: Loader,
        delay: float = 0,
    ) -> None:
        for index in workers:
            self.respawned_wrks[index] = time.monotonic()
            if not self.wrks[index].is_alive():
                # No old worker to keep.
                super()._respawn_workers([index], spawn_target, target_loader)
            elif not self._succeed(index, spawn_target, target_loader):
                return

    def _succeed(
        self, index: int, spawn_target: Callable[..., None], target_loader: Loader
    ) -> bool:
        """Replace a worker by a ready one, and return whether there was one."""
        heard, ready = multiprocessing.Pipe(duplex=False)
        successor = self._spawn_worker(
            index, spawn_target, partial(load_when_ready, target_loader, ready)
        )
        # Until it has replaced the old one, its end needs no replacement.
        successor.interrupt_by_parent = True
        successor.start()
        ready.close()
        is_ready = self._is_heard(heard, successor)
        heard.close()
        if not is_ready:
            successor.kill()
            successor.join()
            logger.error(f"The new worker-{index + 1} was not ready. The old ones stay.")
            return False
        old, self.wrks[index] = self.wrks[index], successor
        successor.interrupt_by_parent = False
        self._retire(old)
        return True

    def _is_heard(self, heard: Connection, successor: WorkerProcess) -> bool:
        deadline = time.monotonic() + SUCCESSOR_SECONDS
        while time.monotonic() < deadline and not self.interrupt_signal:
            if heard.poll(POLL_SECONDS):
                return bool(successor.is_alive())
            if not successor.is_alive():
                return False
        return False

    def _retire(self, old: WorkerProcess) -> None:
        logger.info(f"Stopping old worker-{old.idx + 1}")
        _drain(old)
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline and not self.interrupt_signal:
            time.sleep(POLL_SECONDS)
        old.terminate()
        old.join(self.workers_kill_timeout)
        if old.is_alive():
            logger.warning(f"Killing old worker-{old.idx + 1}, which did not end in time")
            old.kill()
            old.join()
        logger.info(f"Stopped old worker-{old.idx + 1}")


def _drain(worker: WorkerProcess) -> None:
    if worker.is_alive():
        os.kill(worker.inner.pid, DRAIN_SIGNAL)


if __name__ == "__main__":
    # Its command line creates this class.
    cli.Server = Server  # type: ignore[attr-defined]  # not exported
    cli.entrypoint()
