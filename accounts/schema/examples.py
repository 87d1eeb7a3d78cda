"""The users and tokens of the examples."""

from typing import Any, Final

from accounts.serializers.responses import ContactProfileSerializer, PublicProfileSerializer

EMAIL: Final = "grace@example.com"
PASSWORD: Final = "conch-salad-at-noon"  # noqa: S105  # made up
NEW_EMAIL: Final = "grace.albury@example.com"
# Seven's, and a signature.
MAIL_TOKEN: Final = "7..d2k3lf-5f2b1c0a9e8d7c6b5a4f3e2d1c0b9a8f"  # noqa: S105  # made up
# Seven's and a digest, the time, and a signature.
CHALLENGE: Final = "Wzcs4oCmXQ:1w9aRt:c2lnbmF0dXJl"
NEW_PASSWORD: Final = "guava-duff-at-dusk"  # noqa: S105  # made up
CREATED_AT: Final = "2026-03-02T09:30:00.123456-05:00"
UPDATED_AT: Final = "2026-03-04T17:05:00.654321-05:00"

USER: Final[dict[str, Any]] = {
    "id": 7,
    "email": EMAIL,
    "username": "grace",
    "first_name": "Grace",
    "last_name": "Albury",
    "phone": "+12425550134",
    "bio": "Twelve years in hotel kitchens, the last five as head chef.",
    "avatar_url": "/media/avatars/1f0c5d2ab4e94c3f8b6a7d9e0c1f2a3b.webp",
    "occupation": "Chef",
    "location": "Nassau, New Providence",
    "is_email_verified": False,
    "is_active": True,
    "is_admin": False,
    "created_at": CREATED_AT,
    "updated_at": UPDATED_AT,
}
NEW_USER: Final = USER | {
    "bio": "",
    "avatar_url": "",
    "occupation": "",
    "updated_at": "2026-03-02T09:30:00.123457-05:00",
}
CONTACT_PROFILE: Final = {name: USER[name] for name in ContactProfileSerializer.Meta.fields}
PUBLIC_PROFILE: Final = {name: USER[name] for name in PublicProfileSerializer.Meta.fields}

SESSION: Final[dict[str, Any]] = {
    "id": "8a6e0804-2bd0-4672-b79d-d97027f9071a",
    "created_at": CREATED_AT,
    "last_used_at": UPDATED_AT,
    "expires_at": "2026-03-18T17:05:00.654321-05:00",
    "address": "203.0.113.9",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "is_current": True,
}

# The parts of a token say {"alg":"HS256"}, {"token_type":"access"} and "signature".
ACCESS_TOKEN: Final = "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIn0.c2lnbmF0dXJl"  # noqa: S105
REFRESH_TOKEN: Final = "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.c2lnbmF0dXJl"  # noqa: S105
TOKENS: Final = {
    "access_token": ACCESS_TOKEN,
    "refresh_token": REFRESH_TOKEN,
    "token_type": "bearer",
}
