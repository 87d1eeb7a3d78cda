"""The admin site's log-in with a second factor, in a browser."""

import pyotp
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from accounts.models import User
from accounts.second_factor.services import begin_set_up, confirm_set_up
from tests.browser.conftest import Arrive
from tests.browser.visitor import PHONE
from tests.cast import PASSWORD, PROOF
from tests.e2e.production_server import ProductionServer

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_page_keeps_nobody_out(
    web_server: ProductionServer, chromium: Browser, color_scheme: str
) -> None:
    """Nothing is wrong with it by axe's rules, and a phone cuts nothing off."""
    context = chromium.new_context(viewport=PHONE, color_scheme=color_scheme)  # type: ignore[arg-type]  # one of its literals
    page = context.new_page()
    page.goto(f"{web_server.url}/admin/login/")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.body.scrollWidth") <= PHONE["width"]
    context.close()


def test_code_is_asked_for_and_lets_in(arrive: Arrive, dora: User) -> None:
    """Without one the page says what is missing; with a recovery code she is in."""
    secret = begin_set_up(user_id=dora.pk, proof=PROOF).secret
    codes = confirm_set_up(user_id=dora.pk, code=pyotp.TOTP(secret).now())
    visitor = arrive(dora)  # types email and password
    expect(visitor.page.get_by_text("Enter a code of your authenticator app")).to_be_visible()
    visitor.page.get_by_label("Password:").fill(PASSWORD)
    visitor.page.get_by_label("Code:").fill(codes[0])
    visitor.page.get_by_role("button", name="Log in").click()
    expect(visitor.page.get_by_text("Site administration")).to_be_visible()
    assert visitor.complaints == []
