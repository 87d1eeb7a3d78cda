"""Print what the user cache did and how it is."""

from typing import Any

from django.core.management.base import BaseCommand

from usercache.report import Snapshot, take_snapshot

STATES = {
    "closed": "in use",
    "open": "not reachable; users come from process memory and the database",
    "probing": "not reachable so far; being tried again",
    "none": "none; each process remembers users for itself",
}


class Command(BaseCommand):
    """Print hits, misses, invalidations and the backend's state."""

    help = "Prints what the user cache did, over all processes, and the state of its backend."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one snapshot."""
        snapshot = take_snapshot()
        for label, value in _lines(snapshot):
            self.stdout.write(f"{label:<16}{value}")
        if snapshot.is_partial:
            self.stdout.write(
                "\nThe counts are this process's alone: Redis keeps those of all processes."
            )


def _lines(snapshot: Snapshot) -> list[tuple[str, str]]:
    return [
        ("Backend", snapshot.backend),
        ("Redis", STATES[snapshot.state]),
        ("Look-ups", f"{snapshot.lookups:,}"),
        ("Hits", f"{snapshot.hits:,} ({snapshot.hit_rate:.1%})"),
        ("  from memory", f"{snapshot.hits_local:,}"),
        ("Misses", f"{snapshot.misses:,}"),
        ("Fills refused", f"{snapshot.fills_refused:,}"),
        ("Invalidations", f"{snapshot.invalidations:,}"),
        ("Outbox", _describe_outbox(snapshot)),
    ]


def _describe_outbox(snapshot: Snapshot) -> str:
    if snapshot.outbox_waiting is None:
        return "unknown; the database can't be asked"
    if not snapshot.outbox_waiting:
        return "empty"
    age = snapshot.outbox_oldest_seconds
    return f"{snapshot.outbox_waiting:,} waiting, the oldest for {age:.1f} s"
