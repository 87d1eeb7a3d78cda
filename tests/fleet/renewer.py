"""A thread that renews a session at any server, by tokens that the servers themselves sign."""

from http import HTTPStatus
from typing import NamedTuple

import jwt
import psycopg

from tests.fleet.users import Credential, Person
from tests.fleet.visitor import Visitor
from tests.fleet.worker import Worker

PAUSE_SECONDS = 0.1


class Pair(NamedTuple):
    """What a refresh returns."""

    access: Credential
    refresh_token: str

    @property
    def link(self) -> object:
        """The refresh token's place in its session."""
        return jwt.decode(self.refresh_token, options={"verify_signature": False})["jti"]


class Renewer(Worker):
    """Has two tabs, which refresh the same token at two servers, and uses what both get."""

    def __init__(self, visitor: Visitor) -> None:
        """Have no session yet."""
        super().__init__(visitor)
        self._users = self.fleet.open_users()
        self._person: Person | None = None
        self._refresh_token = ""

    def step(self) -> None:
        """Refresh in both tabs, at any servers, and let each use its tokens."""
        self.state.ended.wait(PAUSE_SECONDS)
        try:
            person = self._person or self._begin()
        except psycopg.OperationalError:  # away; its end is somebody else's to notice
            return
        pairs = [self._refresh(person), self._refresh(person)]
        if None in pairs:
            self._person = None  # whether the session goes on, nobody knows
            return
        first, second = filter(None, pairs)
        if first.link != second.link:
            self.visitor.fail("two tabs got different successors of one refresh token")
        for pair in (first, second):
            answer = self.visitor.ask("GET", "/auth/verify", pair.access)
            if answer is not None and answer.status != HTTPStatus.OK:
                self.visitor.fail(f"a new access token is refused: {answer.body}")
        self._refresh_token = self.random.choice((first, second)).refresh_token

    def close(self) -> None:
        """Hang up, and disconnect."""
        super().close()
        self._users.close()

    def _begin(self) -> Person:
        [person] = self._users.create(1)
        self._refresh_token = self.fleet.mint.make_refresh_token(person.pk)
        self._person = person
        return person

    def _refresh(self, person: Person) -> Pair | None:
        body = {"refresh_token": self._refresh_token}
        answer = self.visitor.ask("POST", "/auth/refresh", person, body)
        if answer is None:
            return None
        if answer.status != HTTPStatus.OK:
            self.visitor.fail(f"refresh: {answer.status} {answer.body}")
            return None
        return Pair(Credential(answer.body["access_token"]), answer.body["refresh_token"])
