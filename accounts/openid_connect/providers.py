"""The providers that AUTH_OPENID_PROVIDERS lists."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

QUERY: Final = "query"
FORM_POST: Final = "form_post"
LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}
NAME: Final = re.compile(r"[a-z][a-z0-9]{0,29}")


@dataclass(frozen=True, kw_only=True, repr=False)
class Provider:
    """One entry of the setting, and its name."""

    name: str
    title: str
    issuer: str
    client_id: str
    # Where the provider sends the user's browser back; the first unless a client names another.
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    client_secret: str = ""
    # Instead of a secret, for Apple: what one is signed with; see client_secrets.py.
    team_id: str = ""
    key_id: str = ""
    private_key: str = ""
    response_mode: str = QUERY
    # With `form_post`: the page that is given what the provider has posted to us.
    return_url: str = ""

    def __repr__(self) -> str:
        """Name it, without its secrets."""
        return f"<provider {self.name}>"


def list_providers() -> list[Provider]:
    """Return the providers, in the setting's order."""
    return [Provider(name=name, **entry) for name, entry in settings.AUTH_OPENID_PROVIDERS.items()]


def find_provider(name: str) -> Provider | None:
    """Return the provider of this name."""
    return next((provider for provider in list_providers() if provider.name == name), None)


def is_safe_url(url: object) -> bool:
    """Return whether it is HTTPS or, where AUTH_OPENID_LOOPBACK allows it, HTTP on loopback."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or "#" in url or "\\" in url:
        return False
    is_loopback = parts.scheme == "http" and host in LOOPBACK and settings.AUTH_OPENID_LOOPBACK
    return parts.scheme == "https" or is_loopback
