"""How fast the cache is, beside what else one could use: `make bench`."""
