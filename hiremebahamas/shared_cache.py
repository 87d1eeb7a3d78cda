"""Redis' entry in CACHES, for each kind of REDIS_URL."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

from hiremebahamas.redis_urls import RedisAddress, Topology

KEY_PREFIX = "hmb"
_DEADLINES = {"CONNECTION_POOL_CLASS": "usercache.redis_topologies.deadlines.DeadlinePool"}


class RedisOptions(NamedTuple):
    """The options of Redis besides its URL; paths and names may be empty."""

    timeout_seconds: float
    max_connections: int
    ca_certs: str = ""
    """A file of the certificate authorities to believe; the system's are believed without."""
    client_cert: str = ""
    client_key: str = ""
    sentinel_username: str = ""
    sentinel_password: str = ""


def redis_cache(address: RedisAddress, options: RedisOptions) -> dict[str, Any]:
    """Return the entry of CACHES.

    Raises: ImproperlyConfigured where a certificate's file is missing.
    """
    location, of_topology = _TOPOLOGIES[address.topology](address, options)
    credentials = {"USERNAME": address.username, "PASSWORD": address.password}
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": location,
        "KEY_PREFIX": KEY_PREFIX,
        "OPTIONS": {
            **{name: value for name, value in credentials.items() if value},
            "CONNECTION_POOL_KWARGS": {
                **_waits(options),
                **_encryption(address, options),
                "max_connections": options.max_connections,
                "health_check_interval": 0,
            },
            **of_topology,
        },
    }


def _waits(options: RedisOptions) -> dict[str, Any]:
    # redis-py's own defaults retry for seconds and change with every major version. A Redis that
    # hangs may cost a request one timeout, once; the breaker does the rest.
    return {
        "socket_timeout": options.timeout_seconds,
        "socket_connect_timeout": options.timeout_seconds,
        "retry": Retry(NoBackoff(), 0),
    }


def _encryption(address: RedisAddress, options: RedisOptions) -> dict[str, Any]:
    if not address.is_encrypted:
        return {}
    files = {
        "REDIS_CA_CERTS": ("ssl_ca_certs", options.ca_certs),
        "REDIS_CLIENT_CERT": ("ssl_certfile", options.client_cert),
        "REDIS_CLIENT_KEY": ("ssl_keyfile", options.client_key),
    }
    for setting, (_, path) in files.items():
        if path and not Path(path).is_file():
            raise ImproperlyConfigured(
                f"{setting}: there is no file {path}. Name one, or unset it."
            )
    given = {name: path for name, path in files.values() if path}
    # Explicit although it is redis-py's default: defaults change.
    verification = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
    # A server's URL says so itself, and redis-py takes no word for it.
    switch = {} if address.topology is Topology.SERVER else {"ssl": True}
    return {**switch, **verification, **given}


def _server(address: RedisAddress, _options: RedisOptions) -> tuple[str, dict[str, Any]]:
    [node] = address.nodes
    scheme = "rediss" if address.is_encrypted else "redis"
    return f"{scheme}://{_quote_host(node.host)}:{node.port}/{address.database}", _DEADLINES


def _socket(address: RedisAddress, _options: RedisOptions) -> tuple[str, dict[str, Any]]:
    return f"unix://{quote(address.path)}?db={address.database}", _DEADLINES


def _sentinel(address: RedisAddress, options: RedisOptions) -> tuple[str, dict[str, Any]]:
    login = {"username": options.sentinel_username, "password": options.sentinel_password}
    return f"redis://{quote(address.service)}/{address.database}", {
        "SENTINELS": [tuple(node) for node in address.nodes],
        "SENTINEL_KWARGS": {name: value for name, value in login.items() if value},
        "CONNECTION_FACTORY": "usercache.redis_topologies.sentinel.PrimaryConnectionFactory",
        "CONNECTION_POOL_CLASS": "usercache.redis_topologies.sentinel.PrimaryPool",
    }


def _cluster(address: RedisAddress, _options: RedisOptions) -> tuple[list[str], dict[str, Any]]:
    scheme = "rediss" if address.is_encrypted else "redis"
    return [f"{scheme}://{_quote_host(host)}:{port}" for host, port in address.nodes], {
        "CLIENT_CLASS": "usercache.redis_topologies.cluster.ClusterClient",
        "CONNECTION_FACTORY": "usercache.redis_topologies.cluster.ClusterConnectionFactory",
    }


_TOPOLOGIES: dict[
    Topology, Callable[[RedisAddress, RedisOptions], tuple[str | list[str], dict[str, Any]]]
] = {
    Topology.SERVER: _server,
    Topology.SOCKET: _socket,
    Topology.SENTINEL: _sentinel,
    Topology.CLUSTER: _cluster,
}


def _quote_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
