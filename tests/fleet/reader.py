"""Threads that read their own profile and those of others."""

from tests.fleet.worker import Worker


class Reader(Worker):
    """Reads everybody whose versions are known, at any server."""

    def step(self) -> None:
        """Read a user that is never written, and one that is: their own profile, and for others."""
        quiet = self.random.choice(self.fleet.quiet)
        busy = self.choose(self.fleet.busy)
        self.read(quiet, "/auth/profile", quiet, needs_database=False)
        self.read(busy, "/auth/profile", busy, needs_database=True)
        self.read(busy, f"/users/{busy.pk}", quiet, needs_database=True)
