"""`make fleet-up` and `make fleet-down`, with every server."""

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from tests.servers.stack import PROJECT
from tests.standing.processes import sweep
from tests.waiting import wait_until

pytestmark = pytest.mark.nginx

COMMAND_SECONDS: Final = 900
ANSWER_SECONDS: Final = 60
ACCOUNT: Final = {
    "email": "zoe@example.com",
    "password": "Conch-Salad-1973",
    "first_name": "Zoe",
    "last_name": "Rolle",
}


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.standing", command, folder],
        cwd=PROJECT,
        check=False,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Bring a fleet up, and end it whatever happens."""
    folder = tmp_path_factory.mktemp("standing") / "fleet"
    try:
        answer = run("up", folder)
        assert answer.returncode == 0, answer.stderr
        yield folder
    finally:
        run("down", folder)


def find_urls(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "ready.json").read_text())
    return found


def ask(folder: Path, path: str, body: object = None, token: str = "") -> Any:
    """Return what the site answers over TLS, by the fleet's own certificate."""
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    headers = {"Content-Type": "application/json"} | (
        {"Authorization": f"Bearer {token}"} if token else {}
    )
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(find_urls(folder)["site"] + path, data, headers)
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS, context=context) as answer:
        return json.load(answer)


def test_all_parts_work_together(folder: Path) -> None:
    """A user signs up through nginx, and the replica has them; the cache is healthy."""
    token = ask(folder, "/auth/register", ACCOUNT)["access_token"]
    assert ask(folder, "/auth/profile", token=token)["email"] == ACCOUNT["email"]
    assert ask(folder, "/health/ready")["status"] == "ok"

    def has_come() -> bool:
        with psycopg.connect(find_urls(folder)["its replica"]) as replica:
            return replica.execute("SELECT email FROM users").fetchall() == [(ACCOUNT["email"],)]

    wait_until(has_come, "the replica has the user")


def test_second_fleet_is_refused(folder: Path) -> None:
    """And the first goes on."""
    answer = run("up", folder)
    assert answer.returncode == 1
    assert "fleet-down" in answer.stderr
    assert ask(folder, "/health/live")["status"] == "ok"


def test_nothing_is_left_after_a_crash(folder: Path) -> None:
    """The supervisor is killed; its servers end, and `down` removes the rest."""
    pid, _ = json.loads((folder / "supervisor.json").read_text())
    os.kill(pid, signal.SIGKILL)
    assert run("down", folder).returncode == 0
    assert sweep(folder) == 0
    assert not folder.exists()
