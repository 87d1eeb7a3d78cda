"""The results of all scenarios, as text."""

from collections.abc import Sequence

from tests.fleet.result import Result

COLUMNS = {
    "": "scenario",
    "reads": "reads",
    "writes": "writes",
    "stale": "stale_reads",
    "for ms": "stale_reads_longest_ms",
    "cut off ms": "stale_reads_longest_cut_off_ms",
    "closed": "closings",
    "sessions": "session_ends",
    "keys": "key_revocations",
    "let in": "stale_admissions",
    "for  ms": "stale_admissions_longest_ms",
    "cut off  ms": "stale_admissions_longest_cut_off_ms",
    "has_perm": "permission_reads",
    "stale ": "stale_permissions",
    "failed": "failed",
    "no db": "database_away",
    "killed": "killed",
    "hits %": "least_hit_percent",
    "p99 ms": "p99_ms",
    "slowest ms": "slowest_ms",
    "SQL ms": "raw_p99_ms",
    "perm SQL ms": "raw_permission_p99_ms",
    "recovery s": "recovery_seconds",
}


def format_table(runs: Sequence[Result]) -> str:
    """Return a line per scenario under a line of headings."""
    rows = [[_format_all(result.as_row()[name]) for name in COLUMNS.values()] for result in runs]
    lines = [[heading.replace("  ", " ").strip() for heading in COLUMNS], *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _format_all(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if isinstance(value, int | float) else str(value)
