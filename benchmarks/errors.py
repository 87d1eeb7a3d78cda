"""What can end a benchmark, in words for its user."""


class BenchmarkError(Exception):
    """Say what went wrong, so that no measurement of something else is shown."""
