"""Every way to be signed in works in a project with the libraries and Django's stock user."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.servers.stack import PROJECT

RUN_SECONDS: Final = 300
SUITE: Final = PROJECT / "tests" / "libraries" / "suite_ways.py"


def run(marks: str, **environment: str) -> None:
    """Run the suite in a process with the project's settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider"),
            *("-o", "addopts=-p no:valkey --strict-markers", "-m", marks),
            *("--ds", "tests.libraries.settings", str(SUITE)),
        ],
        cwd=PROJECT,
        env={**inherited, "USERCACHE_L1_MAX_ENTRIES": "10", **environment},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert answer.returncode == 0, answer.stdout


@pytest.mark.long
def test_without_redis(tmp_path: Path) -> None:
    """On SQLite and process memory."""
    run(
        "not redis",
        DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}",
        TEST_DATABASE=str(tmp_path / "test.sqlite3"),
        REDIS_URL="",
    )


@pytest.mark.long
@pytest.mark.redis
@pytest.mark.postgresql
def test_with_redis() -> None:
    """On PostgreSQL and Redis, with the client-side cache."""
    run("redis or not redis", TEST_DATABASE="libraries")
