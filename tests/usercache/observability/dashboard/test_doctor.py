"""The doctor's findings on the admin site: made when somebody asks for them, and not before."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from tests.usercache.observability.dashboard.conftest import browser_of, grant
from tests.users import User
from usercache.management import doctor
from usercache.management.findings import Finding, error, good, warning

pytestmark = pytest.mark.django_db

DASHBOARD = reverse("admin:usercache_observability_dashboard_changelist")
DOCTOR = reverse("admin:usercache_observability_dashboard_doctor")


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the doctor find one thing of each level; return who was examined."""
    seen: list[str] = []

    def examine() -> Iterator[Finding]:
        for finding in (
            good("database default", "answers"),
            warning("redis <one>", "has no tracking", "Allow CLIENT TRACKING."),
            error("redis two", "is away", "Start it."),
        ):
            seen.append(finding.subject)
            yield finding

    monkeypatch.setattr(doctor, "examine", examine)
    return seen


def test_each_finding_has_its_level_and_what_to_do(admin: Client, examined: list[str]) -> None:
    """In words too, for those who see no colour; nothing in it is markup."""
    page = admin.get(DOCTOR).content.decode()
    for said in ("database default", "answers", "Allow CLIENT TRACKING.", "is away", "Start it."):
        assert said in page
    assert "redis &lt;one&gt;" in page
    for cell in ('good">ok<', 'warning">warning<', 'bad">error<'):
        assert f'class="usercache-{cell}' in page


def test_real_servers_are_examined(admin: Client) -> None:
    """Those of the settings."""
    page = admin.get(DOCTOR)
    assert page.status_code == 200
    found = [finding.subject for _, finding in page.context["findings"]]
    assert {"settings", "database default"} < set(found)


def test_dashboard_leads_there_and_waits_for_nobody(admin: Client, examined: list[str]) -> None:
    """Neither the page nor what its script asks for examines anything."""
    assert f'href="{DOCTOR}"' in admin.get(DASHBOARD).content.decode()
    admin.get(DASHBOARD, {"fragment": ""})
    assert examined == []


def test_it_needs_the_permission_to_see_the_dashboard(eve: User, examined: list[str]) -> None:
    """Without it nothing is examined."""
    assert browser_of(eve).get(DOCTOR).status_code == 403
    assert examined == []
    grant(eve, "view_dashboard")
    assert browser_of(eve).get(DOCTOR).status_code == 200
    assert len(examined) == 3


def test_it_only_reads(admin: Client, examined: list[str]) -> None:
    """Any other method is refused."""
    assert admin.post(DOCTOR).status_code == 405
    assert examined == []
