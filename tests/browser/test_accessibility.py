"""What axe-core finds wrong with the pages: nothing, light or dark, at a desk or on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from accounts.models import User
from tests.browser.busy_hour import make_up, own_totals
from tests.browser.conftest import Arrive
from tests.browser.visitor import DASHBOARD, PHONE, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.redis, pytest.mark.django_db(transaction=True)]

CUT_OFF = """
    [...document.querySelectorAll("#content *:not(.visually-hidden)")]
        .filter((part) => part.clientWidth > 0 && part.scrollWidth > part.clientWidth + 1)
        .map((part) => part.outerHTML)
"""
"""What is wider than the place it has; without elements inside a line, which have no width."""


@pytest.mark.parametrize("is_phone", [False, True], ids=["desk", "phone"])
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
def test_pages_keep_nobody_out(
    arrive: Arrive, dora: User, alice: User, is_dark: bool, is_phone: bool
) -> None:
    """The dashboard, the question whether to clear, the doctor; a phone cuts nothing off."""
    visitor = arrive(dora, is_dark=is_dark, is_phone=is_phone)
    make_up(own_totals(), [alice.pk, dora.pk])
    for path in ("", f"clear/?user=id:{alice.pk}", "doctor/"):
        visitor.go(DASHBOARD + path)
        found = Axe().run(visitor.page)
        assert found.violations_count == 0, found.generate_report()
        if is_phone:
            assert visitor.page.evaluate("document.body.scrollWidth") <= PHONE["width"]
            for fold in visitor.page.locator("details summary").all():
                fold.click()
            assert visitor.page.evaluate(CUT_OFF) == []
    assert visitor.complaints == []


def test_empty_pages_keep_nobody_out(visitor: Visitor) -> None:
    """The dashboard before anything was counted, the complaint, and the other question."""
    for path in ("?window=60s", "?window=soon", "clear-all/"):
        visitor.go(DASHBOARD + path)
        found = Axe().run(visitor.page)
        assert found.violations_count == 0, found.generate_report()
