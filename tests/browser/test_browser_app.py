"""A browser app of another origin, in Chromium: what it can do, and what other pages can't."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from accounts.models import LoginSession, User
from accounts.tokens.refresh_cookies import NAME, SECURE_PREFIX
from tests.cast import PASSWORD
from tests.e2e.production_server import ProductionServer
from tests.servers.server import HOST
from tests.servers.stack import PROJECT

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SCRIPT = PROJECT / "docs" / "browser_app.js"
START = """async api => {
  const { connect } = await import("/browser_app.js");
  window.session = connect(api);
}"""
LOG_IN = """async ([email, password]) => {
  const response = await session.logIn(email, password);
  return [response.status, Object.keys(await response.json()).sort()];
}"""
PROFILE = """async () => {
  const response = await session.call("/auth/profile");
  return [response.status, (await response.json()).email];
}"""
SEND = """async ([url, headers, mode]) => {
  try {
    const response = await fetch(url, { method: "POST", credentials: "include", headers, mode });
    return response.type;
  } catch (error) {
    return error.name;
  }
}"""
SUBMIT = """url => {
  const form = Object.assign(document.createElement("form"), { method: "post", action: url });
  document.body.append(form);
  form.submit();
}"""


class Pages(BaseHTTPRequestHandler):
    """An empty page and the script."""

    def do_GET(self) -> None:
        """Answer."""
        is_script = self.path == "/browser_app.js"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
        self.end_headers()
        self.wfile.write(SCRIPT.read_bytes() if is_script else b"<!doctype html><title>App</title>")

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def serve_pages() -> Iterator[int]:
    """Serve the page until the block ends; on a port, which is part of the origin."""
    with ThreadingHTTPServer((HOST, 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def app_port() -> Iterator[int]:
    """Where the app's own page is."""
    with serve_pages() as port:
        yield port


@pytest.fixture(scope="module")
def api(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory, app_port: int
) -> Iterator[str]:
    """Run the product, which names the app's origin."""
    origin = {"CORS_ALLOWED_ORIGINS": f"http://{HOST}:{app_port}"}
    with ProductionServer(tmp_path_factory.mktemp("api"), variables=origin) as server:
        yield server.url


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """Open a browser of somebody's own."""
    context = chromium.new_context()
    yield context
    context.close()


@pytest.fixture
def app(context: BrowserContext, api: str, app_port: int, alice: User) -> Page:
    """Let Alice log in to the app."""
    page = context.new_page()
    page.goto(f"http://{HOST}:{app_port}/")
    page.evaluate(START, api)
    answer = page.evaluate(LOG_IN, [alice.email, PASSWORD])
    assert answer == [200, ["access_token", "token_type", "user"]]
    return page


def test_session_outlives_the_page_and_no_script_reads_it(
    app: Page, context: BrowserContext, api: str, alice: User
) -> None:
    """A new page goes on without a log-in; after the log-out, none does."""
    [cookie] = context.cookies(f"{api}/auth/cookie/refresh")
    assert cookie["name"] == SECURE_PREFIX + NAME
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert context.cookies(f"{api}/auth/profile") == []
    assert app.evaluate("document.cookie") == ""
    assert app.evaluate(PROFILE) == [200, alice.email]
    for _ in range(2):
        app.reload()
        app.evaluate(START, api)
        assert app.evaluate(PROFILE) == [200, alice.email]  # it renews by itself
    at_once = "async () => Promise.all([session.refresh(), session.refresh()])"
    assert app.evaluate(at_once) == [True, True]
    assert app.evaluate("async () => (await session.logOut()).status") == 200
    assert context.cookies() == []
    assert app.evaluate("async () => session.refresh()") is False
    assert not LoginSession.objects.exists()


@pytest.mark.parametrize("host", [HOST, "localhost"])
def test_other_pages_make_no_use_of_it(
    app: Page, context: BrowserContext, api: str, alice: User, host: str
) -> None:
    """Neither one of the same site, with which the cookie is sent, nor one of another."""
    before = LoginSession.objects.values().get()
    stranger = context.new_page()
    with serve_pages() as port:
        for path in ("/auth/cookie/refresh", "/auth/cookie/logout"):
            stranger.goto(f"http://{host}:{port}/")
            for headers, mode, seen in (
                ({"X-Refresh-Cookie": "1"}, "cors", "TypeError"),  # refused by the preflight
                ({}, "cors", "TypeError"),
                ({}, "no-cors", "opaque"),  # sent, and refused
                ({"X-Refresh-Cookie": "1"}, "no-cors", "opaque"),  # sent without the header
            ):
                assert stranger.evaluate(SEND, [api + path, headers, mode]) == seen
            with stranger.expect_navigation():
                stranger.evaluate(SUBMIT, api + path)
            assert "refresh_header_required" in stranger.content()
    assert LoginSession.objects.values().get() == before
    app.reload()
    app.evaluate(START, api)
    assert app.evaluate(PROFILE) == [200, alice.email]
