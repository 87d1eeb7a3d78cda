"""Moments as an operator reads them, in the project's time zone."""

import datetime
from collections.abc import Sequence

from django.utils import timezone

from usercache.report.snapshot import Point


def to_moment(seconds: float) -> datetime.datetime:
    """Return the moment of seconds since 1970."""
    return timezone.localtime(datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC))


def label_points(series: Sequence[Point]) -> list[str]:
    """Return when each point began: `09:05`, or `Tue 09:00` where they reach back for days."""
    is_long = series[-1].start - series[0].start >= datetime.timedelta(hours=12).total_seconds()
    form = "%a %H:%M" if is_long else "%H:%M"
    return [to_moment(point.start).strftime(form) for point in series]
