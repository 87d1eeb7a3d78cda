"""What the fleet consists of, and how its parts find each other."""

import http
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import trustme

from hiremebahamas.server.address import Address
from hiremebahamas.server.probe import ask as probe
from tests.deployments import OF_CLUSTER, PERMISSIONS
from tests.fleet.environment import make_environment, migrate
from tests.fleet.processes import Relay
from tests.servers.binaries import find_redis
from tests.servers.nginx_server import NginxServer, read_published, upstream
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgresql_server import PostgreSQLReplica, PostgreSQLServer
from tests.servers.redis_cluster import ClusterServer, ClusterServers, ask
from tests.servers.server import HOST, Server, find_free_port
from tests.servers.stack import PROJECT

INSTANCES: Final = 4
RELAYS: Final = 2
REDIS_USER: Final = "hmb"
AUTHORITY: Final = "authority.pem"
TRIAL_SECONDS: Final = 60
READY_SECONDS: Final = 4.0


class Instance(Server):
    """`make serve`, with one worker."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        """Take what is the same for all instances."""
        super().__init__(directory)
        self._variables = environment

    @property
    def url(self) -> str:
        """The URL of its root."""
        return f"http://{HOST}:{self.port}"

    def _environment(self) -> Mapping[str, str]:
        own = {"WEB_BIND": f"{HOST}:{self.port}", "STATIC_ROOT": str(self.directory / "static")}
        return {**self._variables, **own}

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


def start_all(directory: Path, stack: ExitStack) -> dict[str, str]:
    """Start every server, and return what there is, by name."""
    _write_certificates(directory)
    primary = stack.enter_context(PostgreSQLServer(_folder(directory, "postgresql")))
    replica = stack.enter_context(PostgreSQLReplica(_folder(directory, "replica"), primary))
    pooler = stack.enter_context(PgBouncer(_folder(directory, "pgbouncer"), primary.url))
    is_encrypted = speaks_tls(find_redis())
    password = secrets.token_urlsafe()
    cluster = stack.enter_context(
        ClusterServers(
            _folder(directory, "cluster"),
            password,
            make_node=TLSClusterServer if is_encrypted else ClusterServer,
        )
    )
    for node in cluster.nodes:
        permissions = (PERMISSIONS + OF_CLUSTER).split()
        ask(node, "ACL", "SETUSER", REDIS_USER, "on", f">{password}", *permissions)
    scheme = "rediss+cluster" if is_encrypted else "redis+cluster"
    redis_url = f"{scheme}://{REDIS_USER}:{password}@{cluster.addresses}"
    environment = make_environment(directory, pooler.url, redis_url) | {
        "DATABASE_IS_POOLED": "True",
        "DATABASE_DIRECT_URL": primary.url,
        "REDIS_CA_CERTS": str(directory / AUTHORITY) if is_encrypted else "",
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "SECURE_SSL_REDIRECT": "True",
        "TRUST_X_FORWARDED_PROTO": "True",
        "NUM_PROXIES": "1",
        "WEB_WORKERS": "1",
        "PYTHONPATH": str(PROJECT),
    }
    migrate(environment)
    instances = [
        stack.enter_context(Instance(folder, environment))
        for folder in _folders(directory, "instance", INSTANCES)
    ]
    for folder in _folders(directory, "relay", RELAYS):
        stack.enter_context(Relay(folder, environment))
    nginx = stack.enter_context(_make_nginx(directory, [i.url for i in instances]))
    return {
        "site": nginx.url,
        "certificate authority": str(directory / AUTHORITY),
        "instances": " ".join(instance.url for instance in instances),
        "PostgreSQL": primary.url,
        "its replica": replica.url,
        "PgBouncer": pooler.url,
        "Redis": redis_url,
    }


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


def _make_nginx(directory: Path, urls: Sequence[str]) -> NginxServer:
    folder = _folder(directory, "nginx")
    changes = {
        "listen 80;": f"listen {HOST}:{find_free_port()};",
        "listen 443 ssl http2;": f"listen {HOST}:PORT ssl http2;",
        "/var/log/nginx/": f"{folder}/",
        "/etc/ssl/hiremebahamas/": f"{directory}/",
        "/var/lib/hiremebahamas/media/": f"{directory}/media/",
    }
    site = read_published("hiremebahamas.conf", changes)
    servers = upstream(*(url.removeprefix("http://") for url in urls))
    return NginxServer(folder, servers, site, scheme="https")


def _write_certificates(directory: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(directory / AUTHORITY)
    certificate = authority.issue_cert("localhost", HOST)
    certificate.cert_chain_pems[0].write_to_path(directory / "fullchain.pem")
    certificate.private_key_pem.write_to_path(directory / "privkey.pem")


def _folder(directory: Path, name: str) -> Path:
    folder = directory / name
    folder.mkdir()
    return folder


def _folders(directory: Path, name: str, count: int) -> Iterator[Path]:
    for number in range(1, count + 1):
        yield _folder(directory, f"{name}{number}")
