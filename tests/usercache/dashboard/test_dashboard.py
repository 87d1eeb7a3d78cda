"""The dashboard: who sees it, and that it shows what every other face shows."""

import re
from html import unescape

import pytest
from django.contrib.admin import AdminSite
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from accounts.models import User
from tests.usercache.dashboard.conftest import browser_of, grant
from usercache.admin import DashboardAdmin
from usercache.models import Dashboard
from usercache.process import get_store
from usercache.report import take_snapshot
from usercache.users import get_user_by_id, invalidate_user

pytestmark = pytest.mark.django_db
TRANSACTIONS = pytest.mark.django_db(transaction=True)

INDEX = reverse("admin:index")
DASHBOARD = reverse("admin:usercache_dashboard_changelist")


def read(client: Client, path: str = DASHBOARD) -> str:
    return client.get(path).content.decode()


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_staff_find_it_in_the_index_and_need_its_permission(eve: User, alice: User) -> None:
    """Being let in to the admin site is not enough; having leave to see it is."""
    as_eve = browser_of(eve)
    assert DASHBOARD not in read(as_eve, INDEX)
    assert as_eve.get(DASHBOARD).status_code == 403
    grant(eve, "view_dashboard")
    assert DASHBOARD in read(as_eve, INDEX)
    page = read(as_eve)
    assert "User cache" in page
    assert "Clear this user" not in page
    for stranger in (Client(), browser_of(alice)):
        assert stranger.get(DASHBOARD).status_code == 302


@TRANSACTIONS
def test_it_shows_what_was_counted(admin: Client, alice: User) -> None:
    """Look-ups, hits, misses, their bars, the users with most hits, linked to their pages."""
    for _ in range(4):
        get_user_by_id(alice.pk)
    invalidate_user(alice.pk)
    html = read(admin)
    text = text_of(html)
    invalidations = take_snapshot().counts["invalidations"]
    assert "Healthy" in text
    assert "Hits 3 (75.0%)" in text
    assert "Misses 1 (25.0%)" in text
    assert f"Invalidations {invalidations}" in text
    assert "Saved 3 (75.0%)" in text
    assert 'width="75.0%"' in html
    user_page = reverse("admin:accounts_user_change", args=[alice.pk])
    assert re.search(rf'<a href="{user_page}">user:id:{alice.pk}</a>', html)
    assert "Hit rate: 75.0% at last" in text or "nothing to show yet" in text


def test_nothing_counted_yet_is_said(admin: Client) -> None:
    """Rather than shown as noughts alone."""
    assert "Nothing was counted in this time" in text_of(read(admin))


@pytest.mark.redis
def test_redis_down_and_partial_figures_are_said(admin: Client, alice: User) -> None:
    """In words, beside the figures that this process still has."""
    get_user_by_id(alice.pk)
    shared = get_store().shared
    assert shared is not None
    shared.breaker.failed(at_once=True)
    text = text_of(read(admin))
    assert "Down" in text
    assert "Redis can't be used" in text
    assert "These figures are partial" in text
    assert "Misses 1 (100%)" in text


def test_without_redis_it_is_said_whose_figures_they_are(admin: Client, settings: Settings) -> None:
    """A single process is healthy, and speaks for itself."""
    settings.USERCACHE_SHARED_ALIAS = ""
    text = text_of(read(admin))
    assert "There is no Redis, so these are the figures of the process" in text


def test_fragment_is_the_figures_alone(admin: Client) -> None:
    """What the page's script puts into it: the same, and nobody stores it."""
    response = admin.get(DASHBOARD, {"fragment": "1", "window": "15m"})
    html = response.content.decode()
    assert html.startswith('<div data-status="')
    assert "<html" not in html
    assert "Last 15 min" in html
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("10s", "'10s' is out of range: 60s to 2d are kept."),
        ("3d", "60s to 2d are kept."),
        ("<b>", "'<b>' is no span of time"),
    ],
)
def test_bad_window(admin: Client, window: str, said: str) -> None:
    """It says what would be right, and shows the last hour."""
    response = admin.get(DASHBOARD, {"window": window})
    assert response.status_code == 400
    text = text_of(response.content.decode())
    assert said in text
    assert "Last hour" in text
    assert "<b>" not in response.content.decode()


def test_nothing_on_the_pages_is_inline(admin: Client, alice: User) -> None:
    """No script, style or handler that a strict Content-Security-Policy would refuse."""
    get_user_by_id(alice.pk)
    for path in ("", f"clear/?user=id:{alice.pk}", "clear-all/"):
        html = read(admin, DASHBOARD + path)
        assert not re.search(r"""<style|\bstyle=|\son\w+=["']|javascript:""", html)
        assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", html))


def test_it_only_reads(admin: Client) -> None:
    """A POST to it is refused."""
    assert admin.post(DASHBOARD).status_code == 405


def test_any_admin_site_can_have_it(dora: User) -> None:
    """By one line; the URLs are then that site's."""
    site = AdminSite("office")
    site.register(Dashboard, DashboardAdmin)
    names = [str(pattern.name) for pattern in site._registry[Dashboard].get_urls()]
    assert names == [f"usercache_dashboard_{n}" for n in ("changelist", "clear", "clear_all")]
    request = RequestFactory().get("/")
    request.user = dora
    assert site._registry[Dashboard].has_view_permission(request)
