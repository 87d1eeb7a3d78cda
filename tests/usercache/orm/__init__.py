"""Writes, and how each of them reaches the cache."""
