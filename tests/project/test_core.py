"""The core's tests pass in a project that has the core alone, with either user model."""

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.project.core import CORE, OF_PLAIN_USER, WITH_REDIS, command_of, environment_of
from tests.servers.stack import PROJECT

RUN_SECONDS: Final = 540


@pytest.fixture(params=["PlainUser", "RenamedUser"])
def model(request: pytest.FixtureRequest) -> str:
    """Give a user model with an integer key, and one with a UUID and other column names."""
    return str(request.param)


def run(model: str, names: Iterable[str], **environment: str) -> None:
    """Run these test files in a process that can't import anything else."""
    answer = subprocess.run(
        command_of(names),
        cwd=PROJECT,
        env=environment_of(model, **environment),
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert answer.returncode == 0, answer.stdout


@pytest.mark.long
def test_without_redis(model: str, tmp_path: Path) -> None:
    """Django and msgspec are enough: no optional library can be imported, nor PostgreSQL's part."""
    run(
        model,
        CORE,
        DATABASE_URL=f"sqlite:///{tmp_path / 'db.sqlite3'}",
        TEST_DATABASE=str(tmp_path / "test.sqlite3"),
        REDIS_URL="",
    )


@pytest.mark.long
@pytest.mark.redis
@pytest.mark.postgresql
def test_with_redis(model: str) -> None:
    """On Redis and PostgreSQL, with no optional room and none of their libraries."""
    names: tuple[str, ...] = CORE + WITH_REDIS + OF_PLAIN_USER
    if model != "PlainUser":
        names = tuple(n for n in names if n not in (*OF_PLAIN_USER, "test_users.py"))
    run(model, names, TEST_DATABASE=f"core_{model.lower()}")
