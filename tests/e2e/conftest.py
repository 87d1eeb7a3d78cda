"""Fixtures of the whole product's tests: one web server for all of them, and its clients."""

from collections.abc import Iterator

import pytest
from django.conf import settings

from accounts.models import User
from tests.cast import token_of
from tests.e2e.http_client import HttpClient
from tests.e2e.web_server import WebServer


@pytest.fixture(scope="session")
def web_server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    """Run the product: in one process where there is no Redis to tell others of a change."""
    processes = 3 if settings.USERCACHE_SHARED_ALIAS else 1
    with WebServer(tmp_path_factory.mktemp("web"), processes=processes) as server:
        yield server


@pytest.fixture
def anybody(web_server: WebServer) -> HttpClient:
    """Somebody without a token."""
    return HttpClient(web_server.url)


@pytest.fixture
def as_alice(anybody: HttpClient, alice: User) -> HttpClient:
    """Alice, logged in."""
    return anybody.having(token_of(alice))


@pytest.fixture
def as_dora(anybody: HttpClient, dora: User) -> HttpClient:
    """Dora, the admin, logged in."""
    return anybody.having(token_of(dora))
