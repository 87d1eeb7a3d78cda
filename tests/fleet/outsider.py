"""A thread that changes rows past the product and waits until every server shows it."""

import time

import psycopg

from tests.fleet.instance import Instance
from tests.fleet.users import Person
from tests.fleet.visitor import Visitor
from tests.fleet.worker import Worker

PAUSE_SECONDS = 0.1
POLL_SECONDS = 0.01


class Outsider(Worker):
    """Writes users with SQL that the ORM never sees."""

    def __init__(self, visitor: Visitor) -> None:
        """Connect to nothing yet."""
        super().__init__(visitor)
        self._users = self.fleet.open_users()

    def step(self) -> None:
        """Cache a user, change their row, and measure how long every server takes to show it."""
        self.state.ended.wait(PAUSE_SECONDS)
        person = self.random.choice(self.fleet.raw)
        was_disturbed = self.state.is_disturbed
        if self.visitor.ask("GET", "/auth/profile", person) is None:
            return
        version = self.fleet.ledger.next_version(person.pk)
        try:
            self._users.write_version(person.pk, version)
        except psycopg.OperationalError:  # away; committed or not, the next version is higher
            return
        committed_at = time.monotonic()
        for instance in self.fleet.instances:
            if not self._is_seen(person, version, instance):
                return
        if not (was_disturbed or self.state.is_disturbed):
            self.tally.visibilities.append(time.monotonic() - committed_at)

    def close(self) -> None:
        """Hang up, and disconnect."""
        super().close()
        self._users.close()

    def _is_seen(self, person: Person, version: int, instance: Instance) -> bool:
        while True:
            answer = self.visitor.ask("GET", "/auth/profile", person, at=instance)
            shown = None if answer is None else self.version_in(answer)
            if shown is None:
                return False
            if shown >= version:
                return True
            if self.state.ended.wait(POLL_SECONDS):
                return False
