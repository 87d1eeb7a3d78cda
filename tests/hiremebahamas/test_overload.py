"""More requests than a process can serve: who is served, who waits, who is refused."""

import json
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from hiremebahamas.overload import READY, RETRY_SECONDS, BoundedRequests
from tests.waiting import WAIT_SECONDS, wait_until

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

THREADS: Final = 2
QUEUE: Final = 3
SLOW: Final = "/users"


class Application:
    """Answer slow requests once it may, and others at once."""

    def __init__(self, *slow: str) -> None:
        self.slow = {SLOW, *slow}
        self.may_answer = threading.Event()
        self._lock = threading.Lock()
        self.inside = 0
        self.most = 0

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        try:
            if environ["PATH_INFO"] in self.slow:
                assert self.may_answer.wait(WAIT_SECONDS)
            start_response("200 OK", [])
            return [b""]
        finally:
            with self._lock:
                self.inside -= 1


Ask = Any
"""Sends a request on a thread of its own; returns the future status."""


@contextmanager
def clients(application: Any) -> Iterator[Any]:
    def call(path: str, **more: str) -> tuple[str, dict[str, str], bytes]:
        told: list[Any] = []
        body: Iterable[bytes] = application(
            cast("WSGIEnvironment", {"PATH_INFO": path} | more), lambda *given: told.extend(given)
        )
        return told[0], dict(told[1]), b"".join(body)

    with ThreadPoolExecutor(2 * (THREADS + QUEUE)) as pool:
        yield lambda path, **more: pool.submit(call, path, **more)


def bound(application: Application, *, queue: int = QUEUE, seconds: float = 600) -> BoundedRequests:
    return BoundedRequests(application, threads=THREADS, waiting=queue, wait_seconds=seconds)


def fill(bounded: BoundedRequests, application: Application, ask: Any) -> list[Future[Any]]:
    """Take every place, then the queue."""
    asked = [ask(SLOW) for _ in range(THREADS)]
    wait_until(lambda: application.inside == THREADS, "both threads serve")
    asked += [ask(SLOW) for _ in range(bounded._waiting_most)]
    wait_until(lambda: bounded._waiting == bounded._waiting_most, "the others wait")
    return asked


def test_what_is_too_much_is_refused_at_once() -> None:
    """With when to come back; what waits is served, by so many threads at the same time."""
    application = Application()
    bounded = bound(application)
    with clients(bounded) as ask:
        asked = fill(bounded, application, ask)
        status, headers, body = ask(SLOW).result(WAIT_SECONDS)
        assert status == "503 Service Unavailable"
        assert headers["Retry-After"] == str(RETRY_SECONDS)
        assert json.loads(body)["code"] == "busy"
        application.may_answer.set()
        assert {it.result(WAIT_SECONDS)[0] for it in asked} == {"200 OK"}
    assert application.most == THREADS
    assert bounded._waiting == 0


@pytest.mark.parametrize(
    "path",
    ["/auth/verify", "/auth/forward", "/auth/forward/jobs/7", "/health/live", "/health/ready"],
)
def test_light_requests_are_answered(path: str) -> None:
    """Though every place is taken."""
    application = Application()
    bounded = bound(application)
    with clients(bounded) as ask:
        fill(bounded, application, ask)
        assert ask(path).result(WAIT_SECONDS)[0] == "200 OK"
        application.may_answer.set()


@pytest.mark.parametrize(
    "body", [{"CONTENT_LENGTH": "1"}, {"HTTP_TRANSFER_ENCODING": "chunked"}], ids=["long", "chunks"]
)
def test_light_request_with_a_body_is_not_light(body: dict[str, str]) -> None:
    """Its client may send it a byte a minute."""
    application = Application()
    bounded = bound(application)
    with clients(bounded) as ask:
        fill(bounded, application, ask)
        status, *_ = ask("/health/live", **body).result(WAIT_SECONDS)
        empty = ask("/health/live", CONTENT_LENGTH="0").result(WAIT_SECONDS)
        application.may_answer.set()
        assert (status, empty[0]) == ("503 Service Unavailable", "200 OK")


def test_all_who_ask_for_readiness_wait_in_one_place() -> None:
    """Which may take a second, while the database hangs; tokens are checked meanwhile."""
    application = Application(READY)
    with clients(bound(application)) as ask:
        asked = [ask(READY) for _ in range(THREADS + QUEUE)]
        wait_until(lambda: application.inside == 1, "one asks the database")
        assert ask("/auth/verify").result(WAIT_SECONDS)[0] == "200 OK"
        application.may_answer.set()
        assert {it.result(WAIT_SECONDS)[0] for it in asked} == {"200 OK"}


@pytest.mark.parametrize("path", ["/auth/verify-email", "/auth/forwarded", "/health/cache"])
def test_paths_that_begin_like_light_ones_are_not(path: str) -> None:
    """They query the database, and are refused like the rest."""
    application = Application()
    bounded = bound(application)
    with clients(bounded) as ask:
        fill(bounded, application, ask)
        status, *_ = ask(path).result(WAIT_SECONDS)
        application.may_answer.set()
        assert status == "503 Service Unavailable"


def test_wait_has_an_end() -> None:
    """Then it is refused like the rest, and its place in the queue is free."""
    application = Application()
    bounded = bound(application, queue=1, seconds=0.01)
    with clients(bounded) as ask:
        asked = [ask(SLOW) for _ in range(THREADS)]
        wait_until(lambda: application.inside == THREADS, "both threads serve")
        for _ in range(2):
            assert ask(SLOW).result(WAIT_SECONDS)[0] == "503 Service Unavailable"
        application.may_answer.set()
        assert {it.result(WAIT_SECONDS)[0] for it in asked} == {"200 OK"}


def test_errors_leave_no_place_taken() -> None:
    """More of them than there are places."""

    def fail(_environ: object, _start_response: object) -> list[bytes]:
        raise ZeroDivisionError

    with clients(bound(cast("Application", fail), queue=0)) as ask:
        for path in (SLOW, "/auth/verify"):
            for _ in range(THREADS + 1):
                with pytest.raises(ZeroDivisionError):
                    ask(path).result(WAIT_SECONDS)
