"""Tests of the cache's figures."""
