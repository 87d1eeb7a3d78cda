"""A thread that closes accounts and checks that every server refuses their tokens."""

import time
from http import HTTPStatus

import psycopg

from tests.fleet.instance import Instance
from tests.fleet.users import Person
from tests.fleet.visitor import Visitor
from tests.fleet.worker import Worker

PAUSE_SECONDS = 0.2
POLL_SECONDS = 0.05
WAIT_SECONDS = 10.0
"""How long a server may go on letting somebody in before we stop asking it."""


class Closer(Worker):
    """Makes an account, is known everywhere, closes it, and is refused everywhere."""

    def __init__(self, visitor: Visitor) -> None:
        """Know nobody yet."""
        super().__init__(visitor)
        self._users = self.fleet.open_users()

    def step(self) -> None:
        """Close one account and knock at every server."""
        self.state.ended.wait(PAUSE_SECONDS)
        try:
            [person] = self._users.create(1)
        except psycopg.OperationalError:  # away; its end is somebody else's to notice
            return
        for instance in self.fleet.instances:
            answer = self.visitor.ask("GET", "/auth/verify", person, at=instance)
            if answer is not None and answer.status != HTTPStatus.OK:
                self.visitor.fail(f"refused before the account was closed: {answer.body}")
        answer = self.visitor.ask("DELETE", "/auth/account", person, {})
        if answer is None:
            return  # closed or not, nobody knows
        if answer.status != HTTPStatus.NO_CONTENT:
            self.visitor.fail(f"DELETE: {answer.status} {answer.body}")
            return
        acknowledged_at = time.monotonic()
        self.tally.closings += 1
        for instance in self.fleet.instances:
            self._knock(person, instance, acknowledged_at)

    def close(self) -> None:
        """Hang up, and disconnect."""
        super().close()
        self._users.close()

    def _knock(self, person: Person, instance: Instance, acknowledged_at: float) -> None:
        while True:
            was_disturbed = self.state.is_disturbed
            answer = self.visitor.ask("GET", "/auth/verify", person, at=instance)
            if answer is None or answer.status != HTTPStatus.OK:
                return
            seconds = answer.began - acknowledged_at
            self.visitor.note_stale("admission", seconds, instance, was_disturbed=was_disturbed)
            if seconds > WAIT_SECONDS or self.state.ended.wait(POLL_SECONDS):
                return
