"""A page of ours in a browser: it begins, sends its user to the provider, and completes."""

from dataclasses import dataclass, field
from typing import Any

from rest_framework.test import APIClient

from accounts.models import User
from tests.accounts.openid_connect.provider import Provider, person
from tests.cast import PASSWORD, client_of

LOGIN = "/auth/openid-connect/login"
LINK = "/auth/identities"
COMPLETE = "complete"


@dataclass
class Browser:
    """The page's client, and the provider whose user it is."""

    client: APIClient
    provider: Provider
    path: str = LOGIN
    user: dict[str, Any] = field(default_factory=lambda: person("ada"))

    def begin(self, **body: Any) -> dict[str, Any]:
        """Return what the flow begins with."""
        response = self.client.post(self.path, {"provider": "conch", **body})
        assert response.status_code == 200, response.content
        begun: dict[str, Any] = response.json()
        return begun

    def go(self, begun: dict[str, Any]) -> dict[str, Any]:
        """Log in on the provider's page; return what completes the flow."""
        back = self.provider.consent(begun["authorization_url"], **self.user)
        return {"flow": begun["flow"], "state": back["state"], "code": back["code"]}

    def complete(self, body: dict[str, Any]) -> Any:
        """Return the answer to the last step."""
        return self.client.post(f"{self.path}/{COMPLETE}", body)

    def sign_in(self, **body: Any) -> Any:
        """Do all three."""
        return self.complete(self.go(self.begin(**body)))


def linking(user: User, provider: Provider, **claims: Any) -> Browser:
    """Return the browser of a user who is logged in."""
    return Browser(client_of(user), provider, LINK, person(user.username or "", **claims))


def link(user: User, provider: Provider, **claims: Any) -> Any:
    """Link the user's account; return the answer."""
    User.objects.filter(pk=user.pk).update(is_email_verified=True)
    return linking(user, provider, **claims).sign_in(password=PASSWORD)


def code_of(response: Any) -> tuple[int, str]:
    """Return the status and the code."""
    return response.status_code, response.json().get("code", "")
