"""Registrations by mail."""
