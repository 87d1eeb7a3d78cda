"""The API's pages and the one at the root, in a browser: what they load, and from where."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visitor import Visitor
from tests.e2e.production_server import ProductionServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "HireMeBahamas"),
        ("/api/docs", "Getting tokens, renewing them, giving them up."),
        ("/api/redoc", "Getting tokens, renewing them, giving them up."),
    ],
)
def test_a_page_asks_nobody_else_for_anything(
    chromium: Browser, web_server: ProductionServer, path: str, shown: str
) -> None:
    """Not even in vain: the policy would refuse it, and the console would say so."""
    context = chromium.new_context()
    visitor = Visitor(context.new_page(), web_server.url)
    asked = list[str]()
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.on("console", visitor.hear)
    visitor.go(path)
    expect(visitor.page.get_by_text(shown).first).to_be_visible()
    visitor.page.wait_for_load_state("networkidle")
    assert asked
    assert [
        url for url in asked if not url.startswith((f"{web_server.url}/", "data:", "blob:"))
    ] == []
    assert visitor.complaints == []
    context.close()
