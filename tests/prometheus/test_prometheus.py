"""What we publish for Prometheus and Grafana works there, on what a server of two workers tells."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.cast import token_of
from tests.e2e.http_client import HttpClient
from tests.e2e.web_server import WAIT_VARIABLES, WebServer
from tests.prometheus.prometheus_server import MONITORING, PrometheusServer, run_promtool
from tests.servers.redis_server import RedisServer
from tests.waiting import wait_until

pytestmark = [pytest.mark.prometheus, pytest.mark.redis, pytest.mark.django_db(transaction=True)]

TOKEN: Final = "junkanoo" * 4
AT_ONCE: Final = 30
"""Requests; more of them than one worker has threads."""


@pytest.fixture
def web_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """Run two workers, which a scrape reaches by chance, with everything on that has a metric."""
    folders = [tmp_path_factory.mktemp(name) for name in ("redis", "web")]
    with RedisServer(folders[0], "--maxmemory", "100mb") as redis:
        variables = WAIT_VARIABLES | {
            "REDIS_URL": redis.url,
            "USERCACHE_METRICS_TOKEN": TOKEN,
            "USERCACHE_AUDIT_SHARE": "1",
        }
        with WebServer(folders[1], variables=variables) as server:
            yield server


@pytest.fixture
def prometheus(web_server: WebServer, tmp_path: Path) -> Iterator[PrometheusServer]:
    """Run a Prometheus that scrapes it."""
    with PrometheusServer(tmp_path, web_server.url, TOKEN) as server:
        yield server


def find_expressions() -> list[str]:
    """Return every expression of the Grafana dashboard, with an interval for Grafana's own."""
    dashboard = json.loads((MONITORING / "grafana.json").read_text())
    targets = [target for panel in dashboard["panels"] for target in panel["targets"]]
    return [str(target["expr"]).replace("$__rate_interval", "1m") for target in targets]


def test_alerts_fire_when_they_should() -> None:
    """And not before: by promtool, on series made up for each."""
    for arguments in (("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")):
        result = run_promtool(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr


def test_metrics_are_as_prometheus_wants_them(settings: Settings) -> None:
    """Names, units, help texts: promtool finds nothing to say."""
    settings.USERCACHE_METRICS_TOKEN = TOKEN
    client = Client(headers={"authorization": f"Bearer {TOKEN}"})
    result = run_promtool("check", "metrics", text=client.get("/metrics").content.decode())
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_two_workers_tell_one_truth(
    web_server: WebServer, prometheus: PrometheusServer, alice: User
) -> None:
    """Every look-up is counted once, no counter ever goes down, and all that we publish works."""
    as_alice = HttpClient(web_server.url, token=token_of(alice), agent="scraped")
    answers = list[int]()

    def both_answer() -> bool:
        # The kernel decides which of them takes a connection.
        with ThreadPoolExecutor(AT_ONCE) as pool:
            paths = ["/auth/verify"] * AT_ONCE
            answers.extend(answer.status for answer in pool.map(as_alice.get, paths))
        return len(web_server.who_answered("scraped")) == 2

    wait_until(both_answer, "both workers answer")
    assert set(answers) == {200}
    total = "sum(usercache_lookups_total)"
    wait_until(lambda: prometheus.evaluate(total) == [len(answers)], "all look-ups were scraped")
    assert prometheus.evaluate('usercache_status{status="healthy"}') == [1]
    assert prometheus.evaluate("max(resets(usercache_lookups_total[5m]))") == [0]
    assert prometheus.evaluate("max(resets(usercache_lookup_duration_seconds_count[5m]))") == [0]

    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    wait_until(lambda: prometheus.evaluate("usercache_audit_consistency_ratio"), "an audit")
    # A counter of what has not happened yet has no sample, and is told of all the same.
    announced = {f"{name}_total" for name in prometheus.ask("metadata")}
    known = announced | set(prometheus.ask("label/__name__/values"))
    for expression in find_expressions():
        prometheus.evaluate(expression)
        assert set(re.findall(r"usercache_\w+", expression)) <= known
