"""Redis refuses, hangs, dies under load and comes back: the web processes answer, and rightly."""

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cast import PASSWORD, Cast, token_of
from tests.e2e.every_process import Everywhere
from tests.e2e.http_client import HttpClient
from tests.e2e.load import Load
from tests.e2e.web_server import WebServer
from tests.servers.redis_server import RedisServer
from tests.waiting import wait_until
from usercache.backends.breaker import PAUSE_JITTER
from usercache.events import BREAKER_OPENINGS
from usercache.keys import RECORD
from usercache.observability.metrics.store import TOTALS
from usercache.observability.metrics.time_buckets import TimeBucket

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

TIMEOUT_SECONDS = 0.25
# Where writes have to be seen afterwards: a machine that is slow for a moment is no failure.
SLOW_TIMEOUT_SECONDS = 1.0
# For a request that waits for Redis once; the rest is for a slow machine. redis-py's own defaults
# would take longer.
BOUND_SECONDS = 5.0
SHORTEST_PAUSE_SECONDS = 2 * (1 - PAUSE_JITTER)
CLIENTS = 6
ROUNDS = 5


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Run a Redis for these tests' web server alone."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def run_web_server(
    directory: Path, server: RedisServer, timeout_seconds: float, **variables: str
) -> WebServer:
    """Return a web server on this Redis, to be entered."""
    timeout = {"USERCACHE_REDIS_TIMEOUT_SECONDS": str(timeout_seconds)}
    own = {"REDIS_URL": server.url} | timeout | variables
    return WebServer(directory, "--preload", variables=own)


@pytest.fixture(scope="module")
def web_server(
    django_db_setup: None, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    """Run a web server on that Redis."""
    directory = tmp_path_factory.mktemp("web")
    with run_web_server(directory, redis_server, SLOW_TIMEOUT_SECONDS) as server:
        yield server


@pytest.fixture
def anybody(web_server: WebServer) -> HttpClient:
    """Give a client with a short timeout."""
    return HttpClient(web_server.url, timeout_seconds=BOUND_SECONDS)


@pytest.fixture
def clients(anybody: HttpClient, cast: Cast) -> list[HttpClient]:
    """Log some users in."""
    users = [cast.make(f"user-{number}") for number in range(CLIENTS)]
    return [anybody.having(token_of(user)) for user in users]


def count_openings(server: WebServer) -> int:
    """Return how often a process has given Redis up, from what they have logged."""
    return server.read_log().count("Redis failed (")


def does_without_redis(server: WebServer) -> bool:
    """Say whether any process does so now."""
    return count_openings(server) > server.read_log().count("Redis answers again")


def wait_for_use(server: WebServer, client: HttpClient) -> None:
    """Wait until all processes use Redis again, and those that have not begun yet begin."""

    def ask() -> bool:
        assert client.get("/auth/verify").status == 200
        return not does_without_redis(server)

    wait_until(ask, "all processes use Redis again")


def check_writes_are_seen(everywhere: Everywhere, client: HttpClient) -> None:
    for number in range(3):
        status, user = client.send("PUT", "/auth/profile", {"bio": f"Afterwards {number}"})
        assert status == 200
        assert everywhere(client, "/auth/profile") == (200, user)


@pytest.mark.parametrize(
    ("fail", "come_back"),
    [pytest.param("kill", "start", marks=pytest.mark.long), ("pause", "resume")],
)
def test_load_goes_on(
    web_server: WebServer,
    redis_server: RedisServer,
    clients: list[HttpClient],
    fail: str,
    come_back: str,
) -> None:
    """Killed and restarted, hung and resumed amid reads and writes: not one request fails."""
    redis_server.stop()
    redis_server.start()  # whatever the test before has left
    wait_for_use(web_server, clients[0])
    with Load(clients) as load:
        load.go_on(ROUNDS)
        getattr(redis_server, fail)()
        load.go_on(ROUNDS)
        assert does_without_redis(web_server)
        getattr(redis_server, come_back)()
        load.go_on(ROUNDS)
        wait_until(lambda: not does_without_redis(web_server), "all processes use Redis again")
        load.go_on(ROUNDS)
    assert load.wrong == []
    check_writes_are_seen(Everywhere(web_server), clients[0])


def test_refused_from_the_start(tmp_path: Path, clients: list[HttpClient]) -> None:
    """A web server that has never seen its Redis does all it should, and uses it once it comes."""
    redis_server = RedisServer(tmp_path)
    with ExitStack() as stack:
        web_server = stack.enter_context(
            run_web_server(tmp_path, redis_server, SLOW_TIMEOUT_SECONDS)
        )
        clients = [replace(client, url=web_server.url) for client in clients]
        with Load(clients) as load:
            load.go_on(2)
        assert load.wrong == []
        credentials = {"email": "user-0@example.com", "password": PASSWORD}
        assert clients[0].send("POST", "/auth/login", credentials).status == 200
        assert does_without_redis(web_server)
        stack.enter_context(redis_server)
        wait_for_use(web_server, clients[0])
        check_writes_are_seen(Everywhere(web_server), clients[0])
        with redis_server.client() as redis:
            assert [key for key in redis.scan_iter("*user:id:*") if redis.get(key)[:1] == RECORD]


def test_hang_costs_each_process_one_timeout(tmp_path: Path, clients: list[HttpClient]) -> None:
    """A hundred requests meet one timeout in each process, and one more at each of its probes."""
    with (
        RedisServer(tmp_path) as server,
        # Out of the client-side cache, nobody would notice for two seconds.
        run_web_server(
            tmp_path, server, TIMEOUT_SECONDS, USERCACHE_L1_MAX_ENTRIES="0"
        ) as web_server,
    ):
        client, everywhere = replace(clients[0], url=web_server.url), Everywhere(web_server)
        before = everywhere(client, "/auth/profile")
        server.pause()
        began = time.monotonic()
        for _ in range(ROUNDS):
            assert everywhere(client, "/auth/profile") == before
        seconds = time.monotonic() - began
        server.resume()
        wait_for_use(web_server, client)
        openings = count_openings(web_server)
        timeouts = wait_for_totals(server, openings)["errors_TimeoutError"]
    # The pauses between probes double, and one comes before them. The thread that delivers the
    # counts, or the heartbeat, may have waited at the same moment as a request.
    probes = math.floor(math.log2(1 + seconds / SHORTEST_PAUSE_SECONDS))
    assert openings >= web_server.processes
    assert openings <= timeouts <= web_server.processes * (4 + probes)


def wait_for_totals(server: RedisServer, openings: int) -> dict[str, int]:
    """Wait until the processes have delivered these openings, and so what came before them."""
    totals: dict[str, int] = {}
    with server.client() as redis:

        def have_come() -> bool:
            for key in redis.scan_iter(f"*{TOTALS}"):
                totals.update(TimeBucket().read(redis.hgetall(key)).counts)
            return totals.get(BREAKER_OPENINGS, 0) >= openings

        wait_until(have_come, "the processes have delivered their counts")
    return totals
