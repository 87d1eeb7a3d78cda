"""The result of one run of a scenario."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.fleet.tally import Tally

MILLISECONDS = 1000.0
PERCENTILE = 0.99


@dataclass(frozen=True)
class Result:
    """What was seen, and how long the servers took to recover from the last fault."""

    scenario: str
    tally: Tally
    seconds: float
    recovery_seconds: float | None
    unexplained_openings: int = 0
    """How often a server stopped using Redis though nothing had been done to it."""

    @property
    def visible_p99(self) -> float | None:
        """Seconds until raw SQL was seen everywhere, at the 99th percentile."""
        return _percentile(self.tally.visibilities)

    @property
    def permission_visible_p99(self) -> float | None:
        """The same, of groups and memberships."""
        return _percentile(self.tally.permission_visibilities)

    @property
    def least_hit_rate(self) -> float | None:
        """The part of look-ups that the cache answered in the window in which it was least."""
        return min(self.tally.hit_rates, default=None)

    def as_row(self) -> dict[str, Any]:
        """Name every value; times are in milliseconds unless the name says seconds."""
        tally = self.tally
        return {
            "scenario": self.scenario,
            "seconds": round(self.seconds, 1),
            "reads": tally.reads,
            "writes": tally.writes,
            "closings": len(tally.closings),
            "closings_p99_ms": _ms(_percentile(tally.closings)),
            "session_ends": len(tally.session_ends),
            "session_ends_p99_ms": _ms(_percentile(tally.session_ends)),
            "key_revocations": len(tally.key_revocations),
            "key_revocations_p99_ms": _ms(_percentile(tally.key_revocations)),
            **self._stale("read", "reads"),
            **self._stale("admission", "admissions"),
            "permission_reads": tally.permission_reads,
            **self._stale("permission", "permissions"),
            "failed": len(tally.failures),
            "database_away": tally.database_away,
            "killed": tally.killed,
            "unexplained_openings": self.unexplained_openings,
            "least_hit_percent": None if (least := self.least_hit_rate) is None else least * 100,
            "p99_ms": _ms(_percentile(tally.durations)),
            "slowest_ms": _ms(max(tally.durations, default=None)),
            "raw_writes": len(tally.visibilities),
            "raw_p99_ms": _ms(self.visible_p99),
            "raw_permission_writes": len(tally.permission_visibilities),
            "raw_permission_p99_ms": _ms(self.permission_visible_p99),
            "recovery_seconds": self.recovery_seconds and round(self.recovery_seconds, 1),
        }

    def _stale(self, what: str, name: str) -> dict[str, Any]:
        stale = [entry for entry in self.tally.stale if entry.what == what]
        connected = [entry.seconds for entry in stale if not entry.is_cut_off]
        cut_off = [entry.seconds for entry in stale if entry.is_cut_off]
        return {
            f"stale_{name}": len(stale),
            f"stale_{name}_undisturbed": sum(not entry.is_disturbed for entry in stale),
            f"stale_{name}_longest_ms": _ms(max(connected, default=0.0)),
            f"stale_{name}_longest_cut_off_ms": _ms(max(cut_off, default=0.0)),
        }


def _percentile(values: Sequence[float]) -> float | None:
    return sorted(values)[int(len(values) * PERCENTILE)] if values else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * MILLISECONDS, 1)
