"""Users from access tokens."""
