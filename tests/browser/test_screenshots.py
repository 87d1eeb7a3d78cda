"""Pictures of the dashboard for the README: `make screenshots` puts them into docs/."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser
from pytest_django import Settings

from accounts.models import User
from tests.browser.busy_hour import make_up, own_totals
from tests.browser.visitor import DASHBOARD, Visitor
from tests.caches import WAIT, lead_shared_alias
from tests.cast import token_of
from tests.e2e.http_client import HttpClient
from tests.e2e.production_server import ProductionServer
from tests.servers.redis_server import RedisServer
from usercache.runtime import RUNTIME

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.django_db(transaction=True)]

COLOURS = 64
SMALLEST_BYTES = 5_000


@pytest.fixture
def busy_server(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings, dora: User, alice: User, bob: User
) -> Iterator[ProductionServer]:
    """Run the product after two busy hours."""
    folders = [tmp_path_factory.mktemp(name) for name in ("redis", "web")]
    with RedisServer(folders[0], "--maxmemory", "100mb") as redis:
        lead_shared_alias(settings, redis.url, **WAIT)
        make_up(own_totals(), [alice.pk, bob.pk, dora.pk])
        RUNTIME.stop()  # it is no part of the picture
        variables = {"REDIS_URL": redis.url, "WEB_WORKERS": "2", "USERCACHE_AUDIT_SHARE": "0.1"}
        variables |= {"USERCACHE_L1_MAX_ENTRIES": "1000"}
        with ProductionServer(folders[1], variables=variables) as server:
            for user in (alice, bob, dora):
                client = HttpClient(server.url, token=token_of(user))
                assert [client.get("/auth/verify").status for _ in range(10)] == [200] * 10
            yield server


def test_pictures(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    busy_server: ProductionServer,
    chromium: Browser,
    dora: User,
) -> None:
    """At a desk by day and by night, and on a phone."""
    folder = Path(request.config.getoption("--pictures") or tmp_path)
    for name, is_dark, is_phone in (
        ("dashboard", False, False),
        ("dashboard-dark", True, False),
        ("dashboard-phone", False, True),
    ):
        visitor = Visitor.arrive(
            chromium, busy_server.url, dora, is_dark=is_dark, is_phone=is_phone
        )
        visitor.go(DASHBOARD)
        visitor.page.get_by_role("button", name="Pause").wait_for()
        picture = folder / f"{name}.png"
        shot = visitor.page.screenshot(full_page=not is_phone)
        with Image.open(io.BytesIO(shot)) as image:
            image.quantize(COLOURS).save(picture, optimize=True)
        assert picture.stat().st_size > SMALLEST_BYTES
        assert visitor.complaints == []
        visitor.page.context.close()
