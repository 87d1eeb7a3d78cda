"""The time at the beginning of each log line."""

import datetime
import logging


class Formatter(logging.Formatter):
    """Format times as ISO 8601 with the offset from UTC: `2026-11-26T20:15:00.123-05:00`."""

    def formatTime(  # noqa: N802  # the name is logging's
        self, record: logging.LogRecord, datefmt: str | None = None
    ) -> str:
        """Return the time of the record."""
        made_at = datetime.datetime.fromtimestamp(record.created, tz=datetime.UTC).astimezone()
        return made_at.isoformat(timespec="milliseconds")
