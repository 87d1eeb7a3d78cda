"""API keys: how programs sign in."""
