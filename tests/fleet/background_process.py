"""A process that serves no requests: an admin's shell, or a nightly job."""

import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.servers.stack import PROJECT

STOP_SECONDS = 60

# Answers each line with one of its own: "yes", or "no" where the database or the user is away.
PROGRAM = """
import django
django.setup()

import sys
from django.db import DatabaseError, close_old_connections
from accounts.services import update_profile
from usercache.users import (get_user_by_id)

for line in sys.stdin:
    pk, *version = map(int, line.split())
    close_old_connections()
    try:
        if version:
            update_profile(user_id=pk, changes={"bio": str(version[0])})
            done = True
        else:
            done = get_user_by_id(pk) is not None
    except DatabaseError:
        done = False
    print("yes" if done else "no", flush=True)
"""


class BackgroundProcess:
    """Writes and reads users through the product, without a server or a token in between."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        """Take a folder for its log, and its environment."""
        self._log = directory / "background.log"
        self._environment = {**environment, "DJANGO_SETTINGS_MODULE": "hiremebahamas.settings"}
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def write(self, pk: int, version: int) -> bool:
        """Write a user's version, and say whether that is committed."""
        return self._ask(f"{pk} {version}")

    def look_up(self, pk: int) -> bool:
        """Look a user up, and say whether there is one."""
        return self._ask(f"{pk}")

    def __enter__(self) -> Self:
        """Start the process."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM],
                cwd=PROJECT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        return self

    def __exit__(self, *exception: object) -> None:
        """Let it end."""
        assert self._process is not None
        try:
            self._process.communicate(timeout=STOP_SECONDS)
        finally:
            self._process.kill()

    def _ask(self, question: str) -> bool:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            print(question, file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"The background process has ended:\n{self._log.read_text()}")
        return answer == "yes"
