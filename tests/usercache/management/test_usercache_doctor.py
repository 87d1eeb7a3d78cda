"""manage.py usercache_doctor: each server says what it is, and what it lacks has a remedy."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from pytest_django import Settings

from tests.caches import WAIT, lead_shared_alias
from tests.deployments import Deployment
from tests.servers.redis_cluster import ask
from tests.servers.redis_server import WITHOUT_TRACKING, RedisServer
from usercache.management.findings import Level
from usercache.management.relay import Backlog

NO_TRACKING = " ".join(WITHOUT_TRACKING)

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def examine() -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code and the findings."""
    out, code = io.StringIO(), 0
    try:
        call_command("usercache_doctor", "--json", stdout=out)
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def worries(findings: list[dict[str, Any]], subject: str) -> list[str]:
    """Return what is wrong with a kind of server."""
    return [
        found["text"]
        for found in findings
        if found["subject"].startswith(subject) and found["level"] != Level.GOOD.value
    ]


@pytest.fixture
def own_redis(redis_server: RedisServer, settings: Settings) -> RedisServer:
    """Lead to a Redis of this test's own, and give the client-side cache something to ask for."""
    lead_shared_alias(settings, redis_server.url, **WAIT)
    settings.USERCACHE_L1_MAX_ENTRIES = 100
    return redis_server


@pytest.mark.redis
def test_all_is_well(own_redis: RedisServer) -> None:
    """Every server is named with its version, and nothing is asked of anybody."""
    _, findings = examine()
    assert worries(findings, "redis") == []
    texts = " ".join(found["text"] for found in findings)
    assert connection.display_name in texts
    assert "primary" in texts or "master" in texts
    assert "reports changed keys" in texts
    assert not any(found["hint"] for found in findings if found["level"] == Level.GOOD.value)


@pytest.mark.redis
@pytest.mark.parametrize(
    ("refused", "said", "code"),
    [
        (f"{NO_TRACKING} -pubsub", "refuses client tracking", 1),
        (f"{NO_TRACKING} -subscribe", "refuses client tracking", 1),
        ("-info", "refuses INFO", 1),
        ("-eval", "runs no scripts", 2),
        ("-set", "takes no writes", 2),
    ],
)
def test_command_that_is_refused(
    own_redis: RedisServer, settings: Settings, refused: str, said: str, code: int
) -> None:
    """It is found by trying, and each is a finding of its own with what to do."""
    settings.SILENCED_SYSTEM_CHECKS = ["usercache.W014", "usercache.W020"]
    ask(own_redis, "ACL", "SETUSER", "default", *refused.split())
    found_code, findings = examine()
    [text] = worries(findings, "redis")
    assert text.startswith(said)
    assert found_code == code
    assert all(found["hint"] for found in findings if found["level"] != Level.GOOD.value)


@pytest.mark.redis
def test_server_that_publishes(own_redis: RedisServer) -> None:
    """In tracking's place, that is as good; it is found by publishing."""
    ask(own_redis, "ACL", "SETUSER", "default", *WITHOUT_TRACKING)
    _, findings = examine()
    assert worries(findings, "redis") == []
    assert any("changes are published" in found["text"] for found in findings)


@pytest.mark.redis
def test_policy_that_evicts_markers(own_redis: RedisServer) -> None:
    """The one that matters is named, with the one to set."""
    with own_redis.client() as redis:
        redis.config_set("maxmemory", "100mb")
        redis.config_set("maxmemory-policy", "volatile-ttl")
    _, findings = examine()
    [text] = worries(findings, "redis")
    assert "volatile-ttl" in text


@pytest.mark.redis
def test_redis_that_is_away(own_redis: RedisServer) -> None:
    """One finding, an error, and no traceback."""
    own_redis.kill()
    code, findings = examine()
    [text] = worries(findings, "redis")
    assert text.startswith("can't be reached")
    assert code == 2


@pytest.mark.redis
def test_every_deployment_is_examined(deployment: Deployment) -> None:
    """Sentinels, clusters, sockets and TLS: each primary is asked."""
    _, findings = examine()
    assert worries(findings, "redis") == []


@pytest.mark.redis
def test_rented_kinds_are_examined(rented: Deployment, settings: Settings) -> None:
    """Behind sentinels and in a cluster as well, INFO alone is missed."""
    settings.USERCACHE_L1_MAX_ENTRIES = 100
    code, findings = examine()
    assert worries(findings, "redis")
    assert all(text.startswith("refuses INFO") for text in worries(findings, "redis"))
    assert code == 1
    primaries = sum("runs scripts" in found["text"] for found in findings)
    assert sum("changes are published" in found["text"] for found in findings) == primaries


def test_project_without_redis(settings: Settings) -> None:
    """What that costs is a warning with its bound."""
    settings.USERCACHE_REDIS_ALIAS = ""
    code, findings = examine()
    [text] = worries(findings, "process memory")
    assert "within 5 s" in text
    assert code == 1


@pytest.mark.postgresql
@pytest.mark.parametrize("alias", ["", "usercache"], ids=["none", "redis"])
def test_postgresql_reports_changes(settings: Settings, alias: str) -> None:
    """Found out by listening to it."""
    settings.USERCACHE_REDIS_ALIAS, settings.USERCACHE_L1_MAX_ENTRIES = alias, 100
    _, findings = examine()
    [found] = [found for found in findings if found["subject"] == "process memory"]
    assert "PostgreSQL reports" in found["text"]
    assert worries(findings, "process memory") == []


def test_mistake_in_the_settings(settings: Settings) -> None:
    """The checks' own words and ids, deployment's among them."""
    settings.USERCACHE_SIGNING_KEY = "short"
    code, findings = examine()
    assert any("usercache.E004" in text for text in worries(findings, "settings"))
    assert code == 2


def test_silenced_check_is_silent(settings: Settings) -> None:
    """What a project has decided about isn't said again."""
    settings.USERCACHE_SIGNING_KEY = "short"
    settings.SILENCED_SYSTEM_CHECKS = ["usercache.E004"]
    _, findings = examine()
    assert worries(findings, "settings") == []


def test_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error about it, and the rest is examined all the same."""

    def fail() -> None:
        raise OperationalError("connection refused\nIs the server running?")

    monkeypatch.setattr(connection, "ensure_connection", fail)
    code, findings = examine()
    assert worries(findings, "database default") == ["can't be asked: connection refused"]
    assert any(found["subject"].startswith("redis") for found in findings)
    assert any("within 5 s" in found["text"] for found in findings)
    assert code == 2


def test_changes_that_nobody_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Old rows in the outbox mean that no relay runs."""
    monkeypatch.setattr("usercache.management.doctor.get_backlog", lambda: Backlog(3, 75.0))
    _, findings = examine()
    assert "3 changes wait in the outbox, the oldest for 75 s" in worries(findings, "database")


def test_lines_for_people(settings: Settings) -> None:
    """Without --json, a line a finding and its remedy below it, indented."""
    settings.USERCACHE_REDIS_ALIAS = ""
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("usercache_doctor", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("settings: ")
    assert lines[-2].startswith("process memory: WARNING: another process's change shows within")
    assert lines[-1].startswith("    Name a django-redis alias")
