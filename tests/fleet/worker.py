"""Threads that each do one thing to the fleet again and again."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence

from tests.fleet.users import Person
from tests.fleet.visitor import Answer, Visitor

POPULARITY = 3


class Worker(ABC):
    """A visitor with a habit; `run()` is for a thread of its own."""

    def __init__(self, visitor: Visitor) -> None:
        """Take the visitor over."""
        self.visitor = visitor
        self.state = visitor.state
        self.fleet = visitor.state.fleet
        self.random = visitor.random
        self.tally = visitor.tally

    def run(self) -> None:
        """Do it until the state has ended."""
        if self.fleet.load_niceness:  # of this thread alone, on Linux
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self.fleet.load_niceness)
        try:
            while not self.state.ended.is_set():
                self.step()
        finally:
            self.close()

    @abstractmethod
    def step(self) -> None:
        """Do it once."""

    def choose(self, users: Sequence[Person]) -> Person:
        """Choose somebody: a tenth of them gets nearly half of the attention.

        So that a user is often read and written, and written twice, within a few milliseconds.
        """
        return users[int(len(users) * self.random.random() ** POPULARITY)]

    def close(self) -> None:
        """Hang up."""
        self.visitor.close()

    def read(self, person: Person, path: str, asker: Person, *, needs_database: bool) -> None:
        """Read a user whose versions are known, and compare."""
        expected = self.fleet.ledger.newest(person.pk)
        was_disturbed = self.state.is_disturbed
        answer = self.visitor.ask("GET", path, asker, needs_database=needs_database)
        shown = None if answer is None else self.version_in(answer)
        if answer is None or shown is None:
            return
        self.tally.reads += 1
        if shown < expected:
            seconds = self.fleet.ledger.staleness(person.pk, shown, answer.began)
            self.visitor.note_stale("read", seconds, answer.instance, was_disturbed=was_disturbed)

    def version_in(self, answer: Answer) -> int | None:
        """Return the version in an answer; None for a refusal, which is counted as a failure."""
        if "bio" not in (answer.body or ()):
            self.visitor.fail(f"{answer.status} {answer.body}")
            return None
        return int(answer.body["bio"])
