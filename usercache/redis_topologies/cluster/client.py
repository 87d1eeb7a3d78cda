"""For django-redis: the client for an alias, and its connection factory."""

import threading
from collections.abc import Collection
from functools import partial
from typing import Any, Final, cast
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django_redis.client import DefaultClient
from django_redis.exceptions import ConnectionInterrupted
from django_redis.pool import ConnectionFactory
from redis import Redis
from redis import __version__ as redis_version
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisError
from redis.retry import Retry

from usercache.backends.redis import HAS_CLUSTER, without_maintenance_notices
from usercache.redis_topologies.cluster.redis import ClusterRedis
from usercache.redis_topologies.cluster.topology import Topology
from usercache.redis_topologies.deadlines import DeadlinePool

PORT: Final = 6379


class ClusterConnectionFactory(ConnectionFactory):
    """Make one client for each cluster, which all threads of the process share."""

    def connect(self, url: str) -> Redis:
        """Return the client of the cluster that has these nodes; opens no connection yet.

        `url` is those of some nodes, separated by commas; they name the others.
        """
        nodes = [urlsplit(part.strip()) for part in url.split(",")]
        kwargs = _credentials(nodes) | self.make_connection_params(url) | self.pool_cls_kwargs
        for name in ("url", "parser_class"):
            del kwargs[name]
        encrypt = kwargs.pop("ssl", False) or all(node.scheme == "rediss" for node in nodes)
        key = f"{url} {encrypt} {sorted((name, repr(value)) for name, value in kwargs.items())}"
        with _CLIENTS_LOCK:
            if key not in _CLIENTS:
                addresses = [(node.hostname or "", node.port or PORT) for node in nodes]
                connect = partial(_connect, addresses, encrypt=encrypt, **kwargs)
                _CLIENTS[key] = ClusterRedis(Topology(connect, kwargs.get("socket_timeout")))
            # It has the methods of a Redis, but is no subclass.
            return cast(Redis, _CLIENTS[key])

    def disconnect(self, connection: Redis) -> None:
        """Close the client's connections."""
        connection.close()


class ClusterClient(DefaultClient):
    """django-redis's client, where all of LOCATION is one cluster."""

    usercache_backend = "usercache.redis_topologies.cluster.backend.ClusterBackend"

    def __init__(self, server: Any, params: dict[str, Any], backend: Any) -> None:
        """Take the alias's LOCATION, a list or separated by commas, and its settings.

        Raises:
            ImproperlyConfigured: redis-py is too old, or the connection factory is another.
        """
        if not HAS_CLUSTER:
            raise ImproperlyConfigured(
                f"ClusterClient needs redis-py 7.4 or later, and this is {redis_version}."
            )
        urls = server if isinstance(server, str) else ",".join(server)
        super().__init__([urls], params, backend)
        if not isinstance(self.connection_factory, ClusterConnectionFactory):
            raise ImproperlyConfigured(
                "ClusterClient needs CONNECTION_FACTORY in the alias's OPTIONS to be "
                "usercache.redis_topologies.cluster.ClusterConnectionFactory."
            )

    def get_many(
        self, keys: Collection[str], version: int | None = None, client: Redis | None = None
    ) -> dict[str, Any]:
        """Return the values of existing keys; one round trip, since MGET may not cross slots."""
        client = client or self.get_client(write=False)
        full_keys = {self.make_key(key, version=version): key for key in keys}
        try:
            with client.pipeline() as pipe:
                for full_key in full_keys:
                    pipe.get(full_key)
                values = pipe.execute()
        except RedisError as error:
            # What IGNORE_EXCEPTIONS ignores.
            raise ConnectionInterrupted(connection=client) from error
        found = zip(full_keys.values(), values, strict=True)
        return {key: self.decode(value) for key, value in found if value is not None}


def _connect(addresses: list[tuple[str, int]], *, encrypt: bool, **kwargs: Any) -> RedisCluster:
    # The breaker decides when to ask again.
    retry = kwargs.pop("retry", None) or Retry(NoBackoff(), 0)
    (host, port), *others = addresses
    return RedisCluster(
        # redis-py takes a pool class for the nodes only from a client that begins with a URL.
        url=f"{'rediss' if encrypt else 'redis'}://{f'[{host}]' if ':' in host else host}:{port}",
        connection_pool_class=DeadlinePool,
        startup_nodes=[ClusterNode(*address) for address in others],  # type: ignore[no-untyped-call]
        retry=retry,
        # Serve the slots that have a node, even if others have none.
        require_full_coverage=False,
        # They would make redis-py look up the slots during a command.
        **without_maintenance_notices(kwargs),
    )


def _credentials(nodes: list[SplitResult]) -> dict[str, str]:
    first = nodes[0]
    given = {"username": first.username, "password": first.password}
    return {name: unquote(value) for name, value in given.items() if value}


_CLIENTS: Final[dict[str, ClusterRedis]] = {}
_CLIENTS_LOCK: Final = threading.Lock()
