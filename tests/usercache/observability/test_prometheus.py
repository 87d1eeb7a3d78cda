"""Metrics: Prometheus reads them, they are those of all processes, and they never go down."""

from collections.abc import Iterable
from typing import Final

import pytest
from django.test import Client
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from tests.steering import keep_redis_away
from tests.users import User
from usercache import events
from usercache.observability import metrics
from usercache.observability.metrics import LOOKUPS
from usercache.observability.metrics.table import AUDITED, COUNTERS
from usercache.observability.prometheus import BY_KIND
from usercache.observability.snapshot import take_snapshot
from usercache.runtime import RUNTIME
from usercache.users import get_user_by_id

TOKEN: Final = "conch" * 8
TRANSACTIONS = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _let_in(settings: Settings) -> None:
    settings.USERCACHE_METRICS_TOKEN = TOKEN


def scrape() -> dict[str, Metric]:
    response = Client(headers={"authorization": f"Bearer {TOKEN}"}).get("/metrics")
    assert response.status_code == 200
    families: Iterable[Metric] = text_string_to_metric_families(response.content.decode())
    return {family.name: family for family in families}


def samples(family: Metric, label: str) -> dict[str, float]:
    return {sample.labels[label]: sample.value for sample in family.samples}


@pytest.mark.redis
@TRANSACTIONS
def test_counters_are_those_of_all_processes(alice: User) -> None:
    """And of what has arrived: another process's scrape must never show less."""
    for _ in range(4):
        get_user_by_id(alice.pk)
    RUNTIME.stop()
    get_user_by_id(alice.pk)
    assert sum(samples(scrape()["usercache_lookups"], "result").values()) == 4
    RUNTIME.stop()
    assert sum(samples(scrape()["usercache_lookups"], "result").values()) == 5


@pytest.mark.redis
@TRANSACTIONS
def test_durations_are_cumulative_buckets(alice: User) -> None:
    """Bounds go up, counts never down, and the last has all; the sum is in seconds."""
    for _ in range(4):
        get_user_by_id(alice.pk)
    RUNTIME.stop()
    family = scrape()["usercache_lookup_duration_seconds"]
    misses = [s for s in family.samples if s.labels["result"] == "miss"]
    buckets = [(float(s.labels["le"]), s.value) for s in misses if s.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    bounds, counts = zip(*buckets, strict=True)
    assert (bounds[0], bounds[-1], counts[-1]) == (1e-6, float("inf"), 1)
    assert list(counts) == sorted(counts)
    sums = [s.value for s in misses if s.name.endswith("_sum")]
    assert 0 < sum(sums) < 60


@pytest.mark.redis
@pytest.mark.django_db
def test_no_counters_while_redis_is_away() -> None:
    """They would be this process's alone, and pass for a restart of all."""
    keep_redis_away()
    families = scrape()
    assert samples(families["usercache_status"], "status") == {
        "healthy": 0,
        "degraded": 0,
        "down": 1,
    }
    assert families["usercache_partial"].samples[0].value == 1
    assert families["usercache_redis_up"].samples[0].value == 0
    assert "usercache_lookups" not in families


@TRANSACTIONS
def test_without_redis_each_process_counts_for_itself(alice: User, settings: Settings) -> None:
    """Under its own name, so that the series of one never mixes with another's."""
    settings.USERCACHE_REDIS_ALIAS = ""
    get_user_by_id(alice.pk)
    families = scrape()
    assert "usercache_redis_up" not in families
    labels = {sample.labels["process"] for sample in families["usercache_lookups"].samples}
    assert len(labels) == 1
    assert samples(families["usercache_lookups"], "result")["miss"] == 1


@pytest.mark.django_db
def test_every_counter_has_a_metric(settings: Settings) -> None:
    """What is counted anywhere in the cache can be scraped, with a help text of its own."""
    settings.USERCACHE_REDIS_ALIAS = ""
    counted = {
        value
        for name, value in (vars(metrics) | vars(events)).items()
        if name.isupper() and isinstance(value, str) and not name.endswith("PREFIX")
    } - {*LOOKUPS, metrics.MISSES, metrics.AUDIT_WORST_MS}
    assert counted == COUNTERS.keys() | AUDITED.keys()
    assert {events.ERRORS_PREFIX, events.UNREADABLE_PREFIX} == set(BY_KIND)
    helps = [family.documentation for family in scrape().values()]
    assert len(set(helps)) == len(helps)
    assert all(helps)


@pytest.mark.django_db
def test_openmetrics_for_those_who_ask_for_it() -> None:
    """As Prometheus does; its text ends with EOF."""
    accept = "application/openmetrics-text; version=1.0.0"
    client = Client(headers={"authorization": f"Bearer {TOKEN}", "accept": accept})
    response = client.get("/metrics")
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert response.content.endswith(b"# EOF\n")


@pytest.mark.redis
@pytest.mark.django_db
def test_redis_and_processes_are_told(alice: User) -> None:
    """As the snapshot has them."""
    families = scrape()
    redis = take_snapshot().redis
    assert redis is not None
    [info] = families["usercache_redis_info"].samples
    assert info.labels == {
        "version": redis.version,
        "topology": redis.topology,
        "policy": redis.policy,
    }
    assert families["usercache_redis_memory_used_bytes"].samples[0].value > 0
    assert families["usercache_outbox_waiting"].samples[0].value == 0
