"""Cached users as instances of their model."""
