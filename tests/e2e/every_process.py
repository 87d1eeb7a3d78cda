"""Asking all processes of a web server the same question."""

import secrets
from dataclasses import dataclass, replace

from tests.e2e.http_client import Answer, HttpClient
from tests.e2e.web_server import WebServer

FEWEST_READS = 20
MOST_READS = 2000


@dataclass(frozen=True)
class Everywhere:
    """Read from every process of the server: `everywhere(client, "/auth/profile")`."""

    server: WebServer

    def __call__(self, client: HttpClient, path: str) -> Answer:
        """Read until each has answered, 20 times at least, and return their one answer.

        Fails where two answers differ. Which process gets a connection is the kernel's choice.
        """
        reader = replace(client, agent=f"reader-{secrets.token_hex(8)}")
        answer = reader.get(path)
        for reads in range(2, MOST_READS):
            other = reader.get(path)
            assert other == answer, f"{path} answered {answer}, and then {other}"
            if reads >= FEWEST_READS and self._have_all_answered(reader):
                return answer
        raise AssertionError(f"A process has not answered once in {MOST_READS} requests.")

    def _have_all_answered(self, reader: HttpClient) -> bool:
        return len(self.server.who_answered(reader.agent)) == self.server.processes
