"""Background threads: an unexpected error ends none of them, and is told."""

import logging
import threading
from collections.abc import Callable

import pytest
from django.conf import settings
from django.core.checks.registry import registry
from django.test import override_settings
from pytest_django import Settings

from tests.counting import counted_events, counts, counts_of
from tests.waiting import WAIT_SECONDS, wait_until
from usercache.l1.listener import Listener
from usercache.lookup import Store
from usercache.observability import audit
from usercache.observability.audit import Sample
from usercache.observability.metrics import flusher
from usercache.observability.metrics.flusher import Flusher
from usercache.observability.metrics.recorder import Recorder
from usercache.observability.observers import observers_of
from usercache.runtime import RUNTIME, Service, get_store
from usercache.workers import Worker

UNEXPECTED = "errors_unexpected_ZeroDivisionError"


def test_worker_goes_on_after_an_unexpected_error(caplog: pytest.LogCaptureFixture) -> None:
    """Each error is counted; its traceback is logged once, however often it comes again."""
    events, tries, went_on = counted_events(), list[int](), threading.Event()

    def work() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ZeroDivisionError
        went_on.set()

    worker = Worker("usercache-test", work, events.note_unexpected, restart_seconds=0.0)
    worker.start()
    assert went_on.wait(WAIT_SECONDS)
    wait_until(lambda: not worker.is_alive, "work that returned isn't done again")
    assert counts_of(events) == {UNEXPECTED: 2}
    [record] = [r for r in caplog.records if r.name == "usercache.workers"]
    assert record.levelno == logging.ERROR
    assert "in work" in caplog.text
    worker.end()


def test_worker_that_was_ended_isn_t_started_again() -> None:
    """Neither by its pause after an error, nor by a late `start()`."""
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise ZeroDivisionError

    worker = Worker("usercache-test", fail, lambda _error: None, restart_seconds=3600.0)
    worker.start()
    assert failed.wait(WAIT_SECONDS)
    worker.end()
    assert not worker.is_alive
    worker.start()
    assert not worker.is_alive


def break_delivery(monkeypatch: pytest.MonkeyPatch, fail: Callable[..., None]) -> None:
    monkeypatch.setattr(flusher, "LONGEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(Recorder, "fold", fail)


def break_audit(monkeypatch: pytest.MonkeyPatch, fail: Callable[..., None]) -> None:
    monkeypatch.setattr(audit, "DELAY_SECONDS", 0.0)
    monkeypatch.setattr(audit.Audit, "judge", fail)
    found = observers_of().audit
    found.share = 1.0
    found.start()
    for _ in range(2):
        found.add(Sample("redis", "", None, None, None))  # type: ignore[arg-type]  # unread


def break_listener(monkeypatch: pytest.MonkeyPatch, fail: Callable[..., None]) -> None:
    monkeypatch.setattr(Listener, "_take", fail)


@pytest.mark.parametrize(
    "break_it",
    [break_delivery, break_audit, pytest.param(break_listener, marks=pytest.mark.redis)],
    ids=["flusher", "audit", "listener"],
)
def test_every_thread_of_a_process_outlasts_its_errors(
    break_it: Callable[[pytest.MonkeyPatch, Callable[..., None]], None],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Metrics, audit and client-side cache go on, and their errors are counted."""
    monkeypatch.setattr(Worker.__init__, "__defaults__", (0.0,))
    settings.USERCACHE_L1_MAX_ENTRIES = 10
    settings.USERCACHE_METRICS_FLUSH_SECONDS = 3600.0
    tries = list[int]()

    def fail(*_args: object) -> None:
        tries.append(1)
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        break_it(patched, fail)
        store = get_store()
        wait_until(lambda: len(tries) >= 2, "it goes on after the first error")
    wait_until(lambda: counts(store).get(UNEXPECTED, 0) >= 2, "they are counted")


def test_store_serves_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine out of threads costs no look-up, and later the threads start."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        store = get_store()
        assert get_store() is store
    assert counts(store)["errors_unexpected_RuntimeError"] >= 2
    assert get_store() is store
    [flusher] = [service for service in RUNTIME.services if isinstance(service, Flusher)]
    assert flusher._worker.is_alive


def test_an_extension_that_fails_leaves_no_service_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is raised to each caller until it works; then there is one service of each kind."""
    get_store()
    kinds = [type(service) for service in RUNTIME.services]
    RUNTIME.stop()

    def fail(_store: Store) -> list[Service]:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(RUNTIME, "_extensions", [*RUNTIME._extensions, fail])
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                get_store()
    get_store()
    assert [type(service) for service in RUNTIME.services] == kinds


def test_overriding_installed_apps_doubles_no_service() -> None:
    """Django then makes each app ready again, and so does it when the override ends."""
    get_store()
    kinds = [type(service) for service in RUNTIME.services]
    with override_settings(INSTALLED_APPS=list(settings.INSTALLED_APPS)):
        pass
    RUNTIME.stop()
    get_store()
    assert [type(service) for service in RUNTIME.services] == kinds


def test_overriding_installed_apps_doubles_no_check() -> None:
    """Each fault is reported once, whatever a test has overridden before."""
    registered = len(registry.get_checks(include_deployment_checks=True))
    with override_settings(INSTALLED_APPS=list(settings.INSTALLED_APPS)):
        pass
    assert len(registry.get_checks(include_deployment_checks=True)) == registered
