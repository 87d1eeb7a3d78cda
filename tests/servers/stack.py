"""The tests' end of the supervisor: what this run is tested against."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.servers.errors import ServerUnavailableError

PROJECT = Path(__file__).parents[2]
# Longer than the supervisor takes at most, which kills what does not stop in time.
STOP_SECONDS = 120


class Stack:
    """The servers that were started for this run, and a folder for its files, removed with it."""

    def __init__(self, variables: Sequence[str]) -> None:
        """Start a server for each of `DATABASE_URL` and `REDIS_URL` that `variables` names.

        Raises: ServerUnavailableError.
        """
        # Its own session: Ctrl-C in the terminal is for the tests, whose end is its signal to stop.
        self._supervisor = subprocess.Popen(
            [sys.executable, "-m", "tests.servers", *variables],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        answer = json.loads(self._read_line())
        if "error" in answer:
            self.stop()
            raise ServerUnavailableError(answer["error"])
        self.directory = Path(answer["directory"])
        self.urls: dict[str, str] = answer["urls"]

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        return self._supervisor.pid

    def stop(self) -> None:
        """End the servers and remove the files; return when that is done."""
        if self._supervisor.returncode is None:
            self._supervisor.communicate("stop\n", timeout=STOP_SECONDS)

    def __enter__(self) -> Self:
        """Give the running stack."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop it."""
        self.stop()

    def _read_line(self) -> str:
        assert self._supervisor.stdout
        line = self._supervisor.stdout.readline()
        if not line:
            _, trace = self._supervisor.communicate(timeout=STOP_SECONDS)
            raise ServerUnavailableError(f"The test servers' supervisor ended early:\n{trace}")
        return line
