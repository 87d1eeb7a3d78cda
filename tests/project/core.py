"""The core's tests, run in a project that has the core alone."""

import os
import sys
from collections.abc import Iterable
from typing import Final

from tests.servers.stack import PROJECT

FOLDER: Final = PROJECT / "tests" / "usercache"
CORE: Final = (
    "backends/test_breaker.py",
    "orm/test_bulk_writes.py",
    "orm/test_every_write_is_seen.py",
    "instances/test_columns.py",
    "instances/test_kinds_of_columns.py",
    "instances/test_building.py",
    "instances/test_fingerprints.py",
    "orm/test_same_as_django.py",
    "instances/test_saving.py",
    "orm/test_signals.py",
    "orm/test_writes.py",
    "test_atomic_requests.py",
    "test_codec.py",
    "test_disabled.py",
    "test_identifiers.py",
    "test_key_types.py",
    "test_keys.py",
    "test_lookup.py",
    "test_testing.py",
    "test_users.py",
)
WITH_REDIS: Final = (
    "backends/test_backends.py",
    "backends/test_lifetimes.py",
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
    "postgresql/test_trigger_installation.py",
    "postgresql/test_trigger_tables.py",
    "postgresql/test_triggers.py",
    "test_interleavings.py",
)
"""Those that name its columns in SQL, or compute with its keys."""


def command_of(names: Iterable[str], python: str = sys.executable) -> list[str]:
    """Return the command that runs these test files on the core alone, by such an interpreter."""
    return [
        *(python, "-m", "pytest", "--quiet", "-p", "no:cacheprovider"),
        *("-o", "addopts=-p tests.project.plugin -p no:valkey --strict-markers"),
        *("--ds", "tests.project.settings", "-m", "not long"),
        *(str(FOLDER / name) for name in names),
    ]


def environment_of(model: str, **environment: str) -> dict[str, str]:
    """Return what the command needs to know, the user model among it."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    return {**inherited, "AUTH_USER_MODEL": f"project.{model}", **environment}
