"""What django-redis is given: its client for an alias, and the factory behind it."""

import threading
from collections.abc import Collection
from functools import partial
from typing import Any, Final, cast
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django_redis.client import DefaultClient
from django_redis.pool import ConnectionFactory
from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from usercache.cluster.redis import ClusterRedis
from usercache.cluster.topology import Topology

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
        if all(node.scheme == "rediss" for node in nodes):
            kwargs["ssl"] = True
        key = f"{url} {sorted((name, repr(value)) for name, value in kwargs.items())}"
        with _CLIENTS_LOCK:
            if key not in _CLIENTS:
                addresses = [(node.hostname or "", node.port or PORT) for node in nodes]
                connect = partial(_connect, addresses, **kwargs)
                _CLIENTS[key] = ClusterRedis(Topology(connect, kwargs.get("socket_timeout")))
            # It has the methods of a Redis, but is no subclass.
            return cast(Redis, _CLIENTS[key])

    def disconnect(self, connection: Redis) -> None:
        """Close the client's connections."""
        connection.close()


class ClusterClient(DefaultClient):
    """django-redis's client, where all of LOCATION is one cluster."""

    def __init__(self, server: Any, params: dict[str, Any], backend: Any) -> None:
        """Take the alias's LOCATION, a list or separated by commas, and its settings."""
        urls = server if isinstance(server, str) else ",".join(server)
        super().__init__([urls], params, backend)
        if not isinstance(self.connection_factory, ClusterConnectionFactory):
            raise ImproperlyConfigured(
                "ClusterClient needs CONNECTION_FACTORY in the alias's OPTIONS to be "
                "usercache.cluster.ClusterConnectionFactory."
            )

    def get_many(
        self, keys: Collection[str], version: int | None = None, client: Redis | None = None
    ) -> dict[str, Any]:
        """Return what there is of these keys; one round trip, for MGET may not cross slots."""
        full_keys = {self.make_key(key, version=version): key for key in keys}
        with (client or self.get_client(write=False)).pipeline() as pipe:
            for full_key in full_keys:
                pipe.get(full_key)
            found = zip(full_keys.values(), pipe.execute(), strict=True)
        return {key: self.decode(value) for key, value in found if value is not None}

    def keys(
        self, search: str, version: int | None = None, client: Redis | None = None
    ) -> list[str]:
        """Return the keys that match, of all nodes: KEYS would be asked of one."""
        return list(self.iter_keys(search, client=client, version=version))


def _connect(addresses: list[tuple[str, int]], **kwargs: Any) -> RedisCluster:
    # Whoever gets an error asks again if he likes; for us that is the breaker.
    retry = kwargs.pop("retry", None) or Retry(NoBackoff(), 0)
    return RedisCluster(
        startup_nodes=[ClusterNode(*address) for address in addresses],  # type: ignore[no-untyped-call]
        retry=retry,
        # Half a cluster is better than none, for those whose slots are in it.
        require_full_coverage=False,
        # They would have redis-py look up the slots by itself, in the middle of a command.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        **kwargs,
    )


def _credentials(nodes: list[SplitResult]) -> dict[str, str]:
    first = nodes[0]
    given = {"username": first.username, "password": first.password}
    return {name: unquote(value) for name, value in given.items() if value}


_CLIENTS: Final[dict[str, ClusterRedis]] = {}
_CLIENTS_LOCK: Final = threading.Lock()
