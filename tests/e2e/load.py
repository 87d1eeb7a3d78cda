"""Clients that keep asking while something happens to the servers."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Self

from tests.e2e.http_client import Answer, HttpClient
from tests.waiting import wait_until

MOST_ROUNDS = 5000


class Load:
    """A thread per client, each reading and writing the client's own profile until the end.

    `with Load(clients) as load: load.go_on(20)`; `wrong` is every answer that was not a right one,
    and every connection that broke or stayed silent.
    """

    def __init__(self, clients: Sequence[HttpClient]) -> None:
        """Give each client a thread."""
        self.wrong: list[object] = []
        self._clients = clients
        self._rounds = [0] * len(clients)
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(len(clients))

    def go_on(self, rounds: int) -> None:
        """Wait until every client has done that many rounds more."""
        goals = [done + rounds for done in self._rounds]
        wait_until(
            lambda: all(done >= goal for done, goal in zip(self._rounds, goals, strict=True)),
            f"every client has done {rounds} rounds more",
        )

    def __enter__(self) -> Self:
        """Start."""
        for number in range(len(self._clients)):
            self._pool.submit(self._run, number)
        return self

    def __exit__(self, *exception: object) -> None:
        """End, after the requests that are under way."""
        self._ended.set()
        self._pool.shutdown()

    def _run(self, number: int) -> None:
        client = self._clients[number]
        while not self._ended.is_set() and self._rounds[number] < MOST_ROUNDS:
            bio = f"Round {self._rounds[number]}"
            try:
                self._check(client.send("PUT", "/auth/profile", {"bio": bio}), "bio", bio)
                self._check(client.get("/auth/verify"), "valid", True)
            except (OSError, HTTPException) as error:
                self.wrong.append(error)
            self._rounds[number] += 1

    def _check(self, answer: Answer, name: str, value: object) -> None:
        if answer.status != 200 or answer.body[name] != value:
            self.wrong.append(answer)
