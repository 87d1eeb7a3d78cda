"""The parent's end: a process that measures, told what by lines of JSON."""

import json
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.errors import BenchmarkError
from tests.servers.stack import PROJECT

ANSWER_SECONDS: Final = 300.0
"""Longer than any single command takes, on any machine that one would measure on."""
END_SECONDS: Final = 10.0
LOG_TAIL_CHARACTERS: Final = 3000


class Child:
    """A process that answers: `with Child("pass", environment, log) as child: child.ask("add")`."""

    def __init__(
        self, program: str, environment: Mapping[str, str], log: Path, checkout: Path = PROJECT
    ) -> None:
        """Take Python source that ends in `serve(…)`, and a file for what it complains of.

        It runs with the code of `checkout`.
        """
        self._log = log
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                cwd=checkout,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, command: str, **arguments: object) -> Any:
        """Have it do something, and return its answer. Raises: BenchmarkError."""
        self.send(command, **arguments)
        return self.receive()

    def send(self, command: str, **arguments: object) -> None:
        """Have it begin; `receive()` is to follow."""
        try:
            self._stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            self._stdin.flush()
        except BrokenPipeError:
            raise self._failure("ended") from None

    def receive(self) -> Any:
        """Wait for its answer. Raises: BenchmarkError if it ended, or takes too long."""
        if not select.select([self._stdout], [], [], ANSWER_SECONDS)[0]:
            raise self._failure(f"did not answer within {ANSWER_SECONDS:.0f} s")
        line = self._stdout.readline()
        if not line:
            raise self._failure("ended")
        return json.loads(line)

    def __enter__(self) -> Self:
        """Be ready to ask."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End it: at once if something failed, else when it has done what it was asked."""
        if exception[0] is not None:
            self._process.kill()
        self._stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()

    def _failure(self, what: str) -> BenchmarkError:
        tail = self._log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
        return BenchmarkError(f"A process of the benchmark {what}:\n{tail}")
