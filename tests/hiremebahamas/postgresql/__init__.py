"""Tests of the database backend whose waits end."""
