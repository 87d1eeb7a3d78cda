"""nginx refuses what the application has no place for, and passes on what must be answered."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from tests.servers.nginx_server import NginxServer, read_published, upstream
from tests.servers.server import HOST, find_free_port
from tests.waiting import WAIT_SECONDS

pytestmark = pytest.mark.nginx

SLOW: Final = "/users"


class Application(ThreadingHTTPServer):
    """Answer slow requests once it may, and others at once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), Answer)
        self.may_answer = threading.Event()
        self.is_asked = threading.Event()


class Answer(BaseHTTPRequestHandler):
    server: Application

    def do_GET(self) -> None:
        if self.path == SLOW:
            self.server.is_asked.set()
            assert self.server.may_answer.wait(WAIT_SECONDS)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture
def application() -> Iterator[Application]:
    """Run it; what still waits is answered at the end."""
    with Application() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.may_answer.set()
            server.shutdown()


@pytest.fixture
def site(application: Application, tmp_path: Path) -> Iterator[str]:
    """Run nginx, with one place for requests and one for light ones, and return its URL."""
    published = read_published(
        "hiremebahamas.conf",
        {
            "listen 80;": f"listen {HOST}:{find_free_port()};",
            "listen 443 ssl http2;": f"listen {HOST}:PORT;",
            "ssl_certificate /etc/ssl/hiremebahamas/fullchain.pem;": "",
            "ssl_certificate_key /etc/ssl/hiremebahamas/privkey.pem;": "",
            "ssl_protocols TLSv1.2 TLSv1.3;": "",
            "/var/log/nginx/": f"{tmp_path}/",
        },
    )
    servers = upstream(f"{HOST}:{application.server_port}", most=1)
    with NginxServer(tmp_path, servers, published) as server:
        yield server.url


def ask(site: str, path: str) -> tuple[HTTPResponse, bytes]:
    with closing(HTTPConnection(urlsplit(site).netloc, timeout=WAIT_SECONDS)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer, answer.read()


def test_what_is_too_much_is_refused(application: Application, site: str) -> None:
    """At once, in JSON, with when to come back; the request that has the place is answered."""
    with ThreadPoolExecutor() as pool:
        first = pool.submit(ask, site, SLOW)
        assert application.is_asked.wait(WAIT_SECONDS)
        answer, body = ask(site, SLOW)
        assert (answer.status, json.loads(body)["code"]) == (503, "unavailable")
        assert answer.getheader("Retry-After") == "5"
        for path in ("/auth/verify", "/health/live"):
            assert ask(site, path)[0].status == 200
        application.may_answer.set()
        assert first.result(WAIT_SECONDS)[0].status == 200
