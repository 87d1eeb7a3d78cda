"""PostgreSQL goes and comes back: users in the cache are served, and writes say why not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cast import PASSWORD
from tests.e2e.every_process import Everywhere
from tests.e2e.http_client import HttpClient
from tests.e2e.web_server import WAIT_VARIABLES, WebServer
from tests.servers.postgresql_server import PostgreSQLServer
from tests.waiting import wait_until

pytestmark = [pytest.mark.redis, pytest.mark.postgresql]

ZOE = {"email": "zoe@example.com", "password": PASSWORD, "first_name": "Zoe", "last_name": "Rolle"}
YVES = ZOE | {"email": "yves@example.com", "first_name": "Yves"}
METRICS_TOKEN = "conch-salad-" * 3


@pytest.fixture
def web_server(
    postgresql_server: PostgreSQLServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    """Run a web server on that PostgreSQL, which gives up on it early."""
    variables = {
        "DATABASE_URL": postgresql_server.url,
        "DATABASE_POOL_TIMEOUT_SECONDS": "0.2",
        "USERCACHE_METRICS_TOKEN": METRICS_TOKEN,
    }
    directory = tmp_path_factory.mktemp("web")
    with WebServer(directory, "--preload", variables=variables | WAIT_VARIABLES) as server:
        yield server


def wait_for_database(server: WebServer, client: HttpClient) -> None:
    """Wait until each process, whose pool of connections is its own, has reached it again."""
    reader = replace(client, agent="after-the-outage")

    def ask() -> bool:
        assert reader.get("/users").status in (200, 503)
        return len(server.who_answered(reader.agent, 200)) == server.processes

    wait_until(ask, "all processes use PostgreSQL again")


def test_cached_users_are_served_without_postgresql(
    postgresql_server: PostgreSQLServer,
    everywhere: Everywhere,
    anybody: HttpClient,
) -> None:
    """Warm reads answer as before, all else is a 503 that says so, and afterwards all is well."""
    login, other = (anybody.send("POST", "/auth/register", form).body for form in (ZOE, YVES))
    zoe = anybody.having(login["access_token"])
    warm = ("/auth/verify", "/auth/profile", f"/users/{other['user']['id']}")
    before = [everywhere(zoe, path) for path in warm]
    assert [answer.status for answer in before] == [200, 200, 200]

    postgresql_server.stop()
    assert [everywhere(zoe, path) for path in warm] == before
    for answer in (
        zoe.send("PUT", "/auth/profile", {"bio": "Dives."}),
        zoe.get("/users"),
        zoe.get(f"/users/{other['user']['id'] + 1}"),
        anybody.send("POST", "/auth/login", {"email": ZOE["email"], "password": PASSWORD}),
        anybody.send("POST", "/auth/refresh", {"refresh_token": login["refresh_token"]}),
    ):
        assert (answer.status, answer.body["code"]) == (503, "database_unavailable")
    assert [everywhere(zoe, path) for path in warm] == before
    assert everywhere(anybody, "/health/live").status == 200
    ready = everywhere(anybody, "/health/ready")
    assert (ready.status, ready.body["code"]) == (503, "database_unavailable")
    watched = anybody.having(METRICS_TOKEN).get("/health/cache")
    assert (watched.status, watched.body["status"]) == (200, "degraded")
    assert watched.body["stats"]["outbox"]["waiting"] is None

    postgresql_server.start()
    wait_for_database(everywhere.server, zoe)
    user = zoe.send("PUT", "/auth/profile", {"bio": "Dives."}).body
    assert everywhere(zoe, "/auth/profile") == (200, user)
