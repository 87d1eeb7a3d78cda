"""A process that serves no requests: an admin's shell, or a nightly job."""

import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.fleet.memberships import Change
from tests.servers.stack import PROJECT

STOP_SECONDS = 60

# Answers each line with one of its own: "yes", or "no" where the database or the user is away.
PROGRAM = """
import django
django.setup()

import sys
from django.db import DatabaseError, close_old_connections
from accounts.services.account import update_profile
from accounts.models import User
from django.contrib.auth.models import Group
from usercache.users import get_user_by_id

def look_up(pk):
    return get_user_by_id(pk) is not None

def write(pk, version):
    update_profile(user_id=pk, changes={"bio": str(version)})
    return True

def membership(is_added, pk, group):
    return change(User.objects.get(pk=pk).groups, is_added, group)

def permission(is_added, pk, group):
    return change(Group.objects.get(pk=group).permissions, is_added, pk)

def change(related, is_added, pk):
    (related.add if is_added else related.remove)(pk)
    return True

for line in sys.stdin:
    verb, *numbers = line.split()
    close_old_connections()
    try:
        is_done = globals()[verb](*map(int, numbers))
    except DatabaseError:
        is_done = False
    print("yes" if is_done else "no", flush=True)
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
        return self._ask(f"write {pk} {version}")

    def look_up(self, pk: int) -> bool:
        """Look a user up, and say whether there is one."""
        return self._ask(f"look_up {pk}")

    def change(self, change: Change) -> bool:
        """Change a group, and return whether that is committed."""
        return self._ask(f"{change.kind} {change.is_added:d} {change.pk} {change.group}")

    def restart(self, variables: Mapping[str, str]) -> None:
        """Let it end, and start another with these in its environment from now on."""
        with self._lock:
            self._end()
            self._environment |= variables
            self._start()

    def __enter__(self) -> Self:
        """Start the process."""
        self._start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Let it end."""
        self._end()

    def _start(self) -> None:
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

    def _end(self) -> None:
        assert self._process is not None
        try:
            self._process.communicate(timeout=STOP_SECONDS)
        finally:
            self._process.kill()

    def _ask(self, question: str) -> bool:
        with self._lock:
            assert self._process is not None
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            print(question, file=self._process.stdin, flush=True)
            answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"The background process has ended:\n{self._log.read_text()}")
        return answer == "yes"
