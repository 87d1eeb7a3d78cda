"""Tests of the user cache, a file per behaviour."""
