"""What a scenario promises, and where a run of it broke its word."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

from tests.fleet.result import Result
from tests.fleet.tally import Stale

BUSY_FACTOR: Final = 10


@dataclass(frozen=True)
class Promise:
    """How stale answers may be between the first fault and the recovery of every server.

    And no request may fail, ever.
    """

    stale_seconds: float = 0.0
    """At servers that could reach Redis all the time."""
    cut_off_stale_seconds: float = 0.0
    """At those that couldn't."""
    undisturbed_stale_seconds: float = 0.0
    """Before the first fault, and after the recovery."""
    visible_seconds: float = 1.0
    """Raw SQL is seen by every server within this time, at the 99th percentile."""

    least_hit_rate: float = 0.0
    """What part of the look-ups a cache answers at least, in any two seconds once it is warm."""

    def on_a_busy_machine(self) -> Self:
        """Return what is promised on a busy machine, whose relay and connections are slow.

        What may never be still may not.
        """
        return replace(
            self,
            stale_seconds=self.stale_seconds * BUSY_FACTOR,
            cut_off_stale_seconds=self.cut_off_stale_seconds * BUSY_FACTOR,
            undisturbed_stale_seconds=self.undisturbed_stale_seconds * BUSY_FACTOR,
            visible_seconds=self.visible_seconds * BUSY_FACTOR,
        )

    def broken(self, result: Result) -> Iterator[str]:
        """Say what was promised and not kept, a sentence for each."""
        sentences = list(self._broken(result))
        if sentences and result.unexplained_openings:
            yield (
                f"{result.unexplained_openings} times a server gave Redis up though nothing had "
                "been done to it: if this machine was that slow, play it again"
            )
        yield from sentences

    def _broken(self, result: Result) -> Iterator[str]:
        tally = result.tally
        for stale in tally.stale:
            allowed = self._allowed(stale)
            if stale.seconds > allowed:
                where = "a cut-off server" if stale.is_cut_off else "a server"
                when = "during the fault" if stale.is_disturbed else "with nothing in its way"
                yield (
                    f"{stale.what} at {where} {when}: stale for {stale.seconds * 1000:.0f} ms, "
                    f"allowed are {allowed * 1000:.0f}"
                )
        for failure in tally.failures:
            yield f"failed: {failure}"
        if 0 in (tally.reads, tally.permission_reads, tally.writes):
            yield "nobody read, nobody asked for a permission, or nobody wrote"
        rate = result.least_hit_rate
        if rate is not None and rate < self.least_hit_rate:
            yield f"{rate:.0%} of the look-ups in some seconds were hits"
        for seconds in (result.visible_p99, result.permission_visible_p99):
            if seconds is not None and seconds > self.visible_seconds:
                yield f"raw SQL took {seconds:.2f} s to be seen, at the 99th percentile"

    def _allowed(self, stale: Stale) -> float:
        if not stale.is_disturbed:
            return self.undisturbed_stale_seconds
        return self.cut_off_stale_seconds if stale.is_cut_off else self.stale_seconds
