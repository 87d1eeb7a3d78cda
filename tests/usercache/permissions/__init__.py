"""Permissions of cached users."""
