"""Make changes past the ORM visible, such as raw SQL or another service's."""

import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from usercache.management.relay import Relay
from usercache.management.units import span_argument

SHORTEST_POLL_SECONDS = 0.05
LONGEST_POLL_SECONDS = 60.0


class Command(BaseCommand):
    """Drain the outbox as it fills, until SIGTERM or SIGINT."""

    help = (
        "Drains the outbox: invalidates in Redis what was changed past the ORM, or by a process "
        "that could not reach Redis. Runs until SIGTERM; several may run at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the pause between two polls."""
        parser.add_argument(
            "--poll",
            type=span_argument(SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS),
            default=0.5,
            metavar="SECONDS",
            help="poll at least this often, also without a notification (default: 0.5)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, and report the number of invalidations at the end."""
        relay = Relay(poll_seconds=options["poll"])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: relay.stop())
        self.stdout.write("Relaying invalidations; SIGTERM ends it.")
        self.stdout.flush()
        done = relay.run()
        self.stdout.write(f"Ended after {done} invalidations.")
