"""Connections to PostgreSQL after a fork: a child begins with its own."""

import os
from functools import cache
from typing import Any, Final, cast

from django.db import connections
from django.db.backends.postgresql.base import DatabaseWrapper

_OF_THE_PARENT: Final[list[Any]] = []
"""Connections that a forked child keeps and never touches: closing them would end the session of
the parent. redis-py's pools notice a fork; Django's connections and psycopg's pools don't."""


@cache
def guard() -> None:
    """Have each child that is forked from now on leave its parent's connections alone; once."""
    os.register_at_fork(after_in_child=_set_aside)


def _set_aside() -> None:
    pools = cast(Any, DatabaseWrapper)._connection_pools  # not in the stubs
    _OF_THE_PARENT.extend(pools.values())
    pools.clear()
    for connection in connections.all(initialized_only=True):
        if connection.vendor == DatabaseWrapper.vendor:
            _OF_THE_PARENT.append(connection)
            del connections[connection.alias]
