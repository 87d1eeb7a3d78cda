"""Send the metrics of all processes to an OpenTelemetry collector."""

import signal
import threading
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from usercache.management.units import span_argument
from usercache.observability.snapshot import SHORTEST_WINDOW_SECONDS, take_snapshot
from usercache.runtime import await_verdict, get_store

try:
    from usercache.observability import otlp
except ImportError:  # an extra of its own
    otlp = None  # type: ignore[assignment]

SHORTEST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 3600.0


class Command(BaseCommand):
    """Send them again and again, until SIGTERM or SIGINT."""

    help = (
        "Sends what /metrics shows by OTLP over HTTP, until SIGTERM. Where to, and how, is said by "
        "OpenTelemetry's own variables: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, "
        "OTEL_SERVICE_NAME. Run one: the metrics are those of all processes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the pause, or no repetition."""
        parser.add_argument(
            "--every",
            type=span_argument(SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS),
            default=60.0,
            metavar="SECONDS",
            help="the pause between two (default: 60)",
        )
        parser.add_argument(
            "--once", action="store_true", help="send once, and fail if it isn't accepted"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Send; a failure is logged, and the next attempt has all that it lacked.

        Raises:
            CommandError: the extra isn't installed, there is no Redis, or `--once` failed.
        """
        if otlp is None:
            raise CommandError(
                'This needs OpenTelemetry\'s exporter: pip install "django-usercache[otlp]".'
            )
        if get_store().redis is None:
            raise CommandError(
                "Without Redis each process counts for itself, and tells nobody else: there is "
                "nothing to send. Prometheus can scrape each."
            )
        await_verdict()
        ended = threading.Event()
        exporter = otlp.Exporter()
        try:
            if options["once"]:
                if not _send(exporter):
                    raise CommandError("The metrics weren't accepted; the log says why.")
                return
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: ended.set())
            self.stdout.write("Sending metrics; SIGTERM ends it.")
            self.stdout.flush()
            failures = _send_until(ended, exporter, options["every"])
            self.stdout.write(f"Ended after {failures} failures.")
        finally:
            exporter.end()


def _send_until(ended: threading.Event, exporter: "otlp.Exporter", pause: float) -> int:
    failures = 0
    while not ended.is_set():
        failures += not _send(exporter)
        ended.wait(pause)
    return failures


def _send(exporter: "otlp.Exporter") -> bool:
    close_old_connections()  # as Django does before its own requests: one that broke isn't replaced
    return exporter.send(take_snapshot(SHORTEST_WINDOW_SECONDS, top=0))
