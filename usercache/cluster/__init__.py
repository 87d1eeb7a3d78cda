"""Redis Cluster for django-redis: `CLIENT_CLASS` and `CONNECTION_FACTORY` of a cache alias.

It depends on redis-py and django-redis alone. In CACHES:

    "LOCATION": ["redis://node1:6379", "redis://node2:6379"],
    "OPTIONS": {
        "CLIENT_CLASS": "usercache.cluster.ClusterClient",
        "CONNECTION_FACTORY": "usercache.cluster.ClusterConnectionFactory",
        "CONNECTION_POOL_KWARGS": {"socket_timeout": 0.25, "socket_connect_timeout": 0.25},
    },

Note [What redis-py's own cluster client costs]
-----------------------------------------------
`redis.cluster.RedisCluster` knows the commands, the slots and the nodes, and we leave those to it.
But whoever is first to meet a dead node asks all the others for the new slots, one after the
other, each for a whole timeout, while everybody else waits in line to do the same; CLUSTERDOWN
puts the caller to sleep for a quarter of a second; a pipeline refuses `eval()`, and asks a node
for the keys of each EVAL that gets in another way. So commands that have a key, alone or in a
pipeline, go our way (`exchange.py`): no retry, no sleep, one round trip to all nodes at once.
And slots are looked up on a thread of their own (`topology.py`).
"""

from usercache.cluster.client import ClusterClient, ClusterConnectionFactory
from usercache.cluster.redis import ClusterRedis

__all__ = ["ClusterClient", "ClusterConnectionFactory", "ClusterRedis"]
