"""Requests to the fleet as its load balancer sends them, and what is to be said of each."""

import http.client
import json
import time
from http import HTTPStatus
from random import Random
from typing import Any, NamedTuple

from tests.fleet.entrance import Entrance
from tests.fleet.fleet import Fleet
from tests.fleet.run_state import RunState
from tests.fleet.tally import Stale, Tally
from tests.fleet.users import Credential, Person

IDLE_SECONDS = 30
"""After which a connection isn't used again: servers close idle ones, and tell nobody before."""


class Answer(NamedTuple):
    """A response that is no failure, and when its request was about to be sent."""

    status: int
    body: Any
    instance: Entrance
    began: float


class Visitor:
    """One client of all servers, with a kept-alive connection to each; for one thread."""

    def __init__(self, state: RunState[Fleet], random: Random) -> None:
        """Connect to nobody yet."""
        self.state = state
        self.random = random
        self.tally = Tally()
        self._connections: dict[Entrance, tuple[int, http.client.HTTPConnection]] = {}
        self._used_at: dict[Entrance, float] = {}

    def ask(
        self,
        method: str,
        path: str,
        person: Person | Credential,
        body: object = None,
        *,
        at: Entrance | None = None,
        needs_database: bool = True,
    ) -> Answer | None:
        """Ask a server, any or that one; None where it failed or was away, which is counted."""
        if at is None:
            instance = self.state.fleet.pick(self.random)
        elif at.enter():
            instance = at
        else:
            return None
        try:
            return self._ask(
                instance, method, path, person, body=body, needs_database=needs_database
            )
        finally:
            instance.leave()

    def note_stale(
        self, what: str, seconds: float, instance: Entrance, *, was_disturbed: bool
    ) -> None:
        """Count an answer that was older than it may ever be with Redis in reach.

        `was_disturbed` is how things were at the question. A fault that began before the answer
        counts as well: it may have met the look-up half-way.
        """
        is_disturbed = was_disturbed or self.state.is_disturbed
        self.tally.stale.append(Stale(what, seconds, is_disturbed, instance.is_cut_off))

    def fail(self, what: str) -> None:
        """Count a failure that nothing excuses."""
        self.tally.failures.append(what)

    def close(self) -> None:
        """Hang up everywhere."""
        for _, connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _ask(
        self,
        instance: Entrance,
        method: str,
        path: str,
        person: Person | Credential,
        *,
        body: object,
        needs_database: bool,
    ) -> Answer | None:
        generation, connection = self._connect(instance)
        credential = person.credential if isinstance(person, Person) else person
        headers = {**instance.headers, "Authorization": f"{credential.scheme} {credential.token}"}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        was_database_away = self.state.is_database_away
        began = time.monotonic()
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if instance.is_excused(generation, method):
                self.tally.killed += 1
            else:
                self.fail(f"{method} {path}: {type(error).__name__} {error}")
            return None
        if not instance.is_excused(generation, method):
            self.tally.durations.append(time.monotonic() - began)
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            is_database_away = was_database_away or self.state.is_database_away
            is_unavailable = response.status == HTTPStatus.SERVICE_UNAVAILABLE
            if is_unavailable and is_database_away and needs_database:
                self.tally.database_away += 1
            else:
                self.fail(f"{method} {path}: {response.status} {content[:200]!r}")
            return None
        return Answer(response.status, json.loads(content) if content else None, instance, began)

    def _connect(self, instance: Entrance) -> tuple[int, http.client.HTTPConnection]:
        known, now = self._connections.get(instance), time.monotonic()
        if known is not None and now - self._used_at[instance] > IDLE_SECONDS:
            known[1].close()  # it connects again
        self._used_at[instance] = now
        if known is None or known[0] != instance.generation:
            if known is not None:
                known[1].close()
            known = self._connections[instance] = (instance.generation, instance.connect())
        return known
