"""The table of metrics: a row of it is all that a counter needs to be shown."""

import pytest
from pytest_django import Settings

from usercache.observability.metrics.table import COUNTERS
from usercache.observability.sections import describe
from usercache.observability.snapshot import as_json, take_snapshot
from usercache.runtime import get_store


@pytest.mark.django_db
def test_counter_of_the_table_is_shown(settings: Settings) -> None:
    """Each is in the JSON by its name and, if it has a label, in a row of that label."""
    settings.USERCACHE_REDIS_ALIAS = ""
    for number, name in enumerate(COUNTERS, start=3):
        get_store().events.count(name, number)
    snapshot = take_snapshot()
    values = {row.label: row.value for section in describe(snapshot) for row in section.rows}
    for number, (name, metric) in enumerate(COUNTERS.items(), start=3):
        assert as_json(snapshot)[name] == number
        assert values.get(metric.label, str(number)) == str(number)
        assert not metric.label or metric.label in values
