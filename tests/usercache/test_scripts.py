"""A project's own scripts run in Redis, or say that they can't."""

import threading

import pytest
from pytest_django import Settings

from tests.caches import lead_shared_alias
from tests.servers.server import find_free_port
from usercache import scripts
from usercache.memory_only import MustWaitError, memory_only
from usercache.runtime import RUNTIME
from usercache.scripts import UnavailableError, run_script

ADD = "return redis.call('INCRBY', KEYS[1], ARGV[1])"


@pytest.mark.redis
def test_script_has_the_keys_of_the_alias() -> None:
    """Under its prefix, in one round trip."""
    assert [run_script(ADD, ["mine:{1}"], [7]) for _ in range(2)] == [7, 14]


@pytest.mark.redis
def test_script_that_redis_refuses() -> None:
    """An error of the script is no reason to leave Redis."""
    with pytest.raises(UnavailableError):
        run_script("return nonsense", ["mine:{1}"], [])
    assert run_script(ADD, ["mine:{1}"], [1]) == 1


@pytest.mark.redis
def test_without_redis(settings: Settings) -> None:
    """Refused, hung or not named: unavailable, at once."""
    lead_shared_alias(settings, f"redis://127.0.0.1:{find_free_port()}/0")
    for _ in range(5):
        with pytest.raises(UnavailableError):
            run_script(ADD, ["mine:{1}"], [1])
    settings.USERCACHE_REDIS_ALIAS = ""
    with pytest.raises(UnavailableError):
        run_script(ADD, ["mine:{1}"], [1])


@pytest.mark.redis
def test_process_that_has_just_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for the verdict, so that its first script runs in Redis as all do."""
    monkeypatch.setattr(scripts, "DOUBT_SECONDS", 60.0)
    redis = RUNTIME.get_store().redis
    assert redis is not None
    breaker = redis.breaker
    breaker.failed(at_once=True)
    answers = list[int]()
    caller = threading.Thread(target=lambda: answers.append(run_script(ADD, ["mine:{1}"], [1])))
    caller.start()
    assert answers == []
    breaker.close(breaker.recover())
    caller.join(60)
    assert answers == [1]


@pytest.mark.redis
def test_event_loop_runs_no_script() -> None:
    """All requests would wait for Redis, and what the script counts would be counted twice."""
    with memory_only(), pytest.raises(MustWaitError):
        run_script(ADD, ["mine:{1}"], [1])
    assert run_script(ADD, ["mine:{1}"], [1]) == 1
