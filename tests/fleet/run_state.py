"""The state of one run of a scenario, shared by all its threads."""

import threading
from random import Random
from typing import Generic, TypeVar

from tests.fleet.fleet import Fleet

F_co = TypeVar("F_co", bound=Fleet, covariant=True)


class RunState(Generic[F_co]):
    """The fleet, and which of its servers are away now."""

    def __init__(self, fleet: F_co, random: Random) -> None:
        """Begin undisturbed."""
        self.fleet = fleet
        self.random = random
        self.is_disturbed = False
        """From before the first fault until every server has recovered."""
        self.is_database_away = False
        """From before PostgreSQL is stopped until every server has recovered."""
        self.is_redis_away = False
        """From before a server loses Redis until every server has recovered."""
        self.is_relay_away = False
        """From before the relay is stopped until the scenario's end."""
        self.is_warm = False
        """From the time on that every process had filled Redis."""
        self.new_keys: dict[str, str] = {}
        """By variable, those that replace others in this scenario."""
        self.ended = threading.Event()
