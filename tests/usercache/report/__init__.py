"""Tests of the cache's report."""
