"""The servers that only the standing topology has."""

import http
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from hiremebahamas.server.address import Address
from hiremebahamas.server.probe import ask as probe
from tests.fleet.processes import Reconfigurable
from tests.servers.redis_cluster import ClusterServer
from tests.servers.server import HOST

AUTHORITY: Final = "authority.pem"
TRIAL_SECONDS: Final = 60


class ProductionServer(Reconfigurable):
    """`make serve`, with one worker."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        """Take what is the same for all instances."""
        super().__init__(directory)
        self._variables = environment

    @property
    def url(self) -> str:
        """The URL of its root."""
        return f"http://{HOST}:{self.port}"

    def kill(self) -> None:
        """End it and its worker with SIGKILL, as the loss of its machine would."""
        os.killpg(self.pid, signal.SIGKILL)
        super().kill()

    def _environment(self) -> Mapping[str, str]:
        own = {"STATIC_ROOT": str(self.directory / "static")}
        return {**own, **self._variables, "WEB_BIND": f"{HOST}:{self.port}"}

    def _command(self) -> Sequence[str | Path]:
        return (sys.executable, "-m", "hiremebahamas.server")

    def _is_ready(self) -> bool:
        try:
            return probe(Address(HOST, self.port), HOST)[0] == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False


class TLSClusterServer(ClusterServer):
    """A node that speaks TLS alone, with its clients as with the other nodes."""

    @property
    def url(self) -> str:
        """The URL of its database, and whose certificate it has."""
        plain = super().url.replace("redis://", "rediss://", 1)
        return f"{plain}?ssl_ca_certs={self._certificates / AUTHORITY}"

    @property
    def _certificates(self) -> Path:
        return self.directory.parent.parent

    def _command(self) -> Sequence[str | Path]:
        files = {"cert": "fullchain.pem", "key": "privkey.pem", "ca-cert": AUTHORITY}
        certificates = (
            word
            for name, file in files.items()
            for word in (f"--tls-{name}-file", self._certificates / file)
        )
        ports = ("--port", "0", "--tls-port", str(self.port))
        use = ("--tls-auth-clients", "no", "--tls-cluster", "yes", "--tls-replication", "yes")
        return (*super()._command(), *ports, *certificates, *use)


def speaks_tls(program: Path) -> bool:
    """Return whether this Redis or Valkey was built with TLS; the one from PyPI isn't."""
    answer = subprocess.run(
        [program, "--port", "0", "--tls-cluster", "yes", "--save", ""],
        check=False,
        capture_output=True,
        text=True,
        timeout=TRIAL_SECONDS,
    )
    # Each ends at once: without a certificate, or for want of the option or of what it stands for.
    said = answer.stdout + answer.stderr
    return "FATAL CONFIG" not in said and "connection type tls" not in said
