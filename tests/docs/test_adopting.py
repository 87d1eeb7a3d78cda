"""The page on adopting it, followed step by step in a project that is in use."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import call_command

from tests.documents import Block, find_blocks, find_blocks_below
from tests.packaging.instructions import INSTALLING, MANAGE, RELAY
from tests.servers.stack import PROJECT
from usercache.backends.choice import is_served

PAGE: Final = PROJECT / "docs" / "adopting.md"
STEPS: Final = [
    "2. Install it, switched off",
    "3. Check",
    "4. Shadow",
    "5. Ramp",
    "6. Full",
]
USERS: Final = 40
RUN_SECONDS: Final = 120
DOCTOR: Final = "usercache_doctor"
WELL_OR_LACKING: Final = (0, 1)
"""Exit codes of the doctor if everything works."""
SIGN_UP: Final = (
    "from django.contrib.auth.models import User\n"
    f"User.objects.bulk_create(User(username=f'user{{n}}') for n in range({USERS}))"
)
LOOK_UP: Final = """
import json
from django.db import connection
from django.test.utils import CaptureQueriesContext
from usercache import get_user_by_id
from usercache.runtime import await_verdict, get_store
from usercache.observability.observers import observers_of
from threading import Event
await_verdict(30)
for _ in range(2):
    with CaptureQueriesContext(connection) as queries:
        assert all(get_user_by_id(pk) for pk in range(1, USERS + 1))
observers, never = observers_of(), Event()
while not observers.shadow._queue.empty():
    never.wait(0.01)
print(json.dumps({"queries": len(queries)}))
""".replace("USERS", str(USERS))


class Adopter:
    """A project with Django's stock user, made before the package was heard of."""

    def __init__(self, directory: Path) -> None:
        """Make it, and let people sign up."""
        self._directory = directory
        self._variables = {
            name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"
        } | {"PYTHONPATH": str(PROJECT)}
        call_command("startproject", "shop", directory)
        self.manage("migrate")
        self.run_script(SIGN_UP)

    def paste(self, block: Block) -> None:
        """Put a block at the end of the settings."""
        with (self._directory / "shop" / "settings.py").open("a") as file:
            file.write(block.text)

    def manage(self, command: str) -> str:
        """Run one of manage.py's commands."""
        allowed = WELL_OR_LACKING if command == DOCTOR else (0,)
        return self._run(["manage.py", *command.split()], allowed)

    def run_script(self, program: str) -> str:
        """Run a program with Django set up."""
        return self._run(["manage.py", "shell", "-v", "0", "-c", program], (0,))

    @contextmanager
    def relay(self) -> Iterator[None]:
        """Run the relay beside the block."""
        process = subprocess.Popen(
            [sys.executable, "manage.py", RELAY], cwd=self._directory, env=self._variables
        )
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(RUN_SECONDS) == 0

    def _run(self, arguments: list[str], allowed: tuple[int, ...]) -> str:
        answer = subprocess.run(
            [sys.executable, *arguments],
            cwd=self._directory,
            env=self._variables,
            check=False,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
        )
        assert answer.returncode in allowed, answer.stdout + answer.stderr
        return answer.stdout


def commands_of(step: str) -> list[str]:
    """Return what the step has its reader give to manage.py."""
    blocks = find_blocks_below(PAGE, step)
    lines = [line for block in blocks if block.language == "sh" for line in block.lines]
    assert lines
    assert all(line.startswith(MANAGE) for line in lines)
    return [line.removeprefix(MANAGE) for line in lines]


def settings_of(path: Path, heading: str) -> Block:
    """Return the settings that a section has its reader paste."""
    [block] = [
        block
        for block in find_blocks_below(path, heading)
        if block.language == "python" and block.text.startswith("# settings.py")
    ]
    return block


def queries_of(adopter: Adopter) -> int:
    """Have a process look everybody up twice; return how many queries the second time took."""
    return int(json.loads(adopter.run_script(LOOK_UP).splitlines()[-1])["queries"])


def shadow_of(adopter: Adopter) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(adopter.manage("cache_stats --json"))["audit"]
    return found


def test_every_block_is_in_a_step() -> None:
    """What the page shows is what the test below follows."""
    shell = [block for block in find_blocks(PAGE) if block.language == "sh"]
    assert len(shell) == sum(
        block.language == "sh" for step in STEPS for block in find_blocks_below(PAGE, step)
    )


@pytest.mark.long
@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_steps(tmp_path: Path) -> None:
    """Each step works in the order of the page, serves what it says, and has its way back."""
    adopter = Adopter(tmp_path)
    adopter.paste(settings_of(PROJECT / "README.md", INSTALLING))
    adopter.paste(settings_of(PAGE, STEPS[0]))
    *installing, relay = commands_of(STEPS[0])
    assert relay == RELAY
    for command in installing:
        adopter.manage(command)
    with adopter.relay():
        for command in commands_of(STEPS[1]):
            adopter.manage(command)
        status, stats = commands_of(STEPS[2])
        assert adopter.manage(status).startswith("Off:")
        while (shadow := shadow_of(adopter))["shadow_hits"] == 0:
            assert queries_of(adopter) == USERS
        assert shadow["mismatched"] == 0
        assert "would be hits" in adopter.manage(stats)
        *ramp, off = commands_of(STEPS[3])
        for command in ramp:
            adopter.manage(command)
            percent = int(command.split()[-1])
            keys = [f"user:id:{pk}" for pk in range(1, USERS + 1)]
            served = sum(is_served(key, percent) for key in keys)
            assert served or percent == 1
            assert queries_of(adopter) == USERS - served
        assert adopter.manage(off).startswith("Off:")
        assert queries_of(adopter) == USERS
        [on] = commands_of(STEPS[4])
        adopter.manage(on)
        assert queries_of(adopter) == 0
