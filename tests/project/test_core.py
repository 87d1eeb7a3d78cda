"""The core's tests pass in a project that has the core alone, with either user model."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.servers.stack import PROJECT

RUN_SECONDS: Final = 540
FOLDER: Final = PROJECT / "tests" / "usercache"
CORE: Final = (
    "backends/test_breaker.py",
    "orm/test_bulk_writes.py",
    "orm/test_every_write_is_seen.py",
    "instances/test_columns.py",
    "instances/test_kinds_of_columns.py",
    "instances/test_building.py",
    "orm/test_same_as_django.py",
    "instances/test_saving.py",
    "orm/test_signals.py",
    "orm/test_writes.py",
    "test_atomic_requests.py",
    "test_codec.py",
    "test_disabled.py",
    "test_fingerprints.py",
    "test_identifiers.py",
    "test_key_types.py",
    "test_keys.py",
    "test_lookup.py",
    "test_testing.py",
    "test_users.py",
)
WITH_REDIS: Final = (
    "backends/test_backends.py",
    "backends/test_resilient.py",
    "orm/test_renewal.py",
    "test_batch_lookup.py",
)
"""Those that import redis-py, beside what they test."""
OF_PLAIN_USER: Final = (
    "backends/test_recovery.py",
    "orm/test_outbox.py",
    "orm/test_relay.py",
    "postgresql/test_labels.py",
    "postgresql/test_triggers.py",
    "test_interleavings.py",
)
"""Those that name its columns in SQL, or compute with its keys."""


@pytest.fixture(params=["PlainUser", "RenamedUser"])
def model(request: pytest.FixtureRequest) -> str:
    """Give a user model with an integer key, and one with a UUID and other column names."""
    return str(request.param)


def run(model: str, names: tuple[str, ...], **environment: str) -> None:
    """Run these test files on the core alone, in a process that can't import anything else."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--quiet", "-p", "no:cacheprovider"),
            *("-o", "addopts=-p tests.project.plugin -p no:valkey --strict-markers"),
            *("--ds", "tests.project.settings", "-m", "not long"),
            *(str(FOLDER / name) for name in names),
        ],
        cwd=PROJECT,
        env={**inherited, "AUTH_USER_MODEL": f"project.{model}", **environment},
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
