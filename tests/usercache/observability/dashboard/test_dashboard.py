"""The dashboard: permissions, and the same metrics as everywhere."""

import re
from html import unescape

import pytest
from django.contrib.admin import AdminSite
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from tests.steering import keep_redis_away
from tests.usercache.observability.dashboard.conftest import browser_of, grant
from tests.users import User
from usercache.observability.admin import DashboardAdmin, name_users
from usercache.observability.models import Dashboard
from usercache.observability.snapshot import take_snapshot
from usercache.users import get_user_by_id, invalidate_user

pytestmark = pytest.mark.django_db
TRANSACTIONS = pytest.mark.django_db(transaction=True)

INDEX = reverse("admin:index")
DASHBOARD = reverse("admin:usercache_observability_dashboard_changelist")
CHARTS = 3


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


@pytest.fixture
def unsettled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a minute as soon as it has begun."""
    monkeypatch.setattr("usercache.observability.charts.SETTLING_SECONDS", 0.0)


@pytest.mark.usefixtures("unsettled")
def test_moments_have_their_time_zone(admin: Client, alice: User, settings: Settings) -> None:
    """The time of day, the charts and the table of minutes say how far from UTC they are."""
    settings.TIME_ZONE = "Asia/Kolkata"
    get_user_by_id(alice.pk)
    text = text_of(read(admin))
    assert re.search(r"As of \d\d:\d\d:\d\d UTC\+05:30 ", text)
    assert len(re.findall(r" \d\d:\d\d UTC\+05:30 ", text)) == CHARTS
    assert "From (UTC+05:30)" in text


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
    assert f'<a href="{user_page}">{alice.get_full_name()}</a>' in html


@TRANSACTIONS
def test_what_matters_most_comes_first(admin: Client, alice: User, settings: Settings) -> None:
    """The first tiles are the hit rate, p99 and consistency, with what they rest on."""
    settings.USERCACHE_AUDIT_SHARE = 0.1
    for _ in range(4):
        get_user_by_id(alice.pk)
    html = read(admin)
    tiles = text_of(html[html.index("<dl") : html.index("</dl>")])
    figure = r"[\d.]+ (?:µs|ms|s)"
    assert re.match(
        rf"Hit rate 75\.0% 4 look-ups, \S+/s p99 {figure} p50 {figure} "
        r"Consistency - 0 of 300 comparisons",
        tiles,
    )


def test_zeros_are_folded_and_nothing_empty_is_drawn(admin: Client) -> None:
    """Before the first look-up there is one sentence in place of charts and tables of nothing."""
    html = read(admin)
    text = text_of(html)
    assert "Nothing was counted in this time" in text
    assert re.search(r"\d+ metrics are zero Look-ups, Hits, Misses, No such user, Inval", text)
    assert "<figure" not in html
    assert "Response time" not in text
    assert not re.search(r"<td[^>]*>(0|-)</td>", html)
    # There is always a section, so that an empty one would be seen here.
    assert "<tbody>" in html
    assert not re.search(r"<tbody>\s*</tbody>", html)


@pytest.mark.usefixtures("unsettled")
def test_minutes_without_look_ups_are_no_rows(admin: Client, alice: User) -> None:
    """The table beside the charts lists what there is."""
    get_user_by_id(alice.pk)
    html = read(admin)
    assert "Users with the most hits" not in html  # it was a miss
    table = html[html.index("The charts as a table") :]
    assert table[: table.index("</table>")].count('<th scope="row">') == 1


@TRANSACTIONS
def test_names_are_for_those_who_may_see_users(eve: User, alice: User) -> None:
    """Others see whose key it is, and no link."""
    get_user_by_id(alice.pk)
    get_user_by_id(alice.pk)
    as_eve = browser_of(eve)
    grant(eve, "view_dashboard")
    html = read(as_eve)
    assert f"1. user:id:{alice.pk}" in html
    assert alice.get_full_name() not in html
    grant(eve, "view_dashboard", "view_user")
    assert alice.get_full_name() in read(as_eve)


def test_users_without_a_name_or_a_row(alice: User) -> None:
    """An empty name is the log-in's; users who were deleted and keys that can't be have none."""
    User.objects.filter(pk=alice.pk).update(first_name="", last_name="")
    assert name_users([str(alice.pk), "4711", "<b>"]) == {str(alice.pk): alice.email}


def test_the_admin_site_names_the_product(admin: Client) -> None:
    """In its header and in the title, after the status."""
    html = read(admin)
    assert "HireMeBahamas</a>" in html
    assert re.search(r"<title>\s*Healthy: User cache \| HireMeBahamas\s*</title>", html)
    assert "Django" not in text_of(html)


@pytest.mark.redis
def test_redis_down_and_partial_metrics_are_said(admin: Client, alice: User) -> None:
    """In words, beside the metrics that this process still has."""
    get_user_by_id(alice.pk)
    keep_redis_away()
    text = text_of(read(admin))
    assert "Down" in text
    assert "Redis can't be used" in text
    assert "These metrics are partial" in text
    assert "Misses 1 (100%)" in text


def test_without_redis_it_is_said_whose_metrics_they_are(admin: Client, settings: Settings) -> None:
    """A single process is healthy, and speaks for itself."""
    settings.USERCACHE_REDIS_ALIAS = ""
    text = text_of(read(admin))
    assert "There is no Redis, so these are the metrics of the process" in text


def test_fragment_is_the_metrics_alone(admin: Client) -> None:
    """What the page's script puts into it: the same, and never stored."""
    response = admin.get(DASHBOARD, {"fragment": "1", "window": "15m"})
    html = response.content.decode()
    assert html.startswith('<div data-status="')
    assert "<html" not in html
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("10s", "'10s' is out of range: 60 s to 2 d."),
        ("3d", "60 s to 2 d."),
        ("<b>", "'<b>' is no span of time"),
    ],
)
def test_bad_window(admin: Client, window: str, said: str) -> None:
    """It says what would be right, and shows the last hour."""
    response = admin.get(DASHBOARD, {"window": window})
    assert response.status_code == 400
    text = text_of(response.content.decode())
    assert said in text
    assert "The last hour is shown" in text
    assert "<b>" not in response.content.decode()


def test_nothing_on_the_pages_is_inline(admin: Client, alice: User) -> None:
    """No script, style or handler that a strict Content-Security-Policy would refuse."""
    get_user_by_id(alice.pk)
    for path in ("", f"clear/?user=id:{alice.pk}", "clear-all/", "doctor/"):
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
    views = ("changelist", "clear", "clear_all", "doctor")
    assert names == [f"usercache_observability_dashboard_{view}" for view in views]
    request = RequestFactory().get("/")
    request.user = dora
    assert site._registry[Dashboard].has_view_permission(request)
