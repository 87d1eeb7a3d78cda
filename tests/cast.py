"""The people in the tests: Alice, Bob and Charlie look for work, Dora is the admin."""

import uuid

from django.contrib.auth.hashers import make_password
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services.proof import Proof
from accounts.tokens.claims import AccessToken

PASSWORD = "Conch-Salad-1973"
NEW_PASSWORD = "Guava-Duff-2042"
PROOF = Proof(password=PASSWORD)


class Cast:
    """Makes users with the same password, hashed only once."""

    def __init__(self, password: str = PASSWORD) -> None:
        self.password_hash = make_password(password)

    def make(self, name: str, **fields: object) -> User:
        """Add `alice@example.com`, with the password."""
        values: dict[str, object] = {
            "email": f"{name}@example.com",
            "username": name,
            "first_name": name.title(),
            "last_name": "Rolle",
            "password": self.password_hash,
        }
        return User.objects.create(**(values | fields))


def token_of(user: User) -> str:
    """Return an access token of the user, as a login would."""
    return AccessToken.mint(
        user_id=user.pk, token_version=user.token_version, session_id=uuid.uuid4()
    )


def client_of(user: User) -> APIClient:
    """Return an HTTP client with the user's access token."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token_of(user)}")
    return client
