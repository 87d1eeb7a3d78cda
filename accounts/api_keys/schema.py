"""The operations on API keys, and how the schema names the header."""

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from accounts.api_keys.serializers import (
    KeyListSerializer,
    KeyRequestSerializer,
    NewKeySerializer,
)
from accounts.schema.examples import CREATED_AT, PASSWORD
from accounts.schema.operations import (
    Answer,
    Body,
    Parameters,
    no_content,
    operation,
    path_parameter,
)
from accounts.schema.refusals import (
    NO_SUCH_KEY,
    PROVEN,
    WRONG_PASSWORD,
)

TAG: Final = "API keys"
KEY: Final[dict[str, Any]] = {
    "id": "5d0c7a9e31f24b68",
    "name": "Payroll export",
    "scope": "read",
    "created_at": CREATED_AT,
    "expires_at": "2026-05-31T10:30:00.123456-04:00",
    "last_used_at": None,
}
# The secret's bits are all zero.
NEW_KEY: Final = {"key": f"hmb_{KEY['id']}_{'A' * 43}", **KEY}
KEY_ID: Final = path_parameter("key_id", "The key's id.", KEY["id"], {"type": "string"})


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its registry is untyped
    """The key in the header Authorization."""

    target_class = "accounts.api_keys.authentication.ApiKeyAuthentication"
    name = "apiKeyAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Describe where such keys come from."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Api-Key ` and a key of `POST /auth/api-keys`.",
        }


CREATE_KEY: Final = operation(
    "create_api_key",
    TAG,
    "Make an API key",
    "Make a key with which a program signs in as oneself, by `Authorization: Api-Key …`. The "
    "answer shows it once. A new password and a log-out everywhere end every key, and a message "
    "tells of each new one. A key can't make keys, nor manage the account. A code of the second "
    "factor is needed where there is one.",
    PROVEN,
    body=Body(
        KeyRequestSerializer,
        {"name": KEY["name"], "scope": "read", "expires_in_days": 90, "password": PASSWORD},
        WRONG_PASSWORD,
    ),
    answer=Answer("The key.", NewKeySerializer, NEW_KEY, status_code=201),
)

LIST_KEYS: Final = operation(
    "list_api_keys",
    TAG,
    "List one's API keys",
    "Return one's own keys that are good, the last made first, without their secrets.",
    answer=Answer("The keys.", KeyListSerializer, {"results": [KEY]}),
)

REVOKE_KEY: Final = operation(
    "revoke_api_key",
    TAG,
    "Revoke an API key",
    "End one of one's own keys. It dies at once, at every server.",
    NO_SUCH_KEY,
    parameters=Parameters([KEY_ID]),
    answer=no_content("The key is revoked."),
)
