"""A program with an API key."""

from typing import Any, NamedTuple

from rest_framework.test import APIClient

from accounts.api_keys.services import create_key
from accounts.models import User
from tests.cast import PROOF


class Program(NamedTuple):
    """Its key, and the id in it."""

    key: str
    key_id: str

    @property
    def client(self) -> APIClient:
        """Return an HTTP client with the key."""
        return having(self.key)

    def verify(self) -> tuple[int, str | None]:
        """Return the status of a request, and the code of a refusal."""
        return ask(f"Api-Key {self.key}")


def make_program(user: User, scope: str = "read", days: int = 30) -> Program:
    """Return one that signs in as the user."""
    row, key = create_key(
        user_id=user.pk, proof=PROOF, name="Payroll", scope=scope, expires_in_days=days
    )
    return Program(key, row.pk)


def having(key: str) -> APIClient:
    """Return an HTTP client with a key."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Api-Key {key}")
    return client


def ask(header: str) -> tuple[int, str | None]:
    """Return the status of a request with this header, and the code of a refusal."""
    response: Any = APIClient().get("/auth/verify", HTTP_AUTHORIZATION=header)
    return response.status_code, response.json().get("code")
