"""Access to health and metrics: by token, by network, as staff; closed by default."""

from typing import Any, Final

import pytest
from django.test import Client
from pytest_django import Settings

from tests.cast import token_of
from tests.usercache.conftest import MakeUser
from tests.usercache.observability.dashboard.conftest import browser_of, grant

TOKEN: Final = "guava" * 8
BOTH: Final = ("/health/cache", "/metrics")

pytestmark = pytest.mark.django_db


def ask(path: str, *, address: str = "198.51.100.7", **headers: str) -> tuple[int, Any]:
    response = Client(REMOTE_ADDR=address).get(path, headers=headers)
    is_json = response.headers["Content-Type"] == "application/json"
    return response.status_code, response.json() if is_json else None


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_closed_by_default() -> None:
    """Both are closed, to an empty token too, and say what opens them."""
    status, body = ask("/metrics", address="127.0.0.1")
    assert (status, body["code"]) == (403, "permission_denied")
    assert "USERCACHE_METRICS_TOKEN" in body["detail"]
    assert ask("/metrics", **bearer(""))[0] == 403
    status, body = ask("/health/cache", address="127.0.0.1")
    assert (status, body["code"]) == (401, "not_authenticated")
    assert ask("/health/cache", **bearer(""))[0] == 401


@pytest.mark.parametrize("path", BOTH)
def test_token_opens_both(settings: Settings, path: str) -> None:
    """The whole token and nothing else, however Bearer is cased."""
    settings.USERCACHE_METRICS_TOKEN = TOKEN
    assert ask(path, **bearer(TOKEN))[0] == 200
    assert ask(path, authorization=f"bearer {TOKEN}")[0] == 200
    for wrong in (f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", TOKEN, f"Basic {TOKEN}", "Bearer é"):
        assert ask(path, authorization=wrong)[0] == 401


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("10.1.2.3", {}, 200),
        ("::ffff:10.1.2.3", {}, 200),
        ("fd00::7", {}, 200),
        ("192.0.2.1", {}, 403),
        ("", {}, 403),
        ("10.1.2.3", {"x-forwarded-for": "10.1.2.3"}, 403),
        ("10.1.2.3", {"forwarded": "for=10.1.2.3"}, 403),
        ("192.0.2.1", {"x-forwarded-for": "10.1.2.3"}, 403),
    ],
)
def test_networks_open_the_metrics(
    settings: Settings, address: str, headers: dict[str, str], status: int
) -> None:
    """For requests straight from there; what a proxy passes on may come from anywhere."""
    settings.USERCACHE_METRICS_NETWORKS = ("10.0.0.0/8", "fd00::/8")
    assert ask("/metrics", address=address, **headers)[0] == status
    assert ask("/health/cache", address=address, **headers)[0] == 401


def test_staff_may_read_the_health(make_user: MakeUser) -> None:
    """With leave to see the dashboard, by session or by access token; and others may not."""
    eve, alice = make_user("eve", is_admin=True), make_user("alice")
    assert browser_of(eve).get("/health/cache").status_code == 403
    grant(eve, "view_dashboard")
    assert browser_of(eve).get("/health/cache").json()["status"] == "healthy"
    assert ask("/health/cache", **bearer(token_of(eve)))[0] == 200
    assert browser_of(alice).get("/health/cache").status_code == 403
    assert ask("/health/cache", **bearer(token_of(alice)))[1]["code"] == "permission_denied"
    assert ask("/health/cache", **bearer("x.y.z"))[0] == 401
    eve.is_active = False
    eve.save()
    assert ask("/health/cache", **bearer(token_of(eve)))[0] == 401


def test_health_is_the_snapshot(make_user: MakeUser) -> None:
    """Status, backend and latency at the top, and all the rest; of any window that is kept."""
    as_dora = browser_of(make_user("dora", is_admin=True, is_superuser=True))
    body = as_dora.get("/health/cache", {"window": "15m"}).json()
    assert list(body) == ["status", "backend", "latency_ms", "stats"]
    assert body["status"] == body["stats"]["status"] == "healthy"
    assert body["stats"]["window_seconds"] == 900
    refused = as_dora.get("/health/cache", {"window": "3d"})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_window")
    assert "60 s to 2 d" in refused.json()["detail"]


@pytest.mark.parametrize("path", BOTH)
def test_they_only_read(path: str) -> None:
    """Other methods are refused with the allowed ones, in JSON, logged in or not; never stored."""
    response = Client(enforce_csrf_checks=True).post(path)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
    assert response.json()["code"] == "method_not_allowed"
    assert "no-store" in response.headers["Cache-Control"]
