"""One server process of ours: start, stop, kill, pause, and wait for it, never without a bound."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.servers.errors import ServerUnavailableError

HOST = "127.0.0.1"
START_SECONDS = 120
STOP_SECONDS = 30
POLL_SECONDS = 0.01
PORT_ATTEMPTS = 5
LOG_TAIL_CHARACTERS = 2000


def find_free_port() -> int:
    """Ask the kernel for a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


class Server(ABC):
    """A server on a loopback port of its own, with its files in `directory`.

    The port is chosen at the first start and kept, so that a restart comes back at the same URL.
    On Linux the server dies with the thread that started it, also when that is killed.
    """

    # The quickest way out that leaves no process behind; the data are thrown away.
    stop_signal = signal.SIGTERM

    def __init__(self, directory: Path) -> None:
        """Keep the server's files in `directory`, which exists."""
        self.directory = directory
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The URL that reaches this server, as its clients spell it."""

    @abstractmethod
    def _command(self) -> Sequence[str | Path]: ...

    @abstractmethod
    def _is_ready(self) -> bool: ...

    def _prefix(self) -> Sequence[str]:
        return ()

    def _environment(self) -> Mapping[str, str] | None:
        return None  # that of the tests

    @property
    def port(self) -> int:
        """The port: known, and a refusing one, also before the start and after the stop."""
        if self._port is None:
            self._port = find_free_port()
        return self._port

    @property
    def is_running(self) -> bool:
        """Whether it was started, and neither stopped nor killed since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process's id. Raises: RuntimeError unless it is running."""
        return self._running().pid

    def start(self) -> Self:
        """Start and wait until it answers.

        Raises: ServerUnavailableError with the end of its log.
        """
        if self._process is not None:
            raise RuntimeError("This server is running already: stop() or kill() it first.")
        may_move = self._port is None
        for _ in range(PORT_ATTEMPTS):
            if self._launch():
                return self
            if not may_move or "ddress already in use" not in self._log_tail():
                break
            self._port = None
        raise ServerUnavailableError(f"{type(self).__name__} did not start:\n{self._log_tail()}")

    def stop(self) -> None:
        """End it, paused or not, with SIGKILL after 30 seconds; do nothing if it is not running."""
        if self._process is None:
            return
        self._process.send_signal(self.stop_signal)
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def pause(self) -> None:
        """Stop it from answering (SIGSTOP): connections open, and hang."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        self._running().send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(self, *exception: object) -> None:
        """Stop it."""
        self.stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("This server is not running: start() it first.")
        return self._process

    def _launch(self) -> bool:
        # In this order: changing user cancels the wish to die with the parent.
        command = [*self._prefix(), *_dying_with_parent(), *self._command()]
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C in the terminal is for the tests, not for their servers.
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        ready = False
        try:
            ready = self._wait_until_ready()
        finally:
            if not ready:
                self.stop()
        return ready

    def _wait_until_ready(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while self._running().poll() is None and time.monotonic() < deadline:
            if self._is_ready():
                return True
            time.sleep(POLL_SECONDS)
        return False

    @property
    def _log(self) -> Path:
        return self.directory / f"{type(self).__name__}.log"

    def _log_tail(self) -> str:
        return self._log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()


def _dying_with_parent() -> list[str]:
    # The kernel's own safety net under the supervisor; elsewhere than on Linux there is none.
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
