"""The health check of a container: it asks the server as a client would."""

import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from hiremebahamas.server import probe
from tests.servers.server import HOST, find_free_port


class Handler(BaseHTTPRequestHandler):
    """Ready for the right path and host alone."""

    def do_GET(self) -> None:
        is_right = (self.path, self.headers["Host"]) == ("/health/ready", "www.example.com")
        self.send_response(200 if is_right else 503)
        self.end_headers()
        self.wfile.write(b"ready" if is_right else b"not ready")

    def address_string(self) -> str:
        return "a socket file has none"


@pytest.fixture(params=["port", "file"])
def bind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Serve on either kind of address, and return it as WEB_BIND has it."""
    path = str(tmp_path / "web.sock")
    server: socketserver.BaseServer
    if request.param == "port":
        server = socketserver.ThreadingTCPServer((HOST, 0), Handler)
        bind = f"0.0.0.0:{server.server_address[1]}"
    else:
        # The handler wants an address of its client's.
        server = socketserver.ThreadingUnixStreamServer(path, Handler)
        bind = f"unix:{path}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield bind
    server.shutdown()
    thread.join()
    server.server_close()


def run(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Any:
    """Return the exit code."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as exited:
        probe.main()
    return exited.value.code


def test_ready_server_is_healthy(
    bind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is asked as the first of ALLOWED_HOSTS, where it listens."""
    hosts = ".www.example.com,other.example.com"
    assert not run(monkeypatch, WEB_BIND=bind, ALLOWED_HOSTS=hosts)
    assert capsys.readouterr().out == "ready\n"


def test_server_that_is_not_ready_is_unhealthy(
    bind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it says is shown."""
    assert run(monkeypatch, WEB_BIND=bind, ALLOWED_HOSTS="other.example.com")
    assert capsys.readouterr().out == "not ready\n"


def test_server_that_is_away_is_unhealthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an error of ours."""
    assert run(monkeypatch, WEB_BIND=f"{HOST}:{find_free_port()}")
