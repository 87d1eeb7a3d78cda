"""What the visitors of one scenario saw."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self


class Stale(NamedTuple):
    """One answer that was older than what had been acknowledged before the question."""

    what: str
    """read, permission, or admission: a request was accepted after its access had ended."""
    seconds: float
    is_disturbed: bool
    """Whether it was asked between the first fault and the recovery of every server."""
    is_cut_off: bool
    """Whether the server that answered could not reach Redis at some time of the scenario."""


@dataclass
class Tally:
    """One visitor's counts, or the sum of all."""

    reads: int = 0
    writes: int = 0
    closings: list[float] = field(default_factory=list)
    """Of each closed account, seconds after the response at which some server let it in; or 0."""
    session_ends: list[float] = field(default_factory=list)
    """The same, of ended sessions."""
    key_revocations: list[float] = field(default_factory=list)
    """The same, of API keys."""
    permission_reads: int = 0
    stale: list[Stale] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """What was answered 5xx or not at all, without an excuse."""
    killed: int = 0
    """Requests without an answer from a server that was killed on purpose."""
    database_away: int = 0
    """Requests answered 503 while PostgreSQL was stopped on purpose."""
    hit_rates: list[float] = field(default_factory=list)
    """Which part of the look-ups of all processes a cache answered, in each window once warm."""
    durations: "array[float]" = field(default_factory=lambda: array("d"))
    visibilities: list[float] = field(default_factory=list)
    """Seconds from the commit of raw SQL until every server showed it, in undisturbed times."""
    permission_visibilities: list[float] = field(default_factory=list)
    """The same, of changes of groups and memberships."""

    @classmethod
    def total(cls, tallies: Iterable[Self]) -> Self:
        """Add them up."""
        total = cls()
        for tally in tallies:
            total.reads += tally.reads
            total.writes += tally.writes
            total.closings += tally.closings
            total.session_ends += tally.session_ends
            total.key_revocations += tally.key_revocations
            total.permission_reads += tally.permission_reads
            total.stale += tally.stale
            total.failures += tally.failures
            total.killed += tally.killed
            total.database_away += tally.database_away
            total.hit_rates += tally.hit_rates
            total.durations += tally.durations
            total.visibilities += tally.visibilities
            total.permission_visibilities += tally.permission_visibilities
        return total
