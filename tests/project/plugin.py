"""The pytest plugin of a run on the core alone: refuses what a project without the rooms lacks."""

import importlib.abc
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

OF_ROOMS: Final = (
    "accounts",
    "hiremebahamas",
    "usercache.auth",
    "usercache.observability",
    "usercache.permissions",
    "usercache.redis_topologies",
    "usercache.rest_framework",
    "usercache.tracking",
    "drf_spectacular",
    "jwt",
    "opentelemetry",
    "prometheus_client",
    "rest_framework",
    "rest_framework_simplejwt",
    "rich",
)
POSTGRESQL: Final = "postgres"
"""How the URL of such a database begins."""
OF_REDIS: Final = ("django_redis", "redis")
OF_POSTGRESQL: Final = ("usercache.postgresql",)


class Refusal(importlib.abc.MetaPathFinder):
    """Finds nothing of these packages, as where they aren't installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname in self._names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        return None


def pytest_load_initial_conftests() -> None:
    """Refuse them before anything of Django is imported."""
    refused: tuple[str, ...] = OF_ROOMS
    refused += () if os.environ["REDIS_URL"] else OF_REDIS
    refused += () if os.environ["DATABASE_URL"].startswith(POSTGRESQL) else OF_POSTGRESQL
    loaded = [name for name in refused if name in sys.modules]
    assert not loaded, f"{loaded} were imported before they could be refused"
    sys.meta_path.insert(0, Refusal(refused))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a server that this run lacks, and what is the product's own."""
    missing = {
        "product": True,
        "integer_key": get_user_model()._meta.pk.get_internal_type() != "BigAutoField",
        "redis": not os.environ["REDIS_URL"],
        "postgresql": not os.environ["DATABASE_URL"].startswith(POSTGRESQL),
        "upsert_by": not connection.features.supports_update_conflicts_with_target,
        "exact_text": connection.vendor == "mysql",
    }
    left_out = [i for i in items if any(i.get_closest_marker(n) for n in missing if missing[n])]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
