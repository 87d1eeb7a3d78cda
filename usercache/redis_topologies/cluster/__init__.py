"""Redis Cluster for django-redis: `CLIENT_CLASS` and `CONNECTION_FACTORY` of a cache alias.

It depends on redis-py, django-redis and `deadlines.py` alone. In CACHES:

    "LOCATION": ["redis://node1:6379", "redis://node2:6379"],
    "OPTIONS": {
        "CLIENT_CLASS": "usercache.redis_topologies.cluster.ClusterClient",
        "CONNECTION_FACTORY": "usercache.redis_topologies.cluster.ClusterConnectionFactory",
        "CONNECTION_POOL_KWARGS": {"socket_timeout": 0.25, "socket_connect_timeout": 0.25},
    },

Note [What redis-py's own cluster client costs]
-----------------------------------------------
`redis.cluster.RedisCluster` knows the commands, the slots and the nodes, and we leave those to it.
But the first caller that meets a dead node asks all the others for the new slots, one after the
other, each for a whole timeout, while all other callers wait to do the same; after CLUSTERDOWN the
caller sleeps for a quarter of a second; a pipeline refuses `eval()`, and queries a node for the
keys of each EVAL added in another way. So commands with a key, alone or in a pipeline, are sent by
`exchange.py`: no retry, no sleep, one round trip to all nodes at once. Slots are looked up on a
thread of their own (`topology.py`).
"""

from usercache.redis_topologies.cluster.client import ClusterClient, ClusterConnectionFactory
from usercache.redis_topologies.cluster.redis import ClusterRedis

__all__ = ["ClusterClient", "ClusterConnectionFactory", "ClusterRedis"]
