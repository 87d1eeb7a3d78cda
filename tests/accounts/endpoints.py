"""Every endpoint of the API, for claims that hold for all of them."""

from dataclasses import dataclass, field
from typing import Any

from tests.accounts.second_factor.security_key import SecurityKey
from tests.cast import NEW_PASSWORD, PASSWORD


@dataclass(frozen=True)
class Endpoint:
    """One row of the API, with a body that it accepts."""

    method: str
    path: str
    body: dict[str, Any] | None = None
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
    "password": PASSWORD,
}
PASSWORDS = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
EMAIL = {"email": "alice@example.com"}
NEW_EMAIL = {"new_email": "alicia@example.com", "password": PASSWORD}
RESET = {"token": "x", "new_password": NEW_PASSWORD}
SESSION_ID = "8a6e0804-2bd0-4672-b79d-d97027f9071a"
TOKEN = {"refresh_token": "x.y.z"}
KEY_ID = "5d0c7a9e31f24b68"
KEY = {"name": "x", "scope": "read", "password": PASSWORD}
CHALLENGE = {"challenge": "x:y:z"}
CODE = {"code": "123456"}
SECRET = {"password": PASSWORD}
PROOF = SECRET | CODE
KEY_OF_SOFTWARE = SecurityKey()
OPTIONS = {"challenge": "AAAA"}
NEW_PASSKEY = {"name": "x", "state": "x:y:z", "credential": KEY_OF_SOFTWARE.make(OPTIONS)}
SHOWN = CHALLENGE | {"credential": KEY_OF_SOFTWARE.show(OPTIONS)}

PROVIDER = {"provider": "google", "redirect_uri": "https://www.example.com/signed-in"}
FLOW = {"flow": "x:y:z", "state": "x", "code": "x"}

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
    Endpoint("POST", "/auth/cookie/refresh", is_open=True),
    Endpoint("POST", "/auth/cookie/logout", is_open=True),
    Endpoint("GET", "/auth/sessions"),
    Endpoint("DELETE", "/auth/sessions"),
    Endpoint("DELETE", f"/auth/sessions/{SESSION_ID}"),
    Endpoint("GET", "/auth/verify"),
    Endpoint("GET", "/auth/profile"),
    Endpoint("PUT", "/auth/profile", PROFILE),
    Endpoint("PATCH", "/auth/profile", PROFILE),
    Endpoint("POST", "/auth/upload-avatar"),
    Endpoint("POST", "/auth/change-password", PASSWORDS, frozenset({"new_password"})),
    Endpoint("POST", "/auth/reset-password", EMAIL, frozenset(EMAIL), is_open=True),
    Endpoint("POST", "/auth/reset-password/confirm", RESET, frozenset(RESET), is_open=True),
    Endpoint("POST", "/auth/verify-email"),
    Endpoint("POST", "/auth/change-email", NEW_EMAIL, frozenset({"new_email"})),
    Endpoint("POST", "/auth/confirm-email", {"token": "x"}, frozenset({"token"}), is_open=True),
    Endpoint("GET", "/auth/events"),
    Endpoint("GET", "/auth/api-keys"),
    Endpoint("POST", "/auth/api-keys", KEY, frozenset({"name"})),
    Endpoint("DELETE", f"/auth/api-keys/{KEY_ID}"),
    Endpoint("GET", "/auth/second-factor"),
    Endpoint("DELETE", "/auth/second-factor", PROOF),
    Endpoint("POST", "/auth/second-factor/app", SECRET),
    Endpoint("POST", "/auth/second-factor/app/confirm", CODE, frozenset(CODE)),
    Endpoint("POST", "/auth/second-factor/passkeys/options", PROOF),
    Endpoint("POST", "/auth/second-factor/passkeys", NEW_PASSKEY, frozenset(NEW_PASSKEY)),
    Endpoint("DELETE", "/auth/second-factor/passkeys/1", PROOF),
    Endpoint("POST", "/auth/second-factor/recovery-codes", PROOF),
    Endpoint(
        "POST",
        "/auth/login/second-factor",
        CHALLENGE | CODE,
        frozenset(CHALLENGE | CODE),
        is_open=True,
    ),
    Endpoint(
        "POST", "/auth/login/second-factor/app", CHALLENGE, frozenset(CHALLENGE), is_open=True
    ),
    Endpoint(
        "POST",
        "/auth/login/second-factor/passkey/options",
        CHALLENGE,
        frozenset(CHALLENGE),
        is_open=True,
    ),
    Endpoint("POST", "/auth/login/second-factor/passkey", SHOWN, frozenset(SHOWN), is_open=True),
    Endpoint("POST", "/auth/login/passkey/options", is_open=True),
    Endpoint("POST", "/auth/login/passkey", SHOWN, frozenset(SHOWN), is_open=True),
    Endpoint("POST", "/auth/export", {"password": PASSWORD}),
    Endpoint("GET", "/auth/openid-connect", is_open=True),
    Endpoint("POST", "/auth/openid-connect/login", PROVIDER, frozenset({"provider"}), is_open=True),
    Endpoint(
        "POST",
        "/auth/openid-connect/login/complete",
        FLOW | {"first_name": "A", "last_name": "B"},
        frozenset(FLOW),
        is_open=True,
    ),
    Endpoint("GET", "/auth/identities"),
    Endpoint("POST", "/auth/identities", PROVIDER | SECRET, frozenset({"provider"})),
    Endpoint("POST", "/auth/identities/complete", FLOW, frozenset(FLOW)),
    Endpoint("DELETE", "/auth/identities/1", SECRET),
    Endpoint("DELETE", "/auth/account", {"password": PASSWORD}),
    Endpoint("POST", "/auth/reopen-account", EMAIL, frozenset(EMAIL), is_open=True),
    Endpoint(
        "POST", "/auth/reopen-account/confirm", {"token": "x"}, frozenset({"token"}), is_open=True
    ),
    Endpoint("GET", "/users"),
    Endpoint("GET", "/users/1"),
    Endpoint("GET", "/users/lookup"),
)
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body]
GUARDED = [endpoint for endpoint in ENDPOINTS if not endpoint.is_open]
