"""The command that serves in production: from its start to the last request under way."""

import http.client
import json
import os
import re
import signal
import socket
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from accounts.models import User
from tests.cast import PASSWORD, token_of
from tests.e2e.http_client import HttpClient
from tests.e2e.production_server import ProductionServer
from tests.servers.server import HOST
from tests.waiting import WAIT_SECONDS, wait_until

# What it is made for; once is enough, since it takes seconds to start.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

CLIENTS = 8
WARM = 100
"""Requests, of all clients, before the end."""


def fetch(url: str | urllib.request.Request) -> http.client.HTTPResponse:
    response: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=WAIT_SECONDS)
    return response


def begin_login(connection: socket.socket, body: bytes) -> None:
    """Announce a body, and wait until somebody wants to read it."""
    head = f"POST /auth/login HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    head += f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode())
    assert connection.recv(1024).startswith(b"HTTP/1.1 100 Continue")


def test_the_production_server(alice: User, tmp_path: Path) -> None:
    """Serve users and static files, read bodies in chunks, log no secret.

    On SIGTERM finish what is under way.
    """
    token = token_of(alice)
    with ProductionServer(tmp_path) as server:
        client = HttpClient(server.url, token)
        for _ in range(2):  # cold, then warm
            assert client.get("/auth/verify") == (200, {"valid": True, "user_id": alice.pk})
        empty = urllib.request.Request(f"{server.url}/health/live", headers={"Content-Length": "0"})
        assert fetch(empty).status == 200
        client.get(f"/users/lookup?email={alice.email}")
        client.get("/nope%0aforged%22")
        chunked = client.send_chunks("PUT", "/auth/profile", {"bio": "Cooks."})
        assert (chunked.status, chunked.body["bio"]) == (200, "Cooks.")

        page = fetch(f"{server.url}/api/docs").read().decode()
        [script] = re.findall(r'src="(/static/api_docs/[^"]+)"', page)
        assert "immutable" in fetch(server.url + script).headers["Cache-Control"]

        body = json.dumps({"email": alice.email, "password": PASSWORD}).encode()
        with socket.create_connection((HOST, server.port), WAIT_SECONDS) as connection:
            begin_login(connection, body)
            os.kill(server.pid, signal.SIGTERM)
            wait_until(lambda: "Shutting down" in server.read_log(), "it has heard")
            connection.sendall(body)
            response = http.client.HTTPResponse(connection)
            response.begin()
            assert response.status == 200
            assert json.loads(response.read())["user"]["id"] == alice.pk
        assert server.wait() == 0

    log = server.read_log()
    assert '"GET /users/lookup HTTP/1.1" 403' in log
    assert '"GET /nope%0Aforged%22 HTTP/1.1" 404' in log
    # Not the log-in: granian writes after the answer, and the worker may end in between.
    for secret in (token, alice.email, PASSWORD):
        assert secret not in log


def ask_until_refused(server: ProductionServer, token: str) -> str:
    """Ask on one connection, as a proxy does, on another when told to; return what ended it."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=WAIT_SECONDS)
    while True:
        try:
            connection.request("GET", "/auth/verify", headers={"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        if response.status != http.HTTPStatus.OK:
            return str(response.status)


def test_a_server_that_stops_answers_all_that_it_accepts(alice: User, tmp_path: Path) -> None:
    """SIGTERM breaks no connection that is in use: each of its clients is refused another."""
    with ProductionServer(tmp_path) as server, ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask_until_refused, server, token_of(alice)) for _ in range(CLIENTS)]
        wait_until(lambda: server.read_log().count("/auth/verify") >= WARM, "all are served")
        os.kill(server.pid, signal.SIGTERM)
        assert [future.result() for future in asking] == ["ConnectionRefusedError"] * CLIENTS
        assert server.wait() == 0


def test_log_as_json(alice: User, tmp_path: Path) -> None:
    """Once it serves, each line is an object; the proxy's name of a request is in the answer."""
    with ProductionServer(tmp_path, variables={"LOG_FORMAT": "json"}) as server:
        client = HttpClient(server.url, token_of(alice))
        assert client.get("/nope%0aforged%22").status == 404
        named = urllib.request.Request(f"{server.url}/health/live", headers={"X-Request-Id": "a-1"})
        assert fetch(named).headers["X-Request-Id"] == "a-1"
        # granian writes after the answer.
        log = wait_until(lambda: _read_log_with(server, "/nope"), "the request is in the log")

    served = log[log.index("{") :].splitlines()
    lines = [json.loads(line) for line in served]
    [nope] = [line for line in lines if str(line.get("path")).startswith("/nope")]
    assert (nope["logger"], nope["status"]) == ("access", 404)
    assert HOST not in json.dumps(nope)


def _read_log_with(server: ProductionServer, word: str) -> str:
    # Whole lines, if the word is in one of them.
    log = server.read_log()
    log = log[: log.rfind("\n") + 1]
    return log if word in log else ""
