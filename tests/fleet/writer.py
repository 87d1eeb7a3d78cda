"""Threads that change profiles, and know which change every reader has to see."""

from abc import abstractmethod
from collections.abc import Sequence
from http import HTTPStatus

import psycopg

from tests.fleet.users import Person
from tests.fleet.visitor import Visitor
from tests.fleet.worker import Worker

MOST_IN_A_ROW = 3
"""Writes of one user; between two of them is the shortest time in which a reader may fill."""
PAUSE_SECONDS = 0.05
"""Between two users, so that most look-ups find theirs cached."""
RETRY_SECONDS = 0.1
"""Between two attempts to reach a PostgreSQL that is away."""


class Writer(Worker):
    """Writes some users, one after the other; nobody else writes those."""

    def __init__(self, visitor: Visitor, own: Sequence[Person]) -> None:
        """Take the users that this thread alone writes."""
        super().__init__(visitor)
        self._own = own
        self._users = self.fleet.open_users()

    def step(self) -> None:
        """Write one user, a few times in a row, and read them back, each at any server."""
        person = self.choose(self._own)
        for _ in range(self.random.randint(1, MOST_IN_A_ROW)):
            version = self.fleet.ledger.next_version(person.pk)
            if self.write(person, version):
                self.fleet.ledger.acknowledge(person.pk, version)
                self.tally.writes += 1
            else:
                self._find_out(person)
        self.read(person, "/auth/profile", person, needs_database=True)
        self.state.ended.wait(PAUSE_SECONDS)

    @abstractmethod
    def write(self, person: Person, version: int) -> bool:
        """Write a version, and say whether that was acknowledged."""

    def close(self) -> None:
        """Hang up, and disconnect."""
        super().close()
        self._users.close()

    def _find_out(self, person: Person) -> None:
        # Committed or not? Whatever the database says now is acknowledged from now on.
        while True:
            try:
                version = self._users.read_version(person.pk)
            except psycopg.OperationalError:
                if self.state.ended.wait(RETRY_SECONDS):
                    return
            else:
                self.fleet.ledger.acknowledge(person.pk, version)
                return


class Owner(Writer):
    """Writes through the API with each user's own token."""

    def write(self, person: Person, version: int) -> bool:
        """Change the profile at any server."""
        answer = self.visitor.ask("PUT", "/auth/profile", person, {"bio": str(version)})
        if answer is not None and answer.status != HTTPStatus.OK:
            self.visitor.fail(f"PUT: {answer.status} {answer.body}")
        return answer is not None and answer.status == HTTPStatus.OK


class BackgroundWriter(Writer):
    """Writes through the product's services, in a process that serves nobody.

    No request comes before such a write and looks the user up: a load that is filling them goes on.
    """

    def write(self, person: Person, version: int) -> bool:
        """Change the profile in the background process."""
        is_written = self.fleet.background.write(person.pk, version)
        if not (is_written or self.state.is_database_away):
            self.visitor.fail("background process: the database failed")
        return is_written
