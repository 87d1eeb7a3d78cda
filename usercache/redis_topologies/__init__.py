"""Redis Sentinel, Redis Cluster, and sockets with one deadline, for aliases of CACHES."""
