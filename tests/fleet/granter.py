"""Threads that grant a permission, take it back, and ask whether it is had."""

import time
from abc import abstractmethod
from collections.abc import Sequence
from http import HTTPStatus

import psycopg

from tests.fleet.instance import Instance
from tests.fleet.memberships import Change, Memberships
from tests.fleet.users import Person
from tests.fleet.visitor import Answer, Visitor
from tests.fleet.worker import Worker

PATH = "/auth/forward?permission=auth.view_group"
PAUSE_SECONDS = 0.05
"""Between two changes, so that most answers come from a cache."""
POLL_SECONDS = 0.005
RETRY_SECONDS = 0.1
"""Between two attempts to reach a PostgreSQL that is away."""


class PermissionWorker(Worker):
    """Asks the product whether a user has the permission; 200 if so, 403 if not.

    Every second version of the ledger has it, the odd ones.
    """

    def is_permitted(self, answer: Answer | None) -> bool | None:
        """Return what an answer says; None for a failure, which is counted."""
        if answer is None:
            return None
        if answer.status not in (HTTPStatus.OK, HTTPStatus.FORBIDDEN):
            self.visitor.fail(f"{answer.status} {answer.body}")
            return None
        return answer.status == HTTPStatus.OK


class PermissionReader(PermissionWorker):
    """Asks for everybody whose memberships are known, at any server."""

    def step(self) -> None:
        """Ask for one of them."""
        self.check(self.random.choice(self.fleet.members))

    def check(self, person: Person) -> None:
        """Compare an answer with the ledger, unless a change was under way."""
        ledger = self.fleet.ledger
        expected, was_disturbed = ledger.newest(person.pk), self.state.is_disturbed
        answer = self.visitor.ask("GET", PATH, person)
        is_permitted = self.is_permitted(answer)
        if answer is None or is_permitted is None or ledger.attempted(person.pk) != expected:
            return
        self.tally.permission_reads += 1
        if is_permitted != bool(expected % 2):
            seconds = ledger.staleness(person.pk, expected - 1, answer.began)
            self.visitor.note_stale(
                "permission", seconds, answer.instance, was_disturbed=was_disturbed
            )


class Granter(PermissionReader):
    """Changes some users' groups, or what their groups may do; no other thread does."""

    def __init__(self, visitor: Visitor, own: Sequence[Person]) -> None:
        """Take the users whose permissions this thread alone changes."""
        super().__init__(visitor)
        self._own = own
        self._memberships = Memberships(self.fleet.open_users())

    def step(self) -> None:
        """Change one user's permission, and ask for it, at any server."""
        person = self.random.choice(self._own)
        try:
            change = self._memberships.choose_change(person.pk, self.random)
        except psycopg.OperationalError:
            self.state.ended.wait(RETRY_SECONDS)
            return
        version = self.fleet.ledger.next_version(person.pk)
        if version % 2 != change.is_permitted:  # an earlier one was not committed
            version = self.fleet.ledger.next_version(person.pk)
        if self.apply(person, change):
            self.fleet.ledger.acknowledge(person.pk, version)
            self.tally.writes += 1
            self.confirm(person, change)
        self.state.ended.wait(PAUSE_SECONDS)

    @abstractmethod
    def apply(self, person: Person, change: Change) -> bool:
        """Make the change, and return whether that was acknowledged."""

    def confirm(self, person: Person, change: Change) -> None:
        """Ask for the permission that was changed."""
        self.check(person)

    def close(self) -> None:
        """Hang up, and disconnect."""
        super().close()
        self._memberships.close()


class BackgroundGranter(Granter):
    """Changes them through the ORM, in a process that serves nobody."""

    def apply(self, person: Person, change: Change) -> bool:
        """Change a membership, or a group, in the background process."""
        is_written = self.fleet.background.change(change)
        if not (is_written or self.state.is_database_away):
            self.visitor.fail("background process: the database failed")
        return is_written


class OutsideGranter(Granter):
    """Changes them with SQL that the ORM never sees, and waits until every server knows."""

    def apply(self, person: Person, change: Change) -> bool:
        """Change the rows, and return whether that is committed."""
        try:
            self._memberships.apply(change)
        except psycopg.OperationalError:
            return False
        return True

    def confirm(self, person: Person, change: Change) -> None:
        """Measure how long every server takes."""
        was_disturbed, committed_at = self.state.is_disturbed, time.monotonic()
        for instance in self.fleet.instances:
            if not self._is_known(person, change, instance):
                return
        if not (was_disturbed or self.state.is_disturbed):
            self.tally.permission_visibilities.append(time.monotonic() - committed_at)

    def _is_known(self, person: Person, change: Change, instance: Instance) -> bool:
        while True:
            is_permitted = self.is_permitted(self.visitor.ask("GET", PATH, person, at=instance))
            if is_permitted is None:
                return False
            if is_permitted == change.is_permitted:
                return True
            if self.state.ended.wait(POLL_SECONDS):
                return False
