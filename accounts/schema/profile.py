"""The operations on a user's own account."""

from typing import Final

from drf_spectacular.utils import OpenApiExample, extend_schema

from accounts.representations import AvatarSerializer, TokenPairSerializer, UserSerializer
from accounts.schema.answers import answer, exchange, refuse_fields
from accounts.schema.people import NEW_PASSWORD, PASSWORD, TOKENS, USER
from accounts.schema.refusals import (
    ANY,
    ANY_WITH_FORM,
    ANY_WITH_JSON,
    NOT_A_FORM,
    NOT_JSON,
    UNAUTHENTICATED,
)
from accounts.serializers import (
    AccountClosingSerializer,
    AvatarUploadSerializer,
    PasswordChangeSerializer,
    ProfileChangesSerializer,
)

TAGS: Final = ["Account"]
CHANGES: Final = exchange(
    "Grace",
    {"username": "grace", "occupation": "Chef", "bio": USER["bio"]},
    USER,
)
CHANGED: Final = answer(
    200,
    "The user with all changes.",
    UserSerializer,
    refuse_fields(
        {
            "phone": ["Enter a phone number such as 242-555-1234 or +44 20 7946 0958."],
            "frist_name": ["There is no such field here. Leave it out."],
        },
        NOT_JSON,
    ),
    UNAUTHENTICATED,
    ANY_WITH_JSON,
)

GET_PROFILE: Final = extend_schema(
    operation_id="get_profile",
    tags=TAGS,
    summary="Read one's own user",
    description="Return the user whose access token this is.",
    examples=exchange("Grace", None, USER),
    responses=answer(200, "The user.", UserSerializer, UNAUTHENTICATED, ANY),
)

UPDATE_PROFILE: Final = extend_schema(
    operation_id="update_profile",
    tags=TAGS,
    summary="Change one's profile",
    description=(
        "Change the fields that are given; what is left out stays. An empty or null username or "
        "phone removes it."
    ),
    request=ProfileChangesSerializer,
    examples=CHANGES,
    responses=CHANGED,
)

PATCH_PROFILE: Final = extend_schema(
    operation_id="patch_profile",
    tags=TAGS,
    summary="Change one's profile, by PATCH",
    description="Do what PUT does.",
    request=ProfileChangesSerializer,
    examples=CHANGES,
    responses=CHANGED,
)

UPLOAD_AVATAR: Final = extend_schema(
    operation_id="upload_avatar",
    tags=TAGS,
    summary="Replace one's picture",
    description=(
        "Send a JPEG, PNG or WebP of at most 5 MB, 16 megapixels and 8192 pixels a side. It is "
        "turned upright, made smaller and stored as WebP, without its metadata."
    ),
    request={"multipart/form-data": AvatarUploadSerializer},
    examples=exchange("Grace", None, {"avatar_url": USER["avatar_url"]}),
    responses=answer(
        200,
        "Where the new picture is.",
        AvatarSerializer,
        refuse_fields({"file": ["Choose a JPEG, PNG or WebP picture."]}, NOT_A_FORM),
        UNAUTHENTICATED,
        ANY_WITH_FORM,
    ),
)

CHANGE_PASSWORD: Final = extend_schema(
    operation_id="change_password",
    tags=TAGS,
    summary="Change one's password",
    description="Every older token dies, everywhere; a new pair comes back.",
    request=PasswordChangeSerializer,
    examples=exchange(
        "Grace", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}, TOKENS
    ),
    responses=answer(
        200,
        "New tokens.",
        TokenPairSerializer,
        refuse_fields({"current_password": ["This password is wrong."]}, NOT_JSON),
        UNAUTHENTICATED,
        ANY_WITH_JSON,
    ),
)

CLOSE_ACCOUNT: Final = extend_schema(
    operation_id="close_account",
    tags=TAGS,
    summary="Close one's account",
    description=(
        "Deactivate the account; every token dies at once. The password is needed where the "
        "account has one."
    ),
    request=AccountClosingSerializer,
    examples=[OpenApiExample("Grace", {"password": PASSWORD}, request_only=True)],
    responses=answer(
        204,
        "The account is closed.",
        None,
        refuse_fields({"password": ["This password is wrong."]}, NOT_JSON),
        UNAUTHENTICATED,
        ANY_WITH_JSON,
    ),
)
