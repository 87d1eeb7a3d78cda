"""What the whole topology consists of, and how its parts find each other."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Final

import psycopg
import trustme

from tests.deployments import OF_CLUSTER, PERMISSIONS
from tests.fleet.environment import collect_static_files, make_environment, migrate
from tests.fleet.processes import Relay
from tests.servers.binaries import find_redis
from tests.servers.nginx_server import NginxServer, read_published, upstream
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgresql_server import PostgreSQLReplica, PostgreSQLServer
from tests.servers.redis_cluster import ClusterServer, ClusterServers
from tests.servers.server import HOST, find_free_port
from tests.servers.stack import PROJECT
from tests.servers.tcp_proxy import TcpProxy
from tests.standing.servers import AUTHORITY, ProductionServer, TLSClusterServer, speaks_tls

INSTANCES: Final = 4
RELAYS: Final = 2
REDIS_USER: Final = "hmb"


class Topology:
    """nginx, four instances, a cluster of six nodes, two PostgreSQLs, PgBouncer, two relays."""

    def __init__(
        self, directory: Path, stack: ExitStack, settings: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Start everything, until the stack is closed, with settings of the product's by name.

        Its files are kept in `directory`.
        """
        self.directory = directory
        self._stack = stack
        _write_certificates(directory)
        self.primary: PostgreSQLServer = stack.enter_context(
            PostgreSQLServer(_folder(directory, "postgresql"))
        )
        # What a floating address is elsewhere: it leads to whichever server is the primary.
        self._address = stack.enter_context(TcpProxy(self.primary.port))
        self.replica = self._add_replica("replica")
        pooler = stack.enter_context(PgBouncer(_folder(directory, "pgbouncer"), self.database_url))
        is_encrypted = speaks_tls(find_redis())
        password = secrets.token_urlsafe()
        self.cluster = ClusterServers(
            _folder(directory, "cluster"),
            password,
            make_node=TLSClusterServer if is_encrypted else ClusterServer,
        )
        for node in self.cluster.nodes:
            permissions = (PERMISSIONS + OF_CLUSTER).split()
            node.user = (REDIS_USER, "on", f">{password}", *permissions)
        stack.enter_context(self.cluster)
        scheme = "rediss+cluster" if is_encrypted else "redis+cluster"
        redis_url = f"{scheme}://{REDIS_USER}:{password}@{self.cluster.addresses}"
        self.environment = make_environment(directory, pooler.url, redis_url) | {
            "DATABASE_IS_POOLED": "True",
            "DATABASE_DIRECT_URL": self.database_url,
            "REDIS_CA_CERTS": str(directory / AUTHORITY) if is_encrypted else "",
            "ALLOWED_HOSTS": f"{HOST},localhost",
            "SECURE_SSL_REDIRECT": "True",
            "TRUST_X_FORWARDED_PROTO": "True",
            "NUM_PROXIES": "1",
            "WEB_WORKERS": "1",
            "PYTHONPATH": str(PROJECT),
            "STATIC_ROOT": str(directory / "static"),
            "WEB_COLLECT_STATIC": "False",
            **settings,
        }
        migrate(self.environment)
        collect_static_files(self.environment)
        self.instances = [
            stack.enter_context(ProductionServer(folder, self.environment))
            for folder in _folders(directory, "instance", INSTANCES)
        ]
        self.relays = [
            stack.enter_context(Relay(folder, self.environment))
            for folder in _folders(directory, "relay", RELAYS)
        ]
        self.nginx = stack.enter_context(_make_nginx(directory, [i.url for i in self.instances]))

    @property
    def database_url(self) -> str:
        """The URL of whichever PostgreSQL is the primary."""
        return self.primary.url.replace(f":{self.primary.port}/", f":{self._address.port}/")

    def describe(self) -> dict[str, str]:
        """Return where everything is, by name."""
        return {
            "site": self.nginx.url,
            "certificate authority": str(self.directory / AUTHORITY),
            "instances": " ".join(instance.url for instance in self.instances),
            "PostgreSQL": self.database_url,
            "its replica": self.replica.url,
            "PgBouncer": self.environment["DATABASE_URL"],
            "Redis": self.environment["REDIS_URL"],
        }

    def lose_primary(self) -> None:
        """End PostgreSQL as a crash does, and refuse connections in its place."""
        self.primary.stop()
        self._address.cut()

    def promote_replica(self) -> None:
        """Make the replica the primary, as an operator would or Patroni."""
        with psycopg.connect(self.replica.url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
        self.primary = self.replica
        self._address.lead_to(self.primary.port)
        self._address.restore()

    def restore(self) -> None:
        """Start what is not running, and a replica where it was promoted."""
        for server in (*self.instances, *self.relays):
            if not server.is_running:
                server.start()
        self.cluster.restore()
        if self.replica is self.primary:
            self.replica = self._add_replica(f"replica-of-{self.primary.port}")

    def _add_replica(self, name: str) -> PostgreSQLReplica:
        replica = PostgreSQLReplica(_folder(self.directory, name), self.primary)
        self._stack.enter_context(replica)
        with psycopg.connect(self.primary.url, autocommit=True) as connection:
            # Or the last commits would be lost with the primary.
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
        return replica


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
