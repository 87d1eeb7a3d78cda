"""The operations on a user's own account."""

from typing import Final

from accounts.errors import PASSWORD_IS_WRONG, OutOfScope, RecentLoginRequired
from accounts.schema.examples import NEW_PASSWORD, PASSWORD, TOKENS, USER
from accounts.schema.operations import FORM, Answer, Body, keyed_operation, operation
from accounts.schema.refusals import (
    NOT_STORED,
    OUT_OF_SCOPE,
    PROVEN,
    refuse,
)
from accounts.serializers.requests import (
    AvatarUploadSerializer,
    PasswordChangeSerializer,
    ProfileChangesSerializer,
)
from accounts.serializers.responses import AvatarSerializer, TokenPairSerializer, UserSerializer

TAG: Final = "Account"
CHANGES: Final = Body(
    ProfileChangesSerializer,
    {"username": "grace", "occupation": "Chef", "bio": USER["bio"]},
    {
        "phone": ["Enter a phone number such as 242-555-1234 or +44 20 7946 0958."],
        "frist_name": ["There is no such field here. Leave it out."],
    },
)
CHANGED: Final = Answer("The user with all changes.", UserSerializer, USER)

NOT_ALLOWED: Final = refuse(
    "The API key may only read; or the account has no password, and the log-in was too long ago.",
    OutOfScope,
    RecentLoginRequired,
)

GET_PROFILE: Final = keyed_operation(
    "get_profile",
    TAG,
    "Read one's own user",
    "Return the user whose access token or API key this is.",
    answer=Answer("The user.", UserSerializer, USER),
)

UPDATE_PROFILE: Final = keyed_operation(
    "update_profile",
    TAG,
    "Change one's profile",
    "Change the fields that are given; what is left out stays. An empty or null username or "
    "phone removes it. Another phone takes the password as well, and a code of the second factor "
    "where there is one; without a password, a recent log-in.",
    PROVEN,
    NOT_ALLOWED,
    body=CHANGES,
    answer=CHANGED,
)

PATCH_PROFILE: Final = keyed_operation(
    "patch_profile",
    TAG,
    "Change one's profile, by PATCH",
    "Do what PUT does.",
    PROVEN,
    NOT_ALLOWED,
    body=CHANGES,
    answer=CHANGED,
)

UPLOAD_AVATAR: Final = keyed_operation(
    "upload_avatar",
    TAG,
    "Replace one's picture",
    "Send a JPEG, PNG or WebP of at most 5 MB. A JPEG may have 50 megapixels, a progressive one "
    "12, a PNG 5, or 4 with transparency, and a WebP 2. It is turned upright, made smaller and "
    "stored as WebP, in sRGB and without its metadata.",
    OUT_OF_SCOPE,
    NOT_STORED,
    body=Body(
        AvatarUploadSerializer, None, {"file": ["Choose a JPEG, PNG or WebP picture."]}, FORM
    ),
    answer=Answer(
        "Where the new picture is.", AvatarSerializer, {"avatar_url": USER["avatar_url"]}
    ),
)

CHANGE_PASSWORD: Final = operation(
    "change_password",
    TAG,
    "Change one's password",
    "Every older token dies, everywhere; a new pair comes back. An account without a password gets "
    "its first. A code of the second factor is needed where there is one.",
    PROVEN,
    body=Body(
        PasswordChangeSerializer,
        {"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        {"current_password": [PASSWORD_IS_WRONG]},
    ),
    answer=Answer("New tokens.", TokenPairSerializer, TOKENS),
)
