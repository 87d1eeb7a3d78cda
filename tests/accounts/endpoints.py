"""Every endpoint of the API, for claims that hold for all of them."""

from dataclasses import dataclass, field

from tests.cast import NEW_PASSWORD, PASSWORD


@dataclass(frozen=True)
class Endpoint:
    """One row of the API, with a body that it accepts."""

    method: str
    path: str
    body: dict[str, str] | None = None
    required: frozenset[str] = field(default_factory=frozenset)
    is_open: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


REGISTRATION = {
    "email": "zoe@example.com",
    "password": PASSWORD,
    "first_name": "Zoe",
    "last_name": "Rolle",
    "username": "zoe",
    "phone": "242-555-9999",
    "location": "Nassau",
}
CREDENTIALS = {"email": "alice@example.com", "password": PASSWORD}
PROFILE = {
    "first_name": "A",
    "last_name": "B",
    "username": "alice",
    "phone": "242-555-9999",
    "bio": "x",
    "occupation": "x",
    "location": "x",
}
PASSWORDS = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
TOKEN = {"refresh_token": "x.y.z"}

ENDPOINTS = (
    Endpoint(
        "POST",
        "/auth/register",
        REGISTRATION,
        frozenset({"email", "password", "first_name", "last_name"}),
        is_open=True,
    ),
    Endpoint("POST", "/auth/login", CREDENTIALS, frozenset(CREDENTIALS), is_open=True),
    Endpoint("POST", "/auth/refresh", TOKEN, frozenset(TOKEN), is_open=True),
    Endpoint("POST", "/auth/logout", TOKEN, frozenset(TOKEN), is_open=True),
    Endpoint("GET", "/auth/verify"),
    Endpoint("GET", "/auth/profile"),
    Endpoint("PUT", "/auth/profile", PROFILE),
    Endpoint("PATCH", "/auth/profile", PROFILE),
    Endpoint("POST", "/auth/upload-avatar"),
    Endpoint("POST", "/auth/change-password", PASSWORDS, frozenset(PASSWORDS)),
    Endpoint("DELETE", "/auth/account", {"password": PASSWORD}),
    Endpoint("GET", "/users"),
    Endpoint("GET", "/users/1"),
    Endpoint("GET", "/users/lookup"),
)
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body]
GUARDED = [endpoint for endpoint in ENDPOINTS if not endpoint.is_open]
