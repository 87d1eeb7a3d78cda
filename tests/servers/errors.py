"""What can go wrong with a test server, in words for the person who runs the tests."""


class ServerUnavailableError(Exception):
    """Say which server is missing or failed, and what to do."""
