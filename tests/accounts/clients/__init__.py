"""The client of a request."""
