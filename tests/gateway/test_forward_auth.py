"""nginx asks us who a request is from, and a service without Django believes it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from accounts.models import User
from tests.cast import token_of
from tests.e2e.web_server import WAIT_VARIABLES, WebServer
from tests.servers.nginx_server import NginxServer, read_published, upstream
from tests.servers.server import HOST, find_free_port
from tests.servers.stack import PROJECT
from tests.waiting import wait_until

pytestmark = [pytest.mark.nginx, pytest.mark.redis, pytest.mark.django_db(transaction=True)]

KEY: Final = "junkanoo" * 4
ANSWER_SECONDS: Final = 60
GUESSES: Final = 3


def ask(url: str, token: str = "", **headers: str) -> tuple[int, str]:
    """Return the status and the text; 0 while nobody listens."""
    address = urlsplit(url).netloc
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with closing(HTTPConnection(address, timeout=ANSWER_SECONDS)) as connection:
        try:
            connection.request("GET", "/jobs", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except ConnectionRefusedError:
            return 0, ""


@pytest.fixture
def service() -> Iterator[str]:
    """Run the documentation's service, and return its URL."""
    port = find_free_port()
    environment = os.environ | {"PORT": str(port), "USERCACHE_FORWARD_SIGNING_KEY": KEY}
    process = subprocess.Popen(
        [sys.executable, PROJECT / "docs" / "forward_auth_service.py"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{HOST}:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def web_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """Run the product with forwarding on."""
    variables = WAIT_VARIABLES | {
        "USERCACHE_FORWARD_SIGNING_KEY": KEY,
        "NUM_PROXIES": "1",
        "AUTH_LIMITS": f"key_address={GUESSES}/3600",
    }
    with WebServer(tmp_path_factory.mktemp("web"), variables=variables) as server:
        yield server


@pytest.fixture
def gateway(web_server: WebServer, service: str, tmp_path: Path) -> Iterator[str]:
    """Run nginx between both, and return its URL."""
    wait_until(lambda: ask(service)[0] == 401, "the service answers")
    gateway = read_published(
        "forward-auth.conf",
        {
            "server 127.0.0.1:9000;": f"server {urlsplit(service).netloc};",
            "listen 8080;": f"listen {HOST}:PORT;",
            "server_name jobs.example.com;": "",
            "Host www.example.com;": f"Host {HOST};",
        },
    )
    application = upstream(f"{HOST}:{web_server.port}")
    with NginxServer(tmp_path, application, gateway) as server:
        yield server.url


def test_service_knows_the_user(gateway: str, alice: User) -> None:
    """Without a token nobody gets through; with one, the service has the user's key."""
    assert ask(gateway)[0] == 401
    assert ask(gateway, token_of(alice)) == (200, f"These are the jobs of user {alice.pk}.\n")


def test_deactivated_user_is_stopped_at_the_gateway(gateway: str, alice: User) -> None:
    """Their token was good a moment ago."""
    token = token_of(alice)
    assert ask(gateway, token)[0] == 200
    alice.is_active = False
    alice.save()
    assert ask(gateway, token)[0] == 401


def test_headers_of_a_client_never_arrive(gateway: str, service: str, alice: User) -> None:
    """The gateway replaces them; around it, they lack our signature."""
    forged = {"X-User-Id": "1", "X-User-Is-Admin": "True", "X-User-Signature": "t=1,v1=0"}
    _, text = ask(gateway, token_of(alice), **forged)
    assert text == f"These are the jobs of user {alice.pk}.\n"
    assert ask(service, token_of(alice), **forged)[0] == 401


def test_client_can_t_choose_the_address_that_limits_count_by(gateway: str) -> None:
    """Guesses at API keys cost a query each: nginx makes a 503 of our 429."""
    statuses = [
        ask(gateway, Authorization="Api-Key x", **{"X-Forwarded-For": f"198.51.100.{number}"})[0]
        for number in range(GUESSES + 1)
    ]
    assert statuses == [*[401] * GUESSES, 503]


def test_application_that_is_away_is_a_503(
    gateway: str, web_server: WebServer, alice: User
) -> None:
    """Not a 500, and nobody gets through."""
    token = token_of(alice)
    assert ask(gateway, token)[0] == 200
    web_server.stop()
    assert ask(gateway, token)[0] == 503
