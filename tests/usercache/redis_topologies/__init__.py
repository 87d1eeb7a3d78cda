"""Redis behind sentinels, as a cluster, behind TLS, on sockets with one deadline."""
