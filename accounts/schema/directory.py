"""The operations on other people's profiles."""

from typing import Final

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema

from accounts.converters import UserIdConverter
from accounts.representations import ProfilePageSerializer
from accounts.schema.answers import Refusal, answer, refuse, refuse_fields
from accounts.schema.components import ProfileSerializer
from accounts.schema.people import CONTACT_PROFILE, PUBLIC_PROFILE
from accounts.schema.refusals import (
    ANY,
    NO_SUCH_USER,
    UNAUTHENTICATED,
)
from accounts.serializers import DirectoryQuerySerializer, LookupQuerySerializer

TAGS: Final = ["Directory"]
USER_ID: Final = {
    "type": "integer",
    "format": "int64",
    "minimum": 1,
    "maximum": UserIdConverter.max_value,
}
PROFILES: Final = [
    OpenApiExample("For everybody", PUBLIC_PROFILE, response_only=True),
    OpenApiExample("For oneself and admins", CONTACT_PROFILE, response_only=True),
]

LIST_USERS: Final = extend_schema(
    operation_id="list_users",
    tags=TAGS,
    summary="Search the directory",
    description="Return a page of the active users in whose profiles every word occurs.",
    parameters=[DirectoryQuerySerializer],
    examples=[
        OpenApiExample("A profession", "chef", parameter_only=("search", "query")),
        OpenApiExample(
            "One chef",
            {"count": 1, "page": 1, "page_size": 20, "results": [PUBLIC_PROFILE]},
            response_only=True,
        ),
    ],
    responses=answer(
        200,
        "The page; an empty one behind the last.",
        ProfilePageSerializer,
        refuse_fields({"page": ["Ensure this value is greater than or equal to 1."]}),
        UNAUTHENTICATED,
        ANY,
    ),
)

GET_USER: Final = extend_schema(
    operation_id="get_user",
    tags=TAGS,
    summary="Read a profile",
    description="Return a profile, with email and phone for oneself and for admins.",
    parameters=[
        OpenApiParameter(
            "user_id",
            {
                "type": "integer",
                "format": "int64",
                "minimum": 1,
                "maximum": UserIdConverter.max_value,
            },
            OpenApiParameter.PATH,
            description="The user's id.",
            examples=[OpenApiExample("Grace", 7)],
        )
    ],
    examples=PROFILES,
    responses=answer(200, "The profile.", ProfileSerializer, NO_SUCH_USER, UNAUTHENTICATED, ANY),
)

LOOK_UP_USER: Final = extend_schema(
    operation_id="look_up_user",
    tags=TAGS,
    summary="Find a profile by username",
    description=(
        "Return the profile with this username or, for admins, with this email or phone. Give "
        "exactly one of the three, in any spelling."
    ),
    parameters=[LookupQuerySerializer],
    examples=[
        OpenApiExample("Grace", "grace", parameter_only=("username", "query")),
        *PROFILES,
    ],
    responses=answer(
        200,
        "The profile.",
        ProfileSerializer,
        refuse_fields({"non_field_errors": ["Give one of username, email and phone."]}),
        UNAUTHENTICATED,
        refuse(
            403,
            "Only admins look users up by email and phone.",
            Refusal("permission_denied", "Only admins look users up by email. Use username."),
        ),
        NO_SUCH_USER,
        ANY,
    ),
)
