"""What `manage.py check` says of the setting, and what the environment makes of it."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from accounts.openid_connect.checks import HINTS, check_providers
from hiremebahamas.openid_providers import read_openid_providers
from tests.accounts.openid_connect.provider import describe_to_us
from tests.accounts.openid_connect.test_apple import PEM, SIGNED

ISSUER = "https://conch.example.com"

BAD: dict[str, list[dict[str, Any]]] = {
    "title": [{"title": " "}, {"title": "x" * 51}, {"title": "a\u202eb"}],
    "issuer": [
        *({"issuer": url} for url in ("", "http://conch.example.com", "https://", "conch")),
        {"issuer": "https://conch.example.com?tenant=1"},
        {"issuer": f"https://conch.example.com/{'x' * 255}"},
    ],
    "client_id": [{"client_id": ""}],
    "client_secret": [
        {"client_secret": ""},
        {"private_key": PEM},
        SIGNED | {"key_id": ""},
        SIGNED | {"private_key": "x"},
    ],
    "scopes": [{"scopes": ("email",)}, {"scopes": ("openid",)}],
    "redirect_uris": [
        {"redirect_uris": ()},
        {"redirect_uris": ("https://example.com", "http://example.com")},
        {"redirect_uris": ("https://example.com/#x",)},
    ],
    "response_mode": [{"response_mode": "fragment"}, {"response_mode": "form_post"}],
}
CASES = [(part, changes) for part, listed in BAD.items() for changes in listed]


@pytest.mark.parametrize(("part", "changes"), CASES)
def test_bad_part_is_named(settings: Settings, part: str, changes: dict[str, Any]) -> None:
    """With what to write instead; and no secret in it."""
    settings.AUTH_OPENID_LOOPBACK = False
    settings.AUTH_OPENID_PROVIDERS = describe_to_us(**{"issuer": ISSUER, **changes})
    [message] = check_providers()
    assert (message.id, message.hint) == ("openid_connect.E001", HINTS[part])
    assert "conch-salad" not in str(message)


def test_good_ones(settings: Settings) -> None:
    """None at all, a secret, and a key."""
    for providers in (
        {},
        describe_to_us(ISSUER),
        describe_to_us(ISSUER, **SIGNED),
        describe_to_us(ISSUER, response_mode="form_post", return_url="https://example.com/x"),
    ):
        settings.AUTH_OPENID_PROVIDERS = providers
        assert check_providers() == []


@pytest.mark.parametrize("providers", [[], {"x": {}}, {"x": {"colour": "red"}}, {"x": 1}], ids=str)
def test_other_shapes(settings: Settings, providers: Any) -> None:
    """Are named as well; an empty list is none."""
    settings.AUTH_OPENID_PROVIDERS = providers
    assert [message.id for message in check_providers()] == ["openid_connect.E001"]


def test_names_and_issuers(settings: Settings) -> None:
    """A name is a word of a path, and an issuer one provider's alone: it names identities."""
    [entry] = describe_to_us(ISSUER).values()
    settings.AUTH_OPENID_PROVIDERS = {"Conch/": entry, "b": entry}
    assert [message.hint for message in check_providers()] == [HINTS["name"], HINTS["issuer"]]


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Google and Apple need what is one's own; others a title and an issuer as well."""
    assert read_openid_providers() == {}
    monkeypatch.setenv("OPENID_PROVIDERS", "google, apple")
    with pytest.raises(ImproperlyConfigured, match="OPENID_GOOGLE_CLIENT_ID, OPENID_GOOGLE_REDIR"):
        read_openid_providers()
    for name in ("GOOGLE", "APPLE"):
        monkeypatch.setenv(f"OPENID_{name}_CLIENT_ID", "us")
        monkeypatch.setenv(f"OPENID_{name}_REDIRECT_URIS", "https://a.example, https://b.example")
    monkeypatch.setenv("OPENID_APPLE_PRIVATE_KEY", PEM.replace("\n", "\\n"))
    providers = read_openid_providers()
    assert providers["google"] == {
        "title": "Google",
        "issuer": "https://accounts.google.com",
        "client_id": "us",
        "redirect_uris": ("https://a.example", "https://b.example"),
    }
    assert providers["apple"]["private_key"] == PEM
    monkeypatch.setenv("OPENID_PROVIDERS", "conch")
    with pytest.raises(ImproperlyConfigured, match="OPENID_CONCH_TITLE, OPENID_CONCH_ISSUER"):
        read_openid_providers()
