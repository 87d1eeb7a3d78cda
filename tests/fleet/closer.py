"""Threads that take access away, and check that every server refuses at once."""

import time
from abc import abstractmethod
from http import HTTPStatus
from typing import Final, NamedTuple

import psycopg

from tests.fleet.instance import Instance
from tests.fleet.users import Credential, Person
from tests.fleet.visitor import Visitor
from tests.fleet.worker import Worker

PAUSE_SECONDS = 0.2
POLL_SECONDS = 0.05
WAIT_SECONDS = 10.0
"""How long a server may go on letting somebody in before we stop asking it."""
NEW_KEY: Final = {"name": "fleet", "scope": "read"}


class Ending(NamedTuple):
    """A request that takes access away, and whose."""

    credential: Person | Credential
    path: str
    body: object = None


class Ender(Worker):
    """Makes an account, is known everywhere, loses access, and is refused everywhere."""

    def __init__(self, visitor: Visitor) -> None:
        """Know nobody yet."""
        super().__init__(visitor)
        self._users = self.fleet.open_users()

    def step(self) -> None:
        """Take access away once, and knock at every server."""
        self.state.ended.wait(PAUSE_SECONDS)
        try:
            [person] = self._users.create(1)
        except psycopg.OperationalError:  # away; its end is somebody else's to notice
            return
        ending = self.prepare(person)
        if ending is None:
            return
        credential = ending.credential
        for instance in self.fleet.instances:
            answer = self.visitor.ask("GET", "/auth/verify", credential, at=instance)
            if answer is not None and answer.status != HTTPStatus.OK:
                self.visitor.fail(f"refused before it was ended: {answer.body}")
        answer = self.visitor.ask("DELETE", ending.path, person, ending.body)
        if answer is None:
            return  # ended or not, nobody knows
        if answer.status != HTTPStatus.NO_CONTENT:
            self.visitor.fail(f"DELETE {ending.path}: {answer.status} {answer.body}")
            return
        acknowledged_at, instances = time.monotonic(), list(self.fleet.instances)
        # The first to be asked is another each time.
        self.random.shuffle(instances)
        self.note(max(self._knock(credential, each, acknowledged_at) for each in instances))

    @abstractmethod
    def prepare(self, person: Person) -> Ending | None:
        """Return how the person loses access; None if that can't be done just now."""

    @abstractmethod
    def note(self, seconds: float) -> None:
        """Note how long after the acknowledgement some server let them in; 0 if none did."""

    def close(self) -> None:
        """Hang up, and disconnect."""
        super().close()
        self._users.close()

    def _knock(
        self, credential: Person | Credential, instance: Instance, acknowledged_at: float
    ) -> float:
        let_in_seconds = 0.0
        while True:
            was_disturbed = self.state.is_disturbed
            answer = self.visitor.ask("GET", "/auth/verify", credential, at=instance)
            if answer is None or answer.status != HTTPStatus.OK:
                return let_in_seconds
            let_in_seconds = answer.began - acknowledged_at
            self.visitor.note_stale(
                "admission", let_in_seconds, instance, was_disturbed=was_disturbed
            )
            if let_in_seconds > WAIT_SECONDS or self.state.ended.wait(POLL_SECONDS):
                return let_in_seconds


class Closer(Ender):
    """Closes accounts."""

    def prepare(self, person: Person) -> Ending:
        """Need nothing more than a new account, whose owner has just logged in."""
        return Ending(person, "/auth/account", {})

    def note(self, seconds: float) -> None:
        """Count it."""
        self.tally.closings.append(seconds)


class SessionEnder(Ender):
    """Ends sessions, of which an access token is still good."""

    def prepare(self, person: Person) -> Ending:
        """Take the session of the person's token."""
        return Ending(person, f"/auth/sessions/{person.session_id}")

    def note(self, seconds: float) -> None:
        """Count it."""
        self.tally.session_ends.append(seconds)


class KeyRevoker(Ender):
    """Makes API keys, and revokes them."""

    def prepare(self, person: Person) -> Ending | None:
        """Make one."""
        answer = self.visitor.ask("POST", "/auth/api-keys", person, NEW_KEY)
        if answer is None:
            return None
        if answer.status != HTTPStatus.CREATED:
            self.visitor.fail(f"no API key: {answer.status} {answer.body}")
            return None
        key = Credential(answer.body["key"], "Api-Key")
        return Ending(key, f"/auth/api-keys/{answer.body['id']}")

    def note(self, seconds: float) -> None:
        """Count it."""
        self.tally.key_revocations.append(seconds)
