"""What can end a benchmark, in words for whoever runs it."""


class BenchmarkError(Exception):
    """Say what went wrong, so that no figure is shown that was measured of something else."""
