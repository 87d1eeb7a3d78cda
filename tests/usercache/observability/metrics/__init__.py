"""Tests of the cache's metrics."""
