"""The product's settings with a router that reads from a replica."""

import os
from typing import Any

from hiremebahamas.environment import database
from hiremebahamas.settings import *  # noqa: F403
from hiremebahamas.settings import DATABASES


class ReplicaRouter:
    """Read from the replica, write to the primary."""

    def db_for_read(self, _model: type, **_hints: Any) -> str:
        """Return the alias."""
        return "replica"

    def db_for_write(self, _model: type, **_hints: Any) -> str:
        """Return the alias."""
        return "default"


DATABASES["replica"] = database(os.environ["DATABASE_REPLICA_URL"])
DATABASE_ROUTERS = ["tests.e2e.replica_settings.ReplicaRouter"]
