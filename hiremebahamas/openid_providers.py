"""Providers from the environment: OPENID_PROVIDERS names them, OPENID_<NAME>_… describes each."""

import os
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

WELL_KNOWN: Final[dict[str, dict[str, Any]]] = {
    "google": {"title": "Google", "issuer": "https://accounts.google.com"},
    "apple": {
        "title": "Apple",
        "issuer": "https://appleid.apple.com",
        "scopes": ("openid", "email", "name"),
        "response_mode": "form_post",
    },
}
"""What their documentation says, and needs not be written again."""
TEXTS: Final = (
    *("title", "issuer", "client_id", "client_secret", "team_id", "key_id"),
    *("response_mode", "return_url"),
)
LISTS: Final = ("scopes", "redirect_uris")
REQUIRED: Final = ("title", "issuer", "client_id", "redirect_uris")


def read_openid_providers() -> dict[str, dict[str, Any]]:
    """Return AUTH_OPENID_PROVIDERS; `manage.py check` looks at its values.

    Raises: ImproperlyConfigured if something is missing, by the variable's name.
    """
    names = os.environ.get("OPENID_PROVIDERS", "").replace(",", " ").split()
    return {name: _read_provider(name) for name in names}


def _read_provider(name: str) -> dict[str, Any]:
    # Not through env(), as in read_secrets().
    prefix = f"OPENID_{name.upper()}_"
    values = {text: os.environ.get(prefix + text.upper(), "") for text in TEXTS}
    values["private_key"] = os.environ.get(prefix + "PRIVATE_KEY", "").replace("\\n", "\n")
    lists = {
        listed: tuple(os.environ.get(prefix + listed.upper(), "").replace(",", " ").split())
        for listed in LISTS
    }
    found = {key: value for key, value in {**values, **lists}.items() if value}
    provider = WELL_KNOWN.get(name, {}) | found
    missing = [prefix + key.upper() for key in REQUIRED if key not in provider]
    if missing:
        raise ImproperlyConfigured(
            f"OPENID_PROVIDERS names {name!r}. Set {', '.join(missing)}, too."
        )
    return provider
