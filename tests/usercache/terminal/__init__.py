"""Tests of the cache's terminal."""
