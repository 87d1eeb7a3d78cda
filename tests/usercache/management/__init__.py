"""Tests of the cache's commands."""
