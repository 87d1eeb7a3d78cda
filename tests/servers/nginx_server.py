"""An nginx of our own, on loopback, with the configuration that we publish."""

import os
import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.servers.errors import ServerUnavailableError
from tests.servers.server import HOST, Server
from tests.servers.stack import PROJECT

PUBLISHED: Final = PROJECT / "deploy" / "nginx"
FRAME: Final = """
{user}
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{configuration}
}}
"""
UPSTREAM_SERVER: Final = "server unix:/run/hiremebahamas/web.sock max_conns=36;"


def read_published(name: str, changes: Mapping[str, str]) -> str:
    """Return a file of deploy/nginx with what is another machine's replaced."""
    text = (PUBLISHED / name).read_text()
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def upstream(*addresses: str, most: int = 36) -> str:
    """Return upstream.conf with these servers, and with so many connections to each at most."""
    servers = " ".join(f"server {address} max_conns={most};" for address in addresses)
    return read_published("upstream.conf", {UPSTREAM_SERVER: servers})


class NginxServer(Server):
    """nginx with a configuration that listens on `PORT`, wherever it says so."""

    def __init__(self, directory: Path, *configuration: str, scheme: str = "http") -> None:
        """Put these texts into its `http` block."""
        super().__init__(directory)
        self._configuration = "\n".join(configuration)
        self._scheme = scheme

    @property
    def url(self) -> str:
        """The URL of its root."""
        return f"{self._scheme}://{HOST}:{self.port}"

    def _command(self) -> Sequence[str | Path]:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if program is None:
            raise ServerUnavailableError("No nginx to test with: apt-get install nginx-light.")
        text = self._configuration.replace("PORT", str(self.port))
        configuration = self.directory / "nginx.conf"
        # Its workers would run as `nobody`, without the right to read root's files.
        user = "user root;" if os.geteuid() == 0 else ""
        configuration.write_text(
            FRAME.format(user=user, directory=self.directory, configuration=text)
        )
        return (program, "-c", configuration, "-p", self.directory)

    def _is_ready(self) -> bool:
        with closing(socket.socket()) as probe:
            return probe.connect_ex((HOST, self.port)) == 0
