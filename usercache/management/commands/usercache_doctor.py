"""Say what the cache finds around it: what each server is, allows and lacks."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from usercache.management.canvas import Canvas, open_canvas
from usercache.management.doctor import examine
from usercache.management.findings import Finding, Level


class Command(BaseCommand):
    """Connect to everything configured, and print a line for each finding."""

    help = (
        "Connects to everything configured and says what each server is, what it allows, which "
        "features follow and what to set. Exits with 0 if all is well, 1 if something is missing, "
        "2 if something doesn't work."
    )
    requires_system_checks = ()  # it reports them itself

    def add_arguments(self, parser: CommandParser) -> None:
        """Offer JSON."""
        parser.add_argument("--json", action="store_true", help="print one JSON object per finding")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each finding as it is made, and exit with the worst level."""
        canvas, worst = open_canvas(options), 0
        for finding in examine():
            worst = max(worst, finding.level.exit_code)
            write = _write_json if options["json"] else _write
            write(canvas, finding)
            canvas.stream.flush()
        if worst:
            sys.exit(worst)


def _write(canvas: Canvas, finding: Finding) -> None:
    mark = "" if finding.level is Level.GOOD else f"{finding.level.value.upper()}: "
    canvas.stream.write(canvas.clean(f"{finding.subject}: {mark}{finding.text}") + "\n")
    if finding.hint:
        canvas.stream.write(canvas.clean(f"    {finding.hint}") + "\n")


def _write_json(canvas: Canvas, finding: Finding) -> None:
    row = finding._asdict() | {"level": finding.level.value}
    canvas.stream.write(json.dumps(row) + "\n")
