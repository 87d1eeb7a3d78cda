"""An nginx of our own, on loopback, with the configuration that we publish."""

import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.servers.errors import ServerUnavailableError
from tests.servers.server import HOST, Server
from tests.servers.stack import PROJECT

PUBLISHED: Final = PROJECT / "docs" / "nginx-forward-auth.conf"
FRAME: Final = """
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream hiremebahamas {{ server {application}; }}
{published}
}}
"""


class NginxServer(Server):
    """nginx as a gateway between clients and a service."""

    def __init__(self, directory: Path, application: str, service: str) -> None:
        """Ask the application at this address, and pass on to the service at that one."""
        super().__init__(directory)
        self._application = application
        self._service = service

    @property
    def url(self) -> str:
        """The URL of its root."""
        return f"http://{HOST}:{self.port}"

    def _command(self) -> Sequence[str | Path]:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if program is None:
            raise ServerUnavailableError("No nginx to test with: apt-get install nginx-light.")
        changes: Mapping[str, str] = {
            "server 127.0.0.1:9000;": f"server {self._service};",
            "listen 8080;": f"listen {HOST}:{self.port};",
            "server_name jobs.example.com;": "",
            "Host www.example.com;": f"Host {HOST};",
        }
        published = PUBLISHED.read_text()
        for old, new in changes.items():
            assert old in published, old
            published = published.replace(old, new)
        configuration = self.directory / "nginx.conf"
        configuration.write_text(
            FRAME.format(
                directory=self.directory, application=self._application, published=published
            )
        )
        return (program, "-c", configuration, "-p", self.directory)

    def _is_ready(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex((HOST, self.port)) == 0
