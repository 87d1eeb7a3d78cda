"""The machine and the versions of a measurement."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.servers.versions import describe_postgresql, describe_redis

LIBRARIES: Final = (
    "Django",
    "djangorestframework",
    "djangorestframework_simplejwt",
    "PyJWT",
    "django-redis",
    "redis",
    "psycopg",
    "msgspec",
    "granian",
    "django-cacheops",
    "django-cachalot",
)
CPU_INFORMATION: Final = Path("/proc/cpuinfo")


def describe_machine(database_url: str, redis_url: str) -> dict[str, str]:
    """Return the machine, the day and every version, by name; the servers' values name them."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "CPU": _name_cpu(),
        "cores": str(_count_cores()),
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": describe_postgresql(database_url),
        "Redis server": describe_redis(redis_url),
        **{name: version(name) for name in LIBRARIES},
    }


def _name_cpu() -> str:
    if CPU_INFORMATION.is_file():
        for line in CPU_INFORMATION.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _count_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
