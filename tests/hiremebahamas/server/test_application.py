"""Who answers a request, and what becomes of more requests than a process can serve."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest

from accounts.models import User
from hiremebahamas import wsgi
from hiremebahamas.server.application import Application, may_begin_twice
from hiremebahamas.server.bridge import make_environ
from hiremebahamas.server.overload import READY, RETRY_SECONDS, refuse
from tests.cast import token_of
from tests.waiting import WAIT_SECONDS, wait_until
from usercache.memory_only import MustWaitError, memory_only

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

THREADS: Final = 2
QUEUE: Final = 3
SLOW: Final = "/users"
LONG: Final = 600.0

Headers = dict[str, str]
Ask = Callable[..., "asyncio.Task[Protocol]"]
"""Takes a path and headers."""


class Protocol:
    """granian's side of one request, whose body comes in parts."""

    def __init__(self, *parts: bytes) -> None:
        self.status = 0
        self.headers: Headers = {}
        self.body = b""
        self._parts = iter([*parts, b""])

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return next(self._parts)

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        assert not self.status, "answered twice"
        self.status, self.headers, self.body = status, dict(headers), body


class SlowApplication:
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


def scope_of(path: str, method: str = "POST", **headers: str) -> Any:
    return SimpleNamespace(
        path=path,
        method=method,
        query_string="",
        http_version="1.1",
        scheme="http",
        server="[::1]:8000",
        client="203.0.113.7:49152",
        authority=None,
        headers={"host": "localhost"} | {name.replace("_", "-"): headers[name] for name in headers},
    )


def run(
    application: "WSGIApplication",
    scenario: Callable[[Ask], Coroutine[Any, Any, None]],
    *,
    queue: int = QUEUE,
    seconds: float = LONG,
) -> None:
    """Have a scenario ask the application on an event loop; nothing waits for longer than tests."""

    async def play() -> None:
        served = Application(
            application, refuse, threads=THREADS, waiting=queue, wait_seconds=seconds
        )

        async def send(path: str, **headers: str) -> Protocol:
            protocol = Protocol()
            await served.__rsgi__(scope_of(path, **headers), protocol)  # type: ignore[arg-type]
            return protocol

        async with asyncio.timeout(WAIT_SECONDS):
            await scenario(lambda path, **headers: asyncio.create_task(send(path, **headers)))

    asyncio.run(play())


async def fill(application: SlowApplication, ask: Ask) -> list["asyncio.Task[Protocol]"]:
    """Take every place, then the queue."""
    asked = [ask(SLOW) for _ in range(THREADS + QUEUE)]
    await asyncio.to_thread(wait_until, lambda: application.inside == THREADS, "both serve")
    return asked


def test_what_is_too_much_is_refused_at_once() -> None:
    """With when to come back; what waits is served, by so many threads at the same time."""
    application = SlowApplication()

    async def scenario(ask: Ask) -> None:
        asked = await fill(application, ask)
        refused = await ask(SLOW)
        assert (refused.status, refused.headers["Retry-After"]) == (503, str(RETRY_SECONDS))
        assert json.loads(refused.body)["code"] == "busy"
        application.may_answer.set()
        assert {(await it).status for it in asked} == {200}
        assert (await ask(SLOW)).status == 200

    run(application, scenario)
    assert application.most == THREADS


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/auth/verify", 200),
        ("/auth/forward", 200),
        ("/auth/forward/jobs/7", 200),
        ("/health/live", 200),
        ("/health/ready", 200),
        # They begin like those, and query the database.
        ("/auth/verify-email", 503),
        ("/auth/forwarded", 503),
        ("/health/cache", 503),
    ],
)
def test_light_requests_are_answered(path: str, status: int) -> None:
    """Though every place is taken; the rest is refused."""
    application = SlowApplication()

    async def scenario(ask: Ask) -> None:
        await fill(application, ask)
        assert (await ask(path)).status == status
        application.may_answer.set()

    run(application, scenario)


@pytest.mark.parametrize("body", [{"content_length": "1"}, {"transfer_encoding": "chunked"}])
def test_light_request_with_a_body_is_not_light(body: Headers) -> None:
    """Its client may send it a byte a minute."""
    application = SlowApplication()

    async def scenario(ask: Ask) -> None:
        await fill(application, ask)
        assert (await ask("/health/live", **body)).status == 503
        assert (await ask("/health/live", content_length="0")).status == 200
        application.may_answer.set()

    run(application, scenario)


def test_all_who_ask_for_readiness_wait_for_one_thread() -> None:
    """Which may take a second, while the database hangs; tokens are checked meanwhile."""
    application = SlowApplication(READY)

    async def scenario(ask: Ask) -> None:
        asked = [ask(READY) for _ in range(THREADS + QUEUE)]
        await asyncio.to_thread(wait_until, lambda: application.inside == 1, "one asks")
        assert (await ask("/auth/verify")).status == 200
        application.may_answer.set()
        assert {(await it).status for it in asked} == {200}

    run(application, scenario)
    assert application.most == 2  # one of them, and the token's


def test_wait_has_an_end() -> None:
    """Though no thread becomes free; then its place in the queue is free."""
    application = SlowApplication()

    async def scenario(ask: Ask) -> None:
        asked = [ask(SLOW) for _ in range(THREADS)]
        await asyncio.to_thread(wait_until, lambda: application.inside == THREADS, "both serve")
        for _ in range(2):
            assert (await ask(SLOW)).status == 503
        application.may_answer.set()
        assert {(await it).status for it in asked} == {200}

    run(application, scenario, queue=1, seconds=0.01)


def test_errors_leave_no_place_taken() -> None:
    """More of them than there are places."""

    def fail(_environ: object, _start_response: object) -> list[bytes]:
        raise ZeroDivisionError

    async def scenario(ask: Ask) -> None:
        for path in (SLOW, "/auth/verify"):
            for _ in range(THREADS + 1):
                with pytest.raises(ZeroDivisionError):
                    await ask(path)

    run(fail, scenario, queue=0)


def test_client_is_told_to_reconnect() -> None:
    """Once the process is to end: in each answer, a refusal included."""

    def answer(_environ: object, start_response: "StartResponse") -> list[bytes]:
        start_response("200 OK", [])
        return [b""]

    async def play() -> list[Headers]:
        found = []
        application = Application(answer, refuse, threads=1, waiting=0, wait_seconds=LONG)
        application.end_connections()
        for path in (SLOW, "/health/live"):
            protocol = Protocol()
            await application.__rsgi__(scope_of(path), protocol)  # type: ignore[arg-type]
            found.append(protocol.headers)
        return found

    assert {headers["Connection"] for headers in asyncio.run(play())} == {"close"}


def environ_of(path: str, method: str = "GET", **headers: str) -> "WSGIEnvironment":
    headers = {"authorization": "Bearer x"} | headers
    loop = asyncio.new_event_loop()
    try:
        return make_environ(scope_of(path, method, **headers), Protocol(), loop)  # type: ignore[arg-type]
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/auth/verify", "HEAD", {}),
        ("/auth/profile", "PATCH", {}),
        ("/auth/verify", "GET", {"authorization": "Api-Key x"}),
        ("/auth/verify", "GET", {"content_length": "3"}),
        ("/auth/verify", "GET", {"transfer_encoding": "chunked"}),
        ("/auth/verify/", "GET", {}),
        ("/auth/sessions", "GET", {}),
        ("/users/7/avatar", "GET", {}),
        ("/users", "GET", {}),
    ],
)
def test_what_could_change_something_is_for_a_thread(
    path: str, method: str, headers: Headers
) -> None:
    """Begun twice, it would change it twice; a body would have to be waited for."""
    assert not may_begin_twice(environ_of(path, method, **headers))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/auth/verify", "/auth/profile", "/users/{}", "/users/lookup"])
def test_memory_only_never_waits(alice: User, path: str) -> None:
    """A user who isn't in memory: neither Redis nor the database is asked, nothing is answered."""
    token = f"Bearer {token_of(alice)}"
    environ = environ_of(path.format(alice.pk), authorization=token)
    assert may_begin_twice(environ)
    environ["QUERY_STRING"] = "username=bob"
    statuses = list[str]()

    def start(status: str, *_rest: object) -> Any:
        statuses.append(status)

    with memory_only(), pytest.raises(MustWaitError):
        wsgi.application(environ, start)
    assert not statuses


@pytest.mark.django_db(transaction=True)
def test_event_loop_hands_on_what_needs_the_database(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query in the middle of a view: a thread answers, and the client sees no error."""
    name = "hiremebahamas.server.application.Application._may_be_in_memory"
    monkeypatch.setattr(name, lambda *_given: True)
    found = Protocol()

    async def play() -> None:
        application = Application(wsgi.application, refuse, threads=1, waiting=0, wait_seconds=LONG)
        scope = scope_of("/auth/sessions", "GET", authorization=f"Bearer {token_of(alice)}")
        await application.__rsgi__(scope, found)  # type: ignore[arg-type]

    token_of(alice)  # on this thread
    asyncio.run(play())
    assert found.status == 200
