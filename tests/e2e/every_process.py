"""Asking all processes of a web server the same question."""

import secrets
from dataclasses import replace

from tests.e2e.http_client import Answer, HttpClient
from tests.e2e.web_server import WebServer

FEWEST_READS = 20
MOST_READS = 2000


def read_everywhere(server: WebServer, client: HttpClient, path: str) -> Answer:
    """Read until every process has answered, 20 times at least, and return their one answer.

    Fails where two answers differ. Which process gets a connection is the kernel's choice.
    """
    reader = replace(client, agent=f"reader-{secrets.token_hex(8)}")
    answer = reader.get(path)
    for number in range(2, MOST_READS):
        assert reader.get(path) == answer
        if number >= FEWEST_READS and len(server.who_answered(reader.agent)) == server.processes:
            return answer
    raise AssertionError(f"A process did not answer once in {MOST_READS} requests.")
