"""Redis as it is deployed: every kind of address that REDIS_URL takes, with real servers."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import trustme
from pytest_django import Settings

from hiremebahamas.redis_urls import parse_redis_url
from hiremebahamas.shared_cache import RedisOptions, redis_cache
from tests.servers.redis_cluster import ClusterServer, ClusterServers, ask, give_slots
from tests.servers.redis_server import WITHOUT_TRACKING, RedisServer
from tests.servers.sentinel_set import SERVICE, SentinelSet
from tests.servers.server import HOST
from tests.servers.tls_proxy import TLSProxy
from tests.waiting import wait_until

# So that a slow machine is not taken for a slow Redis, where that is not what is tested.
PATIENT_SECONDS = 5.0
NO_CLUSTER = "The cluster client needs redis-py 7.4 or later."
MAX_CONNECTIONS = 50
PASSWORD = "conch:salad@noon/%"
QUOTED_PASSWORD = "conch%3Asalad%40noon%2F%25"
USER, TENANT = "hmb", "tenant"
LOGIN = f"{USER}:{QUOTED_PASSWORD}"
CA_CERTS, CLIENT_CERT, CLIENT_KEY = "ca.pem", "client.pem", "client.key"
SENTINEL_PASSWORD = "guava-duff"
# What docs/redis.md tells operators to grant, and nothing else.
PERMISSIONS = (
    "~hmb:* -@all +@connection +get +set +del +eval +time +pttl +scan +wait +info "
    "+expire +hget +hset +hincrby +hgetall +zadd +zcard +zincrby +zrem +zremrangebyrank "
    "+zremrangebyscore +zrevrange"
)
OF_SENTINEL, OF_CLUSTER = " +role", " +cluster|slots +command"
# What some rented kinds refuse of it, and what docs/redis.md wants in its place.
OF_RENTED = (
    f" {' '.join(WITHOUT_TRACKING)} -info -wait -role +subscribe +publish +pubsub|numsub &hmb:* "
    "+cluster|slots +command"
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
    servers: Any = None
    """What runs there, where there are several servers."""
    nodes: tuple[RedisServer, ...] = ()
    """Those that hold records, where users have permissions."""

    def rent(self) -> "Deployment":
        """Return the same servers for a user with no more rights than some rented kinds give."""
        for node in self.nodes:
            grant(node, PERMISSIONS + OF_RENTED, TENANT)
        url = self.url.replace(f"//{USER}:", f"//{TENANT}:")
        # Another database: django-redis shares pools by URL, without the login.
        return replace(self, url=f"{url}/1" if url.startswith("redis://") else url)

    def use(self, settings: Settings, timeout_seconds: float = PATIENT_SECONDS) -> None:
        """Let the shared alias lead here, to an empty Redis."""
        self.flush()
        entry = self.entry(timeout_seconds)
        settings.CACHES = settings.CACHES | {settings.USERCACHE_REDIS_ALIAS: entry}

    @cache  # noqa: B019  # so that a test finds the connections of the one before
    def entry(self, timeout_seconds: float) -> dict[str, Any]:
        """Return what the environment would put into CACHES."""
        options = RedisOptions(
            timeout_seconds,
            MAX_CONNECTIONS,
            ca_certs=self.ca_certs,
            client_cert=self.client_cert,
            client_key=self.client_key,
            sentinel_password=self.sentinel_password,
        )
        return redis_cache(parse_redis_url(self.url), options)


@contextmanager
def deploy_unix(directory: Path) -> Iterator[Deployment]:
    """Run a server behind a socket file."""
    path = directory / "redis.sock"
    with RedisServer(directory, "--unixsocket", str(path)) as server:
        yield Deployment(f"unix://{path}", flusher(server))


@contextmanager
def deploy_acl(directory: Path) -> Iterator[Deployment]:
    """Run a server with a user with the permissions that docs/redis.md lists, and no more."""
    with RedisServer(directory) as server:
        grant(server, PERMISSIONS)
        yield Deployment(f"redis://{LOGIN}@{HOST}:{server.port}", flusher(server), nodes=(server,))


@contextmanager
def deploy_tls(directory: Path, host: str = HOST) -> Iterator[Deployment]:
    """Run a server behind TLS, with a CA of the test's own and certificates for both sides."""
    with (
        RedisServer(directory) as server,
        TLSProxy(make_certificates(directory, host), server.port) as proxy,
    ):
        yield encrypted(f"rediss://{HOST}:{proxy.port}/0", flusher(server), directory)


@contextmanager
def deploy_tls_cluster(directory: Path) -> Iterator[Deployment]:
    """Run a cluster of one node behind TLS, which is where it says that it is."""
    with (
        ClusterServer(directory, PASSWORD) as server,
        TLSProxy(make_certificates(directory, HOST), server.port) as proxy,
    ):
        ask(server, "CONFIG", "SET", "cluster-announce-ip", HOST)
        ask(server, "CONFIG", "SET", "cluster-announce-port", proxy.port)
        give_slots(server)
        wait_until(
            lambda: b"cluster_state:ok" in ask(server, "CLUSTER", "INFO"), "the cluster is whole"
        )
        url = f"rediss+cluster://:{QUOTED_PASSWORD}@{HOST}:{proxy.port}"
        yield encrypted(url, flusher(server), directory)


def make_certificates(directory: Path, host: str) -> ssl.SSLContext:
    """Write a client's certificate, its key and its CA's, and return what a server needs."""
    authority = trustme.CA()
    client = authority.issue_cert("web@example.com")
    authority.cert_pem.write_to_path(directory / CA_CERTS)
    client.private_key_pem.write_to_path(directory / CLIENT_KEY)
    client.cert_chain_pems[0].write_to_path(directory / CLIENT_CERT)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert(host).configure_cert(context)
    authority.configure_trust(context)
    return context


def encrypted(url: str, flush: Callable[[], object], directory: Path) -> Deployment:
    """Describe a deployment with the certificates in `directory`."""
    ca_certs, cert, key = (str(directory / name) for name in (CA_CERTS, CLIENT_CERT, CLIENT_KEY))
    return Deployment(url, flush, ca_certs=ca_certs, client_cert=cert, client_key=key)


def grant(server: RedisServer, permissions: str, user: str = USER) -> None:
    """Add the user."""
    ask(server, "ACL", "SETUSER", user, *f"on >{PASSWORD} {permissions}".split())


@contextmanager
def deploy_sentinel(directory: Path) -> Iterator[Deployment]:
    """Run three sentinels with their own password over a primary and a replica with another."""
    with SentinelSet(directory, PASSWORD, SENTINEL_PASSWORD) as servers:
        for server in (servers.primary, servers.replica):
            grant(server, PERMISSIONS + OF_SENTINEL)
        url = f"redis+sentinel://{LOGIN}@{servers.addresses}/{SERVICE}/0"
        flush = flusher(servers.primary)
        nodes = (servers.primary, servers.replica)
        yield Deployment(
            url, flush, sentinel_password=SENTINEL_PASSWORD, servers=servers, nodes=nodes
        )


@contextmanager
def deploy_cluster(directory: Path) -> Iterator[Deployment]:
    """Run a cluster of three primaries and their replicas; two of its nodes are told."""
    with ClusterServers(directory, PASSWORD) as servers:
        for server in servers.nodes:
            grant(server, PERMISSIONS + OF_CLUSTER)
        known = ",".join(servers.addresses.split(",")[:2])
        url = f"redis+cluster://{LOGIN}@{known}"
        yield Deployment(url, servers.flush, servers=servers, nodes=tuple(servers.nodes))


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
    "tls-cluster": deploy_tls_cluster,
}
