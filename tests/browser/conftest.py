"""Fixtures of the browser's tests: the product as in production, Chromium, and people at it."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest
from playwright.sync_api import Browser, expect

from accounts.models import User
from tests.browser.chromium import run_chromium
from tests.browser.visitor import Visitor
from tests.e2e.production_server import ProductionServer
from tests.waiting import WAIT_SECONDS


class Arrive(Protocol):
    """Opens a browser of somebody's own, logged in; see `Visitor.arrive`."""

    def __call__(
        self, user: User, *, is_dark: bool = ..., is_phone: bool = ..., has_scripts: bool = ...
    ) -> Visitor: ...


@pytest.fixture(scope="session")
def web_server(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ProductionServer]:
    """Run the product as `make serve` does."""
    directory = tmp_path_factory.mktemp("web")
    with ProductionServer(directory, variables={"WEB_WORKERS": "2"}) as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Run one Chromium for all tests."""
    with pytest.MonkeyPatch.context() as patch, run_chromium() as browser:
        # Playwright has an event loop in this thread, and Django would refuse it the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        expect.set_options(timeout=WAIT_SECONDS * 1000)
        yield browser


@pytest.fixture
def arrive(web_server: ProductionServer, chromium: Browser) -> Iterator[Arrive]:
    """Have people come, and leave at the end of the test."""
    with ExitStack() as stack:

        def open_browser(user: User, **options: bool) -> Visitor:
            visitor = Visitor.arrive(chromium, web_server.url, user, **options)
            stack.callback(visitor.page.context.close)
            return visitor

        yield open_browser


@pytest.fixture
def visitor(arrive: Arrive, dora: User) -> Visitor:
    """Dora, the admin, at her desk."""
    return arrive(dora)
