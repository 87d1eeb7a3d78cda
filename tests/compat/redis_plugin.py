"""The pytest plugin of django-redis' tests: counts what goes through our client or pool.

A copy of it runs where there is no other module of this project but the installed package.
"""

import os
from typing import Any

import pytest

from usercache.redis_topologies.cluster import ClusterRedis
from usercache.redis_topologies.cluster.redis import ClusterPipeline
from usercache.redis_topologies.sentinel import PrimaryPool

calls = 0


def count(kind: Any, name: str) -> None:
    """Count the calls of a method."""
    method = getattr(kind, name)

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        global calls  # noqa: PLW0603  # of a process that runs one suite
        calls += 1
        return method(self, *args, **options)

    setattr(kind, name, counted)


if os.environ["WITH_USERCACHE"]:
    count(ClusterRedis, "execute_command")
    count(ClusterPipeline, "execute")
    count(PrimaryPool, "get_connection")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how often it was called, so that a suite that never does so is noticed."""
    terminalreporter.write_line(f"calls of ours: {calls}")
