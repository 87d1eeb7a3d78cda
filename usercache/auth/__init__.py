"""The ways to be signed in whose user comes from the cache; each needs its own library alone."""
