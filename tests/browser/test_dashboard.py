"""The dashboard in a real browser: it moves, it clears, it stays where one is, it says when not."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from playwright.sync_api import Browser, expect

from accounts.models import User
from tests.browser.busy_hour import make_up, own_totals
from tests.browser.conftest import Arrive
from tests.browser.visitor import DASHBOARD, Visitor
from tests.cast import token_of
from tests.e2e.http_client import HttpClient
from tests.e2e.production_server import ProductionServer
from tests.servers.redis_server import RedisServer

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.django_db(transaction=True)]

PERIOD_MS = 5000
LOADED_MS = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


def test_an_admin_watches_a_number_move_and_clears_a_user(
    visitor: Visitor, web_server: ProductionServer, alice: User
) -> None:
    """From the log-in through the index; nothing is loaded again, and the console is silent."""
    as_alice = HttpClient(web_server.url, token=token_of(alice))
    page = visitor.page
    page.get_by_role("main").get_by_role("link", name="Dashboard").click()
    page.evaluate("window.isTheSamePage = true")
    expect(page.get_by_role("main")).to_contain_text("no user was looked up")
    assert [as_alice.get("/auth/verify").status for _ in range(20)] == [200] * 20
    expect(page.get_by_role("row", name="Look-ups")).to_contain_text("20")
    assert page.evaluate("window.isTheSamePage")

    page.get_by_role("link", name=f"Clear {alice.get_full_name()}").click()
    expect(page.get_by_role("main")).to_contain_text(f"drop user:id:{alice.pk}, {alice.email}")
    page.get_by_role("button", name="Yes, clear").click()
    expect(page.get_by_role("listitem").filter(has_text="Forgot user:id:")).to_be_visible()
    assert LogEntry.objects.latest("action_time").object_id == str(alice.pk)
    visitor.go(f"/admin/accounts/user/{alice.pk}/history/")
    expect(page.get_by_role("main")).to_contain_text("Cleared from the user cache.")
    visitor.go(DASHBOARD)
    page.get_by_role("button", name="Clear all users…").click()
    page.get_by_role("button", name="Yes, clear").click()
    expect(page.get_by_role("main")).to_contain_text("Forgot all users.")
    assert visitor.complaints == []


def test_a_refresh_leaves_focus_and_folds_where_they_are(visitor: Visitor) -> None:
    """Keyboard users keep their place, and what they opened stays open."""
    visitor.page.clock.install()
    visitor.go(DASHBOARD)
    page = visitor.page
    summary = page.locator("summary", has_text="metrics are zero")
    summary.focus()
    page.keyboard.press("Enter")
    moment = page.locator("time")
    before = moment.get_attribute("datetime")
    assert before
    with page.expect_response(re.compile("fragment=1")):
        page.clock.run_for(PERIOD_MS)
    expect(moment).not_to_have_attribute("datetime", before)
    expect(summary).to_be_focused()
    expect(page.get_by_text("No such user, ")).to_be_visible()
    assert visitor.complaints == []


def test_it_can_be_paused(visitor: Visitor) -> None:
    """By the button; while the tab is hidden it pauses by itself, and asks at once when shown."""
    requests: list[str] = []
    visitor.page.clock.install()
    visitor.go(DASHBOARD)
    page = visitor.page
    page.on("request", lambda request: requests.append(request.url))
    page.get_by_role("button", name="Pause").click()
    page.clock.run_for(10 * PERIOD_MS)
    assert requests == []
    with page.expect_response(re.compile("fragment=1")):
        page.get_by_role("button", name="Go on").click()
    hide = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => %s})"
    change = "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(f"{hide % 'true'}; {change}")
    asked = len(requests)
    page.clock.run_for(10 * PERIOD_MS)
    assert len(requests) == asked
    with page.expect_response(re.compile("fragment=1")):
        page.evaluate(f"{hide % 'false'}; {change}")


def test_it_says_when_it_is_out_of_date(visitor: Visitor) -> None:
    """The server can't be asked, then can; then the session is over."""
    page = visitor.page
    page.clock.install()
    visitor.go(DASHBOARD)
    page.route("**/*fragment=1*", lambda route: route.abort())
    page.clock.run_for(PERIOD_MS)
    status = page.get_by_role("status")
    expect(status).to_contain_text("Out of date, as of ")
    expect(status).to_contain_text("Trying again")
    page.unroute_all()
    page.clock.run_for(2 * PERIOD_MS)
    expect(status).to_have_text("")
    page.context.clear_cookies()
    page.clock.run_for(PERIOD_MS)
    expect(status).to_contain_text("You have been logged out: load the page again.")


def test_without_scripts_it_is_all_there(arrive: Arrive, dora: User) -> None:
    """Metrics, charts, windows, a link to load it again; and users can be cleared."""
    make_up(own_totals(), [dora.pk])
    visitor = arrive(dora, has_scripts=False)
    visitor.go(DASHBOARD)
    page = visitor.page
    expect(page.get_by_role("img", name="Hit rate")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    page.get_by_role("link", name="15 min").click()
    expect(page.get_by_role("heading", name="Last 15 min")).to_be_visible()
    page.get_by_role("link", name="Refresh").click()
    page.get_by_label("User (id").fill(dora.email)
    page.get_by_role("button", name="Clear this user…").click()
    page.get_by_role("button", name="Yes, clear").click()
    expect(page.get_by_role("main")).to_contain_text("Forgot user:id:")


@pytest.fixture
def hasty_server(redis_server: RedisServer, tmp_path: Path) -> Iterator[ProductionServer]:
    """Run the product on a Redis of this test's own, with the time-outs of production."""
    hasty = {"REDIS_URL": redis_server.url, "USERCACHE_REDIS_TIMEOUT_SECONDS": "0.25"}
    with ProductionServer(tmp_path, variables=hasty) as server:
        yield server


def test_it_opens_at_once_while_redis_hangs_and_says_so(
    hasty_server: ProductionServer, redis_server: RedisServer, chromium: Browser, dora: User
) -> None:
    """Within a second, every time; and hears of it when Redis is back."""
    visitor = Visitor.arrive(chromium, hasty_server.url, dora)
    page = visitor.page
    visitor.go(DASHBOARD)
    redis_server.pause()
    for _ in range(3):
        visitor.go(DASHBOARD)
        assert page.evaluate(LOADED_MS) < 1000
    expect(page).to_have_title(re.compile("^Down: "))
    expect(page.get_by_role("main")).to_contain_text("Redis can't be used")
    expect(page.get_by_role("main")).to_contain_text("These metrics are partial")
    redis_server.resume()
    expect(page.get_by_role("status")).to_contain_text("The status is healthy now.")
    expect(page).to_have_title(re.compile("^Healthy: "))
    page.context.close()
