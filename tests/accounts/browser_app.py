"""A client that keeps its refresh token in the cookie."""

import json
from http.cookies import Morsel
from typing import Any

from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens.claims import read_refresh_token
from accounts.tokens.refresh_cookies import NAME, SECURE_PREFIX
from tests.cast import PASSWORD

COOKIE = SECURE_PREFIX + NAME
ASKED: dict[str, Any] = {"HTTP_X_REFRESH_COOKIE": "1"}


def log_in(client: APIClient, user: User, **headers: Any) -> Any:
    body = {"email": user.email, "password": PASSWORD}
    return client.post("/auth/login", body, **ASKED | headers)


def token_in(response: Any) -> str:
    """Return the refresh token, which must be in the cookie and nowhere else."""
    morsel: Morsel[str] = response.cookies[COOKIE]
    assert "refresh_token" not in response.json()
    assert morsel.value not in response.content.decode()
    assert morsel.value not in json.dumps(dict(response.headers))
    assert response.json()["access_token"]
    read_refresh_token(morsel.value)
    return morsel.value
