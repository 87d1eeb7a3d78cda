"""Redis as it is deployed: every kind of address that REDIS_URL takes, with real servers."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from pytest_django import Settings

from hiremebahamas.redis_urls import parse_redis_url
from hiremebahamas.shared_cache import RedisOptions, redis_cache
from tests.servers.redis_cluster import ClusterServers
from tests.servers.redis_server import RedisServer
from tests.servers.sentinel_set import SERVICE, SentinelSet
from tests.servers.server import HOST
from tests.servers.tls_proxy import TLSProxy

# So that a slow machine is not taken for a slow Redis, where that is not what is tested.
PATIENT_SECONDS = 5.0
MAX_CONNECTIONS = 50
PASSWORD = "conch:salad@noon/%"
QUOTED_PASSWORD = "conch%3Asalad%40noon%2F%25"
SENTINEL_PASSWORD = "guava-duff"
# What README.md tells operators to grant, and nothing else.
PERMISSIONS = (
    "~hmb:* -@all +@connection +get +set +del +eval +time +pttl +hincrby +hgetall +scan +wait "
    "+role +cluster|slots +command"
)


@dataclass(frozen=True)
class Deployment:
    """A running Redis, by the URL and files that an operator would name."""

    url: str
    flush: Callable[[], object]
    ca_certs: str = ""
    client_cert: str = ""
    client_key: str = ""
    sentinel_password: str = ""

    def use(self, settings: Settings, timeout_seconds: float = PATIENT_SECONDS) -> None:
        """Let the shared alias lead here, to an empty Redis."""
        self.flush()
        options = RedisOptions(
            timeout_seconds,
            MAX_CONNECTIONS,
            ca_certs=self.ca_certs,
            client_cert=self.client_cert,
            client_key=self.client_key,
            sentinel_password=self.sentinel_password,
        )
        entry = redis_cache(parse_redis_url(self.url), options)
        settings.CACHES = settings.CACHES | {settings.USERCACHE_SHARED_ALIAS: entry}


@contextmanager
def deploy_unix(directory: Path) -> Iterator[Deployment]:
    """Run a server behind a socket file."""
    path = directory / "redis.sock"
    with RedisServer(directory, "--unixsocket", str(path)) as server:
        yield Deployment(f"unix://{path}", flusher(server))


@contextmanager
def deploy_acl(directory: Path) -> Iterator[Deployment]:
    """Run a server with a user who may do what README.md grants him, and no more."""
    with RedisServer(directory) as server:
        with server.client() as client:
            rules = f"on >{PASSWORD} {PERMISSIONS}".split()
            client.execute_command("ACL", "SETUSER", "hmb", *rules)
        yield Deployment(f"redis://hmb:{QUOTED_PASSWORD}@{HOST}:{server.port}", flusher(server))


@contextmanager
def deploy_tls(directory: Path, host: str = HOST) -> Iterator[Deployment]:
    """Run a server behind TLS, with a CA of the test's own and certificates for both sides."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert(host).configure_cert(context)
    authority.configure_trust(context)
    ca_certs, key, cert = (directory / name for name in ("ca.pem", "client.key", "client.pem"))
    authority.cert_pem.write_to_path(ca_certs)
    client = authority.issue_cert("web@example.com")
    client.private_key_pem.write_to_path(key)
    client.cert_chain_pems[0].write_to_path(cert)
    with RedisServer(directory) as server, TLSProxy(context, server.port) as proxy:
        url = f"rediss://{HOST}:{proxy.port}/0"
        yield Deployment(url, flusher(server), str(ca_certs), str(cert), str(key))


@contextmanager
def deploy_sentinel(directory: Path) -> Iterator[Deployment]:
    """Run three sentinels with their own password over a primary and a replica with another."""
    with SentinelSet(directory, PASSWORD, SENTINEL_PASSWORD) as servers:
        url = f"redis+sentinel://:{QUOTED_PASSWORD}@{servers.addresses}/{SERVICE}/0"
        yield Deployment(url, flusher(servers.primary), sentinel_password=SENTINEL_PASSWORD)


@contextmanager
def deploy_cluster(directory: Path) -> Iterator[Deployment]:
    """Run a cluster of three primaries and their replicas; two of its nodes are told."""
    with ClusterServers(directory, PASSWORD) as servers:
        known = ",".join(servers.addresses.split(",")[:2])
        yield Deployment(f"redis+cluster://:{QUOTED_PASSWORD}@{known}", servers.flush)


def flusher(server: RedisServer) -> Callable[[], object]:
    """Return a function that empties the server past its users and its TLS."""

    def flush() -> None:
        with server.client() as client:
            client.flushall()

    return flush


DEPLOYMENTS: dict[str, Callable[[Path], AbstractContextManager[Deployment]]] = {
    "unix": deploy_unix,
    "acl": deploy_acl,
    "tls": deploy_tls,
    "sentinel": deploy_sentinel,
    "cluster": deploy_cluster,
}
