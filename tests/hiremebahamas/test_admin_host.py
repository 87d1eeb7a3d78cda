"""The admin site on a host of its own."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from hiremebahamas.environment import read_admin_host

OWN = "admin.example.com"
OTHERS = "www.example.com"


@pytest.fixture
def client(settings: Settings) -> Client:
    """Come to a server whose admin site has one."""
    settings.ADMIN_HOST, settings.ALLOWED_HOSTS = OWN, [OWN, OTHERS]
    return Client()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status"),
    [("/admin/login/", 200), ("/auth/verify", 401), ("/api/docs", 200), ("/", 200)],
)
def test_each_has_its_host(client: Client, path: str, status: int) -> None:
    """Whatever the port; what isn't there is a 404 as for any unknown path."""
    is_admin = path.startswith("/admin/")
    for host in (OWN, OTHERS, f"{OWN}:8443"):
        is_there = is_admin == host.startswith(OWN)
        response = client.get(path, headers={"host": host})
        assert response.status_code == (status if is_there else 404)
        if not is_there:
            assert response.json()["code"] == "not_found"


def test_probes_and_files_are_on_both(client: Client) -> None:
    """They tell nothing of anybody's, and the admin site needs its scripts."""
    for host in (OWN, OTHERS):
        assert client.get("/health/live", headers={"host": host}).status_code == 200


def test_host_must_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or nobody would get at the admin site, and nobody would know why."""
    monkeypatch.delenv("ADMIN_HOST", raising=False)
    assert read_admin_host([]) == ""
    monkeypatch.setenv("ADMIN_HOST", OWN)
    assert read_admin_host([".example.com"]) == OWN
    with pytest.raises(ImproperlyConfigured, match="which ALLOWED_HOSTS doesn't have"):
        read_admin_host([OTHERS])
