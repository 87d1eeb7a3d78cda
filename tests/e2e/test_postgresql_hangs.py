"""PostgreSQL hangs: users in the cache are served, and no other request waits for ever."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import pytest

from tests.cast import PASSWORD
from tests.e2e.http_client import Answer, HttpClient
from tests.e2e.test_postgresql_gone import METRICS_TOKEN, ZOE
from tests.e2e.web_server import THREADS, WAIT_VARIABLES, WebServer
from tests.servers.postgresql_server import PostgreSQLServer
from tests.servers.server import HOST
from tests.servers.tcp_proxy import TcpProxy
from tests.sizes import sizes
from tests.waiting import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.postgresql]

LOGINS = THREADS + 2
"""More than there are threads."""
LOGIN = {"email": ZOE["email"], "password": PASSWORD}
TIMEOUT_SECONDS = 2
WARM = ("/auth/verify", "/auth/profile", "/health/live")


class Fault(Protocol):
    """Something that makes PostgreSQL answer nobody, for as long as it lasts."""

    def begin(self) -> None: ...

    def end(self) -> None: ...


class Stopped:
    """Every process of the server is stopped; the kernel acknowledges what it is sent."""

    def __init__(self, server: PostgreSQLServer, proxy: TcpProxy) -> None:
        self.begin, self.end = server.pause, server.resume


class CutLine:
    """What is sent is lost."""

    def __init__(self, server: PostgreSQLServer, proxy: TcpProxy) -> None:
        self.begin, self.end = proxy.black_hole, proxy.restore


@pytest.fixture
def proxy(postgresql_server: PostgreSQLServer) -> Iterator[TcpProxy]:
    """Lead to that PostgreSQL."""
    with TcpProxy(postgresql_server.port) as proxy:
        yield proxy


@pytest.fixture
def web_server(
    postgresql_server: PostgreSQLServer,
    proxy: TcpProxy,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebServer]:
    """Run a web server of one process, so that its threads are all there are."""
    url = postgresql_server.url.replace(f"{HOST}:{postgresql_server.port}", f"{HOST}:{proxy.port}")
    variables = WAIT_VARIABLES | {
        "AUTH_SLOW_REQUESTS_MAX": "256",  # all of them may wait for the database
        "DATABASE_URL": url,
        "DATABASE_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
        "USERCACHE_METRICS_TOKEN": METRICS_TOKEN,
    }
    directory = tmp_path_factory.mktemp("web")
    with WebServer(directory, processes=1, variables=variables) as server:
        yield server


@sizes("kind", short=Stopped, long=CutLine)
def test_a_hung_postgresql_stops_only_what_needs_it(
    kind: type[Stopped] | type[CutLine],
    postgresql_server: PostgreSQLServer,
    proxy: TcpProxy,
    anybody: HttpClient,
) -> None:
    """Log-ins are refused, more of them than there are threads; the cached are served meanwhile.

    All of it while the server hangs: nothing here waits for it to come back.
    """
    token = anybody.send("POST", "/auth/register", ZOE).body["access_token"]
    zoe = anybody.having(token)
    before = [zoe.get(path) for path in WARM]
    assert [answer.status for answer in before] == [200, 200, 200]
    fault: Fault = kind(postgresql_server, proxy)
    begun = threading.Barrier(LOGINS + 1)

    def log_in() -> Answer:
        begun.wait()
        return anybody.send("POST", "/auth/login", LOGIN)

    fault.begin()
    with ThreadPoolExecutor(LOGINS) as pool:
        logins = [pool.submit(log_in) for _ in range(LOGINS)]
        begun.wait()
        rounds = 0
        while not all(login.done() for login in logins):
            assert [zoe.get(path) for path in WARM] == before
            rounds += 1
        refused = [login.result() for login in logins]
    assert rounds
    assert {(answer.status, answer.body["code"]) for answer in refused} == {
        (503, "database_unavailable")
    }
    ready = anybody.get("/health/ready")
    assert (ready.status, ready.body["code"]) == (503, "database_unavailable")
    assert anybody.having(METRICS_TOKEN).get("/health/cache").status == 200
    assert zoe.get("/users").status == 503
    assert [zoe.get(path) for path in WARM] == before

    fault.end()
    wait_until(lambda: zoe.get("/health/ready").status == 200, "it is ready again")
    assert anybody.send("POST", "/auth/login", LOGIN).status == 200
    wait_until(
        lambda: zoe.send("PUT", "/auth/profile", {"bio": "Dives."}).status == 200, "she is written"
    )
